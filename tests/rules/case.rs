//! A folder with a case: what goes in, and the files with what comes out.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use microservice_flask::config::problem::Findings;
use microservice_flask::config::{self, Config};
use microservice_flask::host::Host;
use microservice_flask::plan::layout::Layout;
use microservice_flask::plan::{self, Plan};
use serde::Deserialize;

/// The runtime folder of every plan that is pinned.
const RUNTIME: &str = "/run/microservice-flask";

/// request.json: what the command line and the search add.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) name: String,
    pub(crate) root: PathBuf,
    pub(crate) listen: Vec<SocketAddr>,
}

/// A case.
pub(crate) struct Case {
    folder: PathBuf,
    /// None where the service has no config.json.
    pub(crate) text: Option<String>,
    pub(crate) host: Option<Host>,
    pub(crate) request: Request,
}

/// All cases below tests/`family`, sorted.
pub(crate) fn cases(family: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(family);
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    assert!(
        folders.len() >= 12,
        "cases are missing in {}",
        folder.display()
    );
    folders.into_iter().map(Case::read).collect()
}

/// One case of tests/golden.
pub(crate) fn golden(name: &str) -> Case {
    Case::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden")
            .join(name),
    )
}

impl Case {
    fn read(folder: PathBuf) -> Self {
        let file = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
        let json = |name: &str, error: serde_json::Error| -> ! {
            panic!("{}/{name}: {error}", folder.display())
        };
        let host = file("machine.json").map(|text| {
            serde_json::from_str(&text).unwrap_or_else(|error| json("machine.json", error))
        });
        let request = file("request.json").map_or_else(
            || Request {
                name: "service".to_owned(),
                root: "/srv/service".into(),
                listen: vec![SocketAddr::from(([0, 0, 0, 0], 8080))],
            },
            |text| serde_json::from_str(&text).unwrap_or_else(|error| json("request.json", error)),
        );
        Self {
            text: file("config.json"),
            host,
            request,
            folder,
        }
    }

    /// The last part of the folder.
    pub(crate) fn name(&self) -> String {
        self.folder
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned()
    }

    /// What the configuration says.
    pub(crate) fn load(&self) -> (Config, Findings) {
        config::load(
            self.text.as_ref().map(|_| PathBuf::from("config.json")),
            self.text.as_deref(),
        )
    }

    /// The plan with the folders that are pinned.
    pub(crate) fn plan(&self, config: &Config, host: &Host, findings: &mut Findings) -> Plan {
        let input = plan::PlanInput {
            name: self.request.name.clone(),
            root: self.request.root.clone(),
            listen: self.request.listen.clone(),
            layout: Layout {
                canary: false,
                runtime: RUNTIME.into(),
                generation: 1,
            },
        };
        plan::plan(input, config, host, findings)
    }

    /// Compares with a file of the case, or writes it under `UPDATE_GOLDEN=1`. What differs joins `broken`.
    pub(crate) fn compare(&self, name: &str, got: &str, broken: &mut Vec<String>) {
        let file = self.folder.join(name);
        if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
            std::fs::write(&file, got).unwrap();
            return;
        }
        let wanted = std::fs::read_to_string(&file).unwrap_or_default();
        if wanted == got {
            return;
        }
        let mut lines = wanted.lines().zip(got.lines()).enumerate();
        let (line, (want, have)) =
            lines
                .find(|(_, (want, have))| want != have)
                .unwrap_or_else(|| {
                    let shorter = wanted.lines().count().min(got.lines().count());
                    let nth = |text: &'_ str| text.lines().nth(shorter).map(str::to_owned);
                    let (want, have) = (nth(&wanted), nth(got));
                    panic!(
                        "{}: line {}: want {want:?}, got {have:?}",
                        file.display(),
                        shorter + 1
                    )
                });
        broken.push(format!(
            "{}:{}:\n  want {want}\n  got  {have}",
            file.display(),
            line + 1
        ));
    }
}

/// Fails with every difference.
#[track_caller]
pub(crate) fn nothing(broken: &[String]) {
    assert!(
        broken.is_empty(),
        "{}\nif this is meant: UPDATE_GOLDEN=1 cargo test --test rules, and read the diff",
        broken.join("\n")
    );
}
