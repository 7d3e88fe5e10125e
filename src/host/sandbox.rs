//! What the host has of a sandbox: whether the kernel takes its rules, and the folders that a service may write.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::home::Home;
use super::mounts;
use crate::sys::files;
use crate::sys::sandbox::{self, AbiError, SandboxRules, Writable};

/// What the host has of a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxHost {
    /// Restricts what is written.
    pub landlock: Support,
    /// Restricts system calls.
    pub seccomp: Support,
    /// Folders that exist, without links.
    pub folders: WritableFolders,
    /// The paths of `nginx_config.writable`, in their order.
    pub named: Vec<NamedPath>,
}

/// Whether the kernel takes the rules of a sandbox, tried with real ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// It does, with the version of the interface where it has one.
    Available(Option<u32>),
    /// It does not, for this reason.
    Missing(String),
}

impl Default for Support {
    fn default() -> Self {
        Self::Missing("it is not known whether the kernel has it".to_owned())
    }
}

/// The folders that the workers may write without any key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WritableFolders {
    /// The service folder.
    pub service: Option<PathBuf>,
    /// Those for temporary files.
    pub temp: Vec<PathBuf>,
    /// The home folder, unless it is one that the launcher makes.
    pub home: Option<PathBuf>,
    /// What is mounted for the service.
    pub mounts: Vec<PathBuf>,
    /// The launcher's runtime folder, which is none of them.
    #[serde(default)]
    pub runtime: Option<PathBuf>,
}

/// A path of `nginx_config.writable`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedPath {
    /// As it is written, but absolute.
    pub path: PathBuf,
    /// Where it leads; none when there is no such file or folder.
    pub target: Option<PathBuf>,
    /// The links on the way, each in its real folder.
    pub links: Vec<PathBuf>,
}

/// What [`find`] needs to know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search<'a> {
    pub(super) root: &'a Path,
    pub(super) runtime: &'a Path,
    pub(super) env: &'a [(OsString, OsString)],
    pub(super) home: &'a Home,
    pub(super) writable: &'a [PathBuf],
}

/// Folders for temporary files in every system, semaphores and message queues included.
const TEMP: [&str; 4] = ["/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue"];

/// The variables by which Python's `tempfile` chooses another one.
const TEMP_VARIABLES: [&str; 3] = ["TMPDIR", "TEMP", "TMP"];

/// From this version on, files may be moved and linked between folders; before, Landlock forbids that everywhere.
const MOVES: u32 = 2;

/// Links that the kernel follows in one path (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Finds out what the host has.
pub(super) fn find(search: Search<'_>) -> SandboxHost {
    let real = |path: &Path| {
        let real = path.canonicalize().ok()?;
        (real != Path::new("/")).then_some(real)
    };
    let temp = TEMP.iter().map(PathBuf::from).chain(
        search
            .env
            .iter()
            .filter(|(name, _)| TEMP_VARIABLES.iter().any(|known| name == known))
            .map(|(_, folder)| PathBuf::from(folder))
            .filter(|folder| folder.is_absolute()),
    );
    let home = match search.home {
        Home::Environment(folder) | Home::User(folder) => Some(folder),
        Home::Own => None,
    };
    SandboxHost {
        landlock: landlock(),
        seccomp: seccomp(),
        folders: WritableFolders {
            service: real(search.root),
            temp: temp.filter_map(|folder| real(&folder)).collect(),
            home: home.and_then(|folder| real(folder)),
            mounts: mounts::of_services(search.runtime),
            runtime: Some(files::without_links(search.runtime)),
        },
        named: search
            .writable
            .iter()
            .map(|path| named(&search.root.join(path)))
            .collect(),
    }
}

fn named(path: &Path) -> NamedPath {
    NamedPath {
        path: path.to_owned(),
        // Whatever the reason is, the launcher cannot open it.
        target: path.canonicalize().ok(),
        links: links(path),
    }
}

/// The links on the way to an absolute path, and to where they lead.
fn links(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut real = PathBuf::from("/");
    let mut ahead: Vec<OsString> = parts(path).collect();
    while let Some(part) = ahead.pop() {
        if part == ".." {
            real.pop();
            continue;
        }
        let next = real.join(&part);
        match std::fs::read_link(&next) {
            Ok(target) if found.len() < MAX_LINKS => {
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                ahead.extend(parts(&target));
                found.push(next);
            }
            // It is no link, or there are more than the kernel follows.
            Ok(_) | Err(_) => real = next,
        }
    }
    found
}

/// The parts of a path, the first one last.
fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    let parts = path.components().rev();
    parts
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_owned())
}

