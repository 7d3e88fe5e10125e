//! An environment that is asked for and has no configuration folder, while others have one: probably it is misspelt, and
//! the service would run with the configuration of no environment at all.

use std::path::{Path, PathBuf};

use super::env_folders::{FILE_NAME, combinations, first_part};
use super::near_miss::did_you_mean;

/// Names that are those of environments, whatever their folders hold.
const USUAL: [&str; 14] = [
    "demo",
    "dev",
    "development",
    "integration",
    "live",
    "preprod",
    "prod",
    "production",
    "qa",
    "stage",
    "staging",
    "test",
    "testing",
    "uat",
];
/// `local` is merged over every environment by the platform's library, `lost+found` is in the root of a volume.
const NO_ENVIRONMENTS: [&str; 2] = ["local", "lost+found"];
/// How many folders below that of an environment a config.json may be: regions, application IDs.
const DEPTH: u32 = 3;
/// Entries of a folder that are looked at: what has more holds data.
const ENTRIES: usize = 1000;
/// A shorter name is not taken for the beginning of a longer one.
const MIN_BEGINNING: usize = 3;

/// The environment has no configuration folder, while other environments have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MissingEnv {
    /// `--env`.
    pub env: String,
    /// The folder that does not exist.
    pub looked_for: PathBuf,
    /// Names of the folders that do exist, sorted.
    pub existing: Vec<String>,
    /// Whether these are folders of environments. With an application ID they may be those of other applications.
    pub is_certain: bool,
}

impl MissingEnv {
    /// Text of the finding.
    pub(crate) fn what(&self) -> String {
        format!(
            "the environment {:?} (--env or MICROSERVICE_ENV) has no folder: there is no {}",
            self.env,
            self.looked_for.display()
        )
    }

    /// The existing folders, the most similar one first.
    pub(crate) fn hint(&self) -> String {
        let verb = if self.existing.len() == 1 {
            "is"
        } else {
            "are"
        };
        let mut hint = format!("there {verb} {}", self.existing.join(", "));
        if let Some(meant) = first_part(&self.env).and_then(|first| meant(first, &self.existing)) {
            hint = format!("{meant} {hint}");
        }
        format!(
            "{hint}; an environment without values of its own needs an empty folder, or --config FILE"
        )
    }
}

/// Looks for the folder of the environment `asked` in each folder of `bases`, which holds the configuration of a service.
/// A service without any folder of an environment has one configuration for all of them.
pub(super) fn find(bases: &[PathBuf], asked: &str, app_id: &str) -> Option<MissingEnv> {
    let first = first_part(asked)?;
    let found = combinations(asked, app_id)
        .iter()
        .filter(|folder| folder.split('/').any(|part| part == first))
        .any(|folder| bases.iter().any(|base| base.join(folder).is_dir()));
    if found {
        return None;
    }
    let own_app = first_part(app_id);
    let is_usual = |name: &String| USUAL.contains(&name.to_ascii_lowercase().as_str());
    let is_similar = |name: &String| meant(first, std::slice::from_ref(name)).is_some();
    let mut existing: Vec<String> = bases
        .iter()
        .flat_map(|base| folders(base))
        .filter(|(name, _)| Some(name.as_str()) != own_app)
        .filter(|(name, path)| is_usual(name) || is_similar(name) || has_config(path, DEPTH))
        .map(|(name, _)| name)
        .collect();
    existing.sort();
    existing.dedup();
    let is_certain = app_id.is_empty() || existing.iter().any(|it| is_usual(it) || is_similar(it));
    (!existing.is_empty()).then(|| MissingEnv {
        env: asked.to_owned(),
        looked_for: bases
            .first()
            .map(|base| base.join(asked))
            .unwrap_or_default(),
        existing,
        is_certain,
    })
}

/// The question after the most similar name: a misspelt one, or one that begins as the other.
fn meant(asked: &str, names: &[String]) -> Option<String> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    did_you_mean(asked, &names).or_else(|| {
        let asked = asked.to_ascii_lowercase();
        names
            .iter()
            .find(|name| {
                let name = name.to_ascii_lowercase();
                name.len().min(asked.len()) >= MIN_BEGINNING
                    && (name.starts_with(&asked) || asked.starts_with(&name))
            })
            .map(|name| format!("did you mean {name:?}?"))
    })
}

/// The folders in a folder that may be those of environments, with their names. Those whose names begin with a dot are
/// Kubernetes' own: it mounts a ConfigMap with its content in `..data`.
fn folders(base: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(base) else {
        return Vec::new();
    };
    entries
        .take(ENTRIES)
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .filter(|(name, _)| !name.starts_with('.') && !NO_ENVIRONMENTS.contains(&name.as_str()))
        .filter(|(_, path)| path.is_dir())
        .collect()
}

fn has_config(folder: &Path, depth: u32) -> bool {
    folder.join(FILE_NAME).is_file()
        || depth > 0
            && folders(folder)
                .iter()
                .any(|(_, inner)| has_config(inner, depth - 1))
}

#[cfg(test)]
#[path = "missing_env_tests.rs"]
mod tests;
