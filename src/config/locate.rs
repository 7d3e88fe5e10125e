//! Where the service and its config.json are: from options, the environment and the search rules of the platform's library.
//!
//! Two rules of the platform are followed exactly. Its bootstrap builds `CONFIG_PATH` from the service folder,
//! `CONFIG_DIR`, `MICROSERVICE_ENV` and `MICROSERVICE_APP_ID`: every existing folder among their combinations and all
//! parents, deepest first, then the same below `/opt/$IMAGE_NAME`. `hermes.get_config` of its library takes the first
//! folder of `CONFIG_PATH` that holds the file, and merges nothing. The service's own code calls the library with the
//! same `CONFIG_PATH`, so the launcher must find the same file.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::env_folders::{FILE_NAME, combinations};
use super::missing_env::{self, MissingEnv};
use crate::sys::files;

/// The environment variables at the start, as far as they are UTF-8.
pub(crate) type Env = BTreeMap<String, String>;

/// Folder of the platform's services.
const PLATFORM_ROOT: &str = "/opt";
/// Bytes of a config.json: far more than any has, and too few to fill the memory.
const MAX_FILE: u64 = 16 << 20;
/// Value of `CONFIG_DIR` in the platform's base images.
const DEFAULT_CONFIG_DIR: &str = "config";

/// The options that select a service; an empty `--env` must be none.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServiceQuery {
    /// `--app`.
    pub app: Option<PathBuf>,
    /// `--name`.
    pub name: Option<String>,
    /// `--env`.
    pub env: Option<String>,
    /// `--config`.
    pub config: Option<PathBuf>,
}

/// A service whose folder and src/main.py exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    /// Absolute path of the service folder, without symbolic links.
    pub root: PathBuf,
    /// `--name`, else the last part of the service folder.
    pub name: String,
    /// `--env`; the service's own code gets it as `MICROSERVICE_ENV`.
    pub env: Option<String>,
    /// `CONFIG_PATH` for the service's own code: folders, separated by colons.
    pub config_path: String,
    /// Absolute path and text of config.json; none when no folder has one.
    pub config: Option<(PathBuf, String)>,
    /// Set when `--env` is probably misspelt.
    pub missing_env: Option<MissingEnv>,
}

/// Why no service can be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookupError {
    /// Neither an option nor the environment names a service.
    #[error(
        "cannot tell which service to run: no --app, and MICROSERVICE_DIR, MICROSERVICE_NAME and IMAGE_NAME are not set\n  hint: microservice-flask run --app DIR, where DIR/src/main.py has `app`"
    )]
    NoService,
    /// The service folder does not exist, or cannot be entered.
    #[error("cannot find the service folder {}: {source}\n  hint: give it with --app DIR or MICROSERVICE_DIR; {looked}", root.display())]
    NoFolder {
        /// The service folder.
        root: PathBuf,
        /// Which option or variable the path came from.
        looked: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// src/main.py is missing or not a file.
    #[error("cannot find the application: {} {problem}\n  hint: the service folder {} needs src/main.py with a Flask object named `app`", main.display(), root.display())]
    NoMain {
        /// The service folder.
        root: PathBuf,
        /// Path of src/main.py.
        main: PathBuf,
        /// Completes "src/main.py …".
        problem: String,
    },
    /// A config.json that exists, or that `--config` names, cannot be read.
    #[error("cannot read {}: {source}\n  hint: {hint}", file.display())]
    Unreadable {
        /// Path of the config.json.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
        /// Which option or variable the path came from.
        hint: &'static str,
    },
}