/// The sandbox of programs that only answer a question: they may write nothing.
pub(super) fn for_questions(host: &SandboxHost) -> SandboxRules {
    let has = |support: &Support| matches!(support, Support::Available(_));
    SandboxRules {
        writable: has(&host.landlock).then(Writable::default),
        refuses_calls: has(&host.seccomp),
        refuses_typing: false,
    }
}

fn landlock() -> Support {
    let missing = |reason: &str| Support::Missing(reason.to_owned());
    match sandbox::abi() {
        Err(AbiError::Unknown) => {
            missing("this kernel has no Landlock (Linux 5.13 and later can have it)")
        }
        Err(AbiError::SwitchedOff) => {
            missing("Landlock is not among the security modules that this kernel was booted with")
        }
        Err(AbiError::Other(error)) => Support::Missing(refused("landlock_create_ruleset", error)),
        Ok(abi) if abi < MOVES => Support::Missing(format!(
            "the Landlock of this kernel (ABI {abi}) would forbid to move files between folders (Linux 5.19 and later do \
             not)"
        )),
        Ok(abi) => tried(sandbox::try_landlock(), "Landlock", Some(abi)),
    }
}

fn seccomp() -> Support {
    tried(sandbox::try_seccomp(), "seccomp", None)
}

fn tried(result: std::io::Result<()>, what: &str, version: Option<u32>) -> Support {
    match result {
        Ok(()) => Support::Available(version),
        // Nobody may switch the sandbox off by using up memory, threads or descriptors: then the start fails.
        Err(error) if is_shortage(&error) => Support::Available(version),
        Err(error) => Support::Missing(match error.raw_os_error() {
            Some(errno) => refused(what, Errno::from_raw(errno)),
            None => format!("{what} does not work here: {error}"),
        }),
    }
}

fn is_shortage(error: &std::io::Error) -> bool {
    let shortages = [Errno::EAGAIN, Errno::ENOMEM, Errno::EMFILE, Errno::ENFILE];
    let errno = error.raw_os_error().map(Errno::from_raw);
    errno.is_some_and(|errno| shortages.contains(&errno))
}

fn refused(what: &str, error: Errno) -> String {
    if error == Errno::EPERM {
        return format!("the container or the service manager forbids {what} (EPERM)");
    }
    format!("the kernel refuses {what}: {}", error.desc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_found_without_links_and_never_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::os::unix::fs::symlink(root.join("real"), root.join("link")).unwrap();
        let env = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        let link = root.join("link");
        let host = find(Search {
            root: &link,
            runtime: Path::new("/nonexistent"),
            env: &[
                env("TMPDIR", link.to_str().unwrap()),
                env("TMP", "/"),
                env("TEMP", "."),
                env("OTHER", "/usr"),
            ],
            home: &Home::Environment(PathBuf::from("/")),
            writable: &[PathBuf::from("."), PathBuf::from("../missing")],
        });
        let real = root.join("real");
        assert_eq!(host.folders.service.as_ref(), Some(&real));
        assert_eq!(host.folders.home, None);
        assert!(host.folders.temp.contains(&PathBuf::from("/tmp")));
        assert!(host.folders.temp.contains(&real));
        assert!(!host.folders.temp.contains(&PathBuf::from("/usr")));
        assert!(!host.folders.temp.contains(&PathBuf::from("/")));
        let [here, missing] = &host.named[..] else {
            panic!("{:?}", host.named);
        };
        assert_eq!((&here.target, &here.links), (&Some(real), &vec![link]));
        assert_eq!(missing.path, root.join("link/../missing"));
        assert_eq!(missing.target, None);
    }

    #[test]
    fn links_are_found_where_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let link = |target: &str, name: &str| {
            std::os::unix::fs::symlink(target, root.join(name)).unwrap();
        };
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        link("a", "one");
        link("../one/b", "a/two");
        link("loop", "loop");
        let check = |path: &str, expected: &[&str]| {
            let expected: Vec<PathBuf> = expected.iter().map(|name| root.join(name)).collect();
            assert_eq!(links(&root.join(path)), expected, "{path}");
        };
        check("a/b", &[]);
        check("one/two", &["one", "a/two", "one"]);
        check("one/../missing", &["one"]);
        assert_eq!(links(&root.join("loop")).len(), MAX_LINKS);
    }

    #[test]
    fn a_refusal_is_told_with_its_reason() {
        let denied = std::io::Error::from_raw_os_error(libc::EPERM);
        let Support::Missing(reason) = tried(Err(denied), "seccomp", None) else {
            panic!("available");
        };
        assert!(reason.contains("forbids seccomp"), "{reason}");
        let short = std::io::Error::from_raw_os_error(libc::EMFILE);
        let support = tried(Err(short), "Landlock", Some(4));
        assert_eq!(support, Support::Available(Some(4)));
    }
}
