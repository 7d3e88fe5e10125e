//! What confines nginx and the application: the files that they may write, the system calls that they may make.
//!
//! Reading and executing are never restricted. Where the kernel or the configuration turns a part off, the reason is kept.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::problem::{Findings, pointer};
use crate::config::{Config, Setting};
use crate::host::Host;
use crate::host::home::Home;
use crate::host::sandbox::{NamedPath, SandboxHost, Support};

/// What confines nginx and the application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SandboxPlan {
    /// What they may write.
    pub landlock: Protection,
    /// Which system calls they may make.
    pub seccomp: Protection,
    /// Whether the home folder of the application is the one in the runtime folder, which it may write.
    pub own_home: bool,
    /// What the application may write beside the launcher's folders for it; without links, none below another.
    pub application: Vec<PathBuf>,
    /// The same for nginx.
    pub nginx: Vec<PathBuf>,
}

impl SandboxPlan {
    /// Whether this one allows the application anything that another one does not.
    pub(crate) fn relaxes(&self, other: &Self) -> bool {
        let goes_off = |now: &Protection, before: &Protection| before.is_on() && !now.is_on();
        let is_open = |path: &PathBuf| other.application.iter().any(|old| path.starts_with(old));
        goes_off(&self.landlock, &other.landlock)
            || goes_off(&self.seccomp, &other.seccomp)
            || (other.landlock.is_on() && !self.application.iter().all(is_open))
    }
}

/// A part of the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protection {
    /// It is on, with the version of the kernel's interface where it has one.
    On(Option<u32>),
    /// It is on, but lets this folder through, which the launcher needs closed.
    OnBut(Option<u32>, PathBuf),
    /// It is off, for this reason.
    Off(String),
}

impl Protection {
    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        matches!(self, Self::On(_) | Self::OnBut(..))
    }

    fn of(key: &Setting<bool>, support: &Support) -> Self {
        match support {
            _ if !key.value => Self::Off(format!("{} is false", dotted(&key.at))),
            Support::Available(version) => Self::On(*version),
            Support::Missing(reason) => Self::Off(reason.clone()),
        }
    }
}

impl Display for Protection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::On(Some(version)) => write!(f, "on (ABI {version})"),
            Self::On(None) => f.write_str("on"),
            Self::OnBut(version, folder) => write!(
                f,
                "{}, but the launcher's own folder is open to the application: it is below {}",
                Self::On(*version),
                folder.display()
            ),
            Self::Off(reason) => write!(f, "off: {reason}"),
        }
    }
}

/// "nginx_config.landlock", from its JSON pointer.
fn dotted(at: &str) -> String {
    at.trim_start_matches('/').replace('/', ".")
}

/// Plans the sandbox. Adds to `findings` the paths of `writable` that cannot be opened.
pub(super) fn plan(
    config: &Config,
    host: &Host,
    runtime: &Path,
    findings: &mut Findings,
) -> SandboxPlan {
    let SandboxHost {
        landlock,
        seccomp,
        folders,
        named,
    } = &host.sandbox;
    let mut application: Vec<PathBuf> = folders.service.iter().cloned().collect();
    application.extend(folders.temp.iter().cloned());
    application.extend(folders.home.iter().cloned());
    application.extend(folders.mounts.iter().cloned());
    let landlock = Protection::of(&config.landlock, landlock);
    let mut nginx = folders.temp.clone();
    let runtime = folders.runtime.as_deref().unwrap_or(runtime);
    let mut more = Vec::new();
    for (index, path) in named.iter().enumerate() {
        match accepted(path, &application, runtime) {
            Ok(target) => more.push(target),
            Err((what, hint)) => {
                findings.warning(pointer(&config.writable.at, &index.to_string()), what, hint);
            }
        }
    }
    nginx.extend(more.iter().cloned());
    application.extend(more);
    let landlock = match landlock {
        // Under a root launcher the files there belong to other users.
        Protection::On(version) if !host.root => {
            let holds_it = application
                .iter()
                .find(|folder| runtime.starts_with(folder));
            holds_it.map_or(Protection::On(version), |folder| {
                Protection::OnBut(version, folder.clone())
            })
        }
        other => other,
    };
    SandboxPlan {
        landlock,
        seccomp: Protection::of(&config.seccomp, seccomp),
        own_home: host.home == Home::Own,
        application: outermost(application),
        nginx: outermost(nginx),
    }
}

/// The file or folder that is opened for a path of `writable`; else what is wrong, and what to do.
fn accepted(
    named: &NamedPath,
    application: &[PathBuf],
    runtime: &Path,
) -> Result<PathBuf, (String, String)> {
    let path = named.path.display();
    let Some(target) = &named.target else {
        return Err((
            format!("{path} does not exist"),
            "make it in the image, or mount a volume there; it can be written from the next start or reload on".to_owned(),
        ));
    };
    if target == Path::new("/") {
        return Err((
            format!("{path} is the root folder, and nothing would be restricted"),
            "name the folders that are written, or set landlock to false".to_owned(),
        ));
    }
    if runtime.starts_with(target) || target.starts_with(runtime) {
        return Err((
            format!(
                "{path} belongs to the launcher, whose folder is {}",
                runtime.display()
            ),
            "name another folder".to_owned(),
        ));
    }
    let is_open = |path: &Path| application.iter().any(|folder| path.starts_with(folder));
    match named.links.iter().find(|link| is_open(link)) {
        Some(link) if !is_open(target) => Err((
            format!(
                "{} is a link to another folder, and the application could change it",
                link.display()
            ),
            format!("write {:?}", target.display().to_string()),
        )),
        Some(_) | None => Ok(target.clone()),
    }
}

