//! Test cases in folders: the input files and the expected output files.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use microservice_flask::internals::config::problem::Findings;
use microservice_flask::internals::config::{self, Config};
use microservice_flask::internals::host::Host;
use microservice_flask::internals::plan::layout::Layout;
use microservice_flask::internals::plan::{self, Plan};
use serde::Deserialize;

/// The runtime folder in all expected files.
const RUNTIME: &str = "/run/microservice-flask";

/// request.json: the part of the plan's input that comes from the command line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) name: String,
    pub(crate) root: PathBuf,
    pub(crate) listen: Vec<SocketAddr>,
}

/// A folder with input files; the expected files are read by `compare`.
pub(crate) struct Case {
    folder: PathBuf,
    /// The content of config.json; none without that file.
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
        // A case has only the files that it needs.
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

    /// The name of the folder.
    pub(crate) fn name(&self) -> String {
        self.folder
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned()
    }

    /// Loads config.json.
    pub(crate) fn load(&self) -> (Config, Findings) {
        config::load(
            self.text.as_ref().map(|_| PathBuf::from("config.json")),
            self.text.as_deref(),
        )
    }

    /// The plan with the runtime folder of the expected files.
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
            allow_root: false,
        };
        plan::plan(input, config, host, findings)
    }

    /// Compares with an expected file, or with `UPDATE_GOLDEN=1` writes it. Adds a difference to `differences`.
    pub(crate) fn compare(&self, name: &str, got: &str, differences: &mut Vec<String>) {
        let file = self.folder.join(name);
        if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
            std::fs::write(&file, got).unwrap();
            return;
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        if expected == got {
            return;
        }
        let mut lines = expected.lines().zip(got.lines()).enumerate();
        let (line, (want, have)) =
            lines
                .find(|(_, (want, have))| want != have)
                .unwrap_or_else(|| {
                    let shorter = expected.lines().count().min(got.lines().count());
                    let nth = |text: &'_ str| text.lines().nth(shorter).map(str::to_owned);
                    let (want, have) = (nth(&expected), nth(got));
                    panic!(
                        "{}: line {}: want {want:?}, got {have:?}",
                        file.display(),
                        shorter + 1
                    )
                });
        differences.push(format!(
            "{}:{}:\n  want {want}\n  got  {have}",
            file.display(),
            line + 1
        ));
    }
}

/// Fails with all differences.
#[track_caller]
pub(crate) fn assert_none(differences: &[String]) {
    assert!(
        differences.is_empty(),
        "{}\nif this is intended: UPDATE_GOLDEN=1 cargo test --test rules, and review the diff",
        differences.join("\n")
    );
}