/// Finds the service and reads its config.json.
pub(crate) fn find_service(query: &ServiceQuery, env: &Env) -> Result<Service, LookupError> {
    let (root, looked) = service_root(query, env).ok_or(LookupError::NoService)?;
    let root = std::fs::canonicalize(&root).map_err(|source| LookupError::NoFolder {
        root,
        looked,
        source,
    })?;
    let main = root.join("src").join("main.py");
    match std::fs::metadata(&main) {
        Ok(meta) if meta.is_file() => {}
        Ok(_) => {
            return Err(LookupError::NoMain {
                root,
                main,
                problem: "is not a file".to_owned(),
            });
        }
        Err(error) => {
            return Err(LookupError::NoMain {
                root,
                main,
                problem: format!("({error})"),
            });
        }
    }
    let name = query
        .name
        .clone()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| {
            root.file_name().map_or_else(
                || "service".to_owned(),
                |name| name.to_string_lossy().into_owned(),
            )
        });
    let config_path = match set(env, "CONFIG_PATH") {
        Some(path) => path.to_owned(),
        None => built_config_path(&root, &name, query.env.as_deref(), env),
    };
    let missing_env = match (set(env, "CONFIG_PATH"), &query.config, &query.env) {
        (None, None, Some(asked)) => {
            let app_id = set(env, "MICROSERVICE_APP_ID").unwrap_or("");
            missing_env::find(&config_folders(&root, &name, env), asked, app_id)
        }
        _ => None,
    };
    let config = match &query.config {
        Some(file) => Some(read(
            file,
            "it was named with --config or MICROSERVICE_CONFIG",
        )?),
        None => first_config(&config_path)?,
    };
    Ok(Service {
        root,
        name,
        env: query.env.clone(),
        config_path,
        config,
        missing_env,
    })
}

fn service_root(query: &ServiceQuery, env: &Env) -> Option<(PathBuf, &'static str)> {
    if let Some(app) = &query.app {
        return Some((app.clone(), "it was named there"));
    }
    let name = query.name.as_deref().filter(|name| !name.is_empty());
    let image = set(env, "IMAGE_NAME").map(|image| Path::new(PLATFORM_ROOT).join(image));
    let Some(name) = name else {
        return image.map(|folder| (folder, "it was built from IMAGE_NAME"));
    };
    let own = Path::new(PLATFORM_ROOT).join(name);
    // A container may have another name than its image; the code is in the folder of the image.
    match image.filter(|image| !own.is_dir() && image.is_dir()) {
        Some(image) => Some((image, "it was built from IMAGE_NAME")),
        None => Some((own, "it was built from MICROSERVICE_NAME")),
    }
}

/// The value of a variable. Empty variables count as unset.
fn set<'a>(env: &'a Env, name: &str) -> Option<&'a str> {
    env.get(name)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
}

/// The folders that hold the folders of environments: the service's, and that of its image.
fn config_folders(root: &Path, name: &str, env: &Env) -> Vec<PathBuf> {
    let config_dir = set(env, "CONFIG_DIR").unwrap_or(DEFAULT_CONFIG_DIR);
    let mut folders = vec![root.join(config_dir)];
    if let Some(image) = set(env, "IMAGE_NAME").filter(|image| *image != name) {
        folders.push(Path::new(PLATFORM_ROOT).join(image).join(config_dir));
    }
    folders
}

fn built_config_path(root: &Path, name: &str, microservice_env: Option<&str>, env: &Env) -> String {
    let app_id = set(env, "MICROSERVICE_APP_ID").unwrap_or("");
    let folders = combinations(microservice_env.unwrap_or(""), app_id);
    let existing: Vec<String> = config_folders(root, name, env)
        .iter()
        .flat_map(|base| {
            folders.iter().map(|folder| {
                if folder.is_empty() {
                    base.clone()
                } else {
                    base.join(folder)
                }
            })
        })
        .filter(|path| path.is_dir())
        .map(|path| path.display().to_string())
        .collect();
    existing.join(":")
}

fn first_config(config_path: &str) -> Result<Option<(PathBuf, String)>, LookupError> {
    for folder in config_path.split(':').filter(|folder| !folder.is_empty()) {
        let file = Path::new(folder).join(FILE_NAME);
        if file.exists() {
            return read(
                &file,
                "it was found in the folders of CONFIG_PATH; let the launcher's user read it",
            )
            .map(Some);
        }
    }
    Ok(None)
}

fn read(file: &Path, hint: &'static str) -> Result<(PathBuf, String), LookupError> {
    let unreadable = |source| LookupError::Unreadable {
        file: file.to_owned(),
        source,
        hint,
    };
    let bytes = files::read_regular(file, MAX_FILE).map_err(unreadable)?;
    // Invalid UTF-8 is replaced, so that the JSON parser reports it with its line.
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let absolute = std::fs::canonicalize(file).map_err(unreadable)?;
    Ok((absolute, text))
}

#[cfg(test)]
#[path = "locate_tests.rs"]
mod tests;