/// The paths without those below another, and each once.
fn outermost(mut paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.sort();
    // A path is sorted behind those above it.
    let mut kept: Vec<PathBuf> = Vec::new();
    for path in paths {
        if !kept.iter().any(|above| path.starts_with(above)) {
            kept.push(path);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::sandbox::WritableFolders;

    fn paths(list: &[&str]) -> Vec<PathBuf> {
        list.iter().map(PathBuf::from).collect()
    }

    fn named(path: &str, target: Option<&str>, links: &[&str]) -> NamedPath {
        NamedPath {
            path: path.into(),
            target: target.map(PathBuf::from),
            links: paths(links),
        }
    }

    fn planned(text: &str, named: Vec<NamedPath>) -> (SandboxPlan, Findings) {
        planned_in("/run/x", true, text, named)
    }

    fn planned_in(
        runtime: &str,
        root: bool,
        text: &str,
        named: Vec<NamedPath>,
    ) -> (SandboxPlan, Findings) {
        let (config, mut findings) = crate::config::load(None, Some(text));
        let host = Host {
            sandbox: SandboxHost {
                landlock: Support::Available(Some(4)),
                seccomp: Support::Missing("not here".to_owned()),
                folders: WritableFolders {
                    service: Some("/opt/x".into()),
                    temp: paths(&["/tmp", "/var/tmp", "/tmp"]),
                    home: Some("/home/me".into()),
                    mounts: paths(&["/data", "/opt/x/volume", "/data/deeper", "/database"]),
                    runtime: None,
                },
                named,
            },
            ..Host::bare()
        };
        let host = Host { root, ..host };
        let plan = plan(&config, &host, Path::new(runtime), &mut findings);
        (plan, findings)
    }

    #[test]
    fn the_application_writes_its_own_folders_and_volumes() {
        let cache = named("/var/cache/x", Some("/var/cache/x"), &[]);
        let (plan, findings) = planned("{}", vec![cache]);
        assert!(findings.list.is_empty(), "{findings}");
        let application = "/data /database /home/me /opt/x /tmp /var/cache/x /var/tmp";
        let expected: Vec<&str> = application.split(' ').collect();
        assert_eq!(plan.application, paths(&expected));
        assert_eq!(plan.nginx, paths(&["/tmp", "/var/cache/x", "/var/tmp"]));
        assert_eq!(plan.landlock.to_string(), "on (ABI 4)");
        assert_eq!(plan.seccomp.to_string(), "off: not here");
    }

    #[test]
    fn an_open_runtime_folder_is_told() {
        let told = |runtime, root| {
            let (plan, _) = planned_in(runtime, root, "{}", Vec::new());
            assert!(plan.landlock.is_on());
            plan.landlock.to_string()
        };
        assert_eq!(told("/run/x", false), "on (ABI 4)");
        assert_eq!(told("/tmp/x", true), "on (ABI 4)");
        let open = "on (ABI 4), but the launcher's own folder is open to the application: it is below /tmp";
        assert_eq!(told("/tmp/x", false), open);
    }

    #[test]
    fn a_larger_sandbox_is_a_relaxed_one() {
        let wider = named("/var/cache/x", Some("/var/cache/x"), &[]);
        let (before, _) = planned("{}", Vec::new());
        let (after, _) = planned("{}", vec![wider]);
        assert!(after.relaxes(&before));
        assert!(!before.relaxes(&after) && !before.relaxes(&before));
        let (off, _) = planned(r#"{"nginx_config": {"landlock": false}}"#, Vec::new());
        assert!(off.relaxes(&before) && !before.relaxes(&off));
        assert!(!after.relaxes(&off));
    }

    #[test]
    fn a_part_that_is_turned_off_says_by_which_key() {
        let text = r#"{"apache_config": {"landlock": false}, "nginx_config": {"seccomp": false}}"#;
        let (plan, _) = planned(text, Vec::new());
        let off = "off: apache_config.landlock is false";
        assert_eq!(plan.landlock.to_string(), off);
        let off = "off: nginx_config.seccomp is false";
        assert_eq!(plan.seccomp.to_string(), off);
    }

    #[test]
    fn a_path_that_opens_more_than_it_says_is_refused() {
        let (plan, findings) = planned(
            "{}",
            vec![
                named("/missing", None, &[]),
                named("/", Some("/"), &[]),
                named("/run", Some("/run"), &[]),
                named("/run/x/1", Some("/run/x/1"), &[]),
                named("/opt/x/out", Some("/etc"), &["/opt/x/out"]),
                named("/opt/x/in", Some("/opt/x/volume"), &["/opt/x/in"]),
                named("/srv/link", Some("/srv/target"), &["/srv/link"]),
            ],
        );
        let got: Vec<(&str, &str)> = findings
            .list
            .iter()
            .map(|finding| (finding.at.as_str(), finding.what.as_str()))
            .collect();
        let expected = [
            ("/nginx_config/writable/0", "does not exist"),
            ("/nginx_config/writable/1", "is the root folder"),
            ("/nginx_config/writable/2", "belongs to the launcher"),
            ("/nginx_config/writable/3", "belongs to the launcher"),
            (
                "/nginx_config/writable/4",
                "the application could change it",
            ),
        ];
        assert_eq!(got.len(), expected.len(), "{got:?}");
        for ((at, what), (expected_at, part)) in got.into_iter().zip(expected) {
            assert_eq!(at, expected_at);
            assert!(what.contains(part), "{what}");
        }
        assert!(findings.list[4].hint.contains("\"/etc\""));
        assert!(plan.application.contains(&"/srv/target".into()));
        assert!(!plan.application.contains(&"/etc".into()));
        assert!(!plan.nginx.contains(&"/run".into()));
    }
}
