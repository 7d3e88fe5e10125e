//! Properties of the host that the plan depends on: CPUs, memory, limits, users, programs, and what the service folder holds.
//!
//! [`probe`] gathers them once; the plan sees only the values. [`cgroup`] reads limits, [`programs`] finds nginx, uWSGI
//! and Python, [`access`] finds what is closed to the workers.
#![forbid(unsafe_code)]

pub mod access;
pub mod cgroup;
pub mod programs;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::access::{Closed, Need};
use self::programs::{Nginx, Uwsgi, Venv};
use crate::sys::short_programs::ShortPrograms;

/// The facts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// CPUs that the affinity mask allows.
    pub cpus: u32,
    /// CPUs' worth of time that the control group allows.
    pub cpu_quota: Option<f64>,
    /// Bytes of memory that the control group allows.
    pub memory_limit: Option<u64>,
    /// Largest backlog of a listening socket (`net.core.somaxconn`).
    pub somaxconn: u32,
    /// Most open files of a process (hard limit of `RLIMIT_NOFILE`).
    pub open_files: u64,
    /// Whether the launcher is root.
    pub root: bool,
    /// The user that the workers shall have, looked up; none when the system does not know it.
    pub worker_user: Option<User>,
    /// nginx, where it is installed.
    pub nginx: Option<Nginx>,
    /// uWSGI, where it is installed.
    pub uwsgi: Option<Uwsgi>,
    /// Names of uWSGI's options; none when nobody asked, or it does not tell.
    #[serde(default)]
    pub uwsgi_options: Option<Vec<String>>,
    /// What the service folder holds.
    pub folder: Folder,
}

/// A user of the system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// The number of its main group.
    pub gid: u32,
    /// The name of its main group; nginx takes that of the user otherwise, which not every user has.
    #[serde(default)]
    pub group: Option<String>,
    /// Its home folder.
    pub home: PathBuf,
}

/// What the service folder holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// Folders below `src` that exist, of those asked for.
    pub statics: Vec<String>,
    /// `nginx/server.d/*.conf`, sorted.
    pub server_snippets: Vec<PathBuf>,
    /// `nginx/http.d/*.conf`, sorted.
    pub http_snippets: Vec<PathBuf>,
    /// Its virtual environment.
    pub venv: Option<Venv>,
    /// What the workers' user cannot read of it, when the launcher is root.
    #[serde(default)]
    pub closed: Option<Closed>,
}

/// What to look for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The service folder.
    pub root: &'a Path,
    /// The user that the workers shall have, when the launcher is root.
    pub user: &'a str,
    /// Static folders below `src`.
    pub statics: &'a [&'a str],
    /// Whether the names of uWSGI's options are needed; asking takes some 20 ms.
    pub uwsgi_options: bool,
    /// `PATH`.
    pub path: &'a OsStr,
}

/// What the workers read in a service folder, whatever the service.
const NEEDED: &[(&str, Need)] = &[("src", Need::List), ("src/main.py", Need::Read)];

/// Backlog when the system does not tell: the kernel's default (Linux 5.4 and later).
const DEFAULT_SOMAXCONN: u32 = 4096;

/// Gathers the facts. What cannot be found out is left at what the kernel does by default.
pub async fn probe(wanted: &Wanted<'_>, runner: &ShortPrograms) -> Host {
    let limits = cgroup::limits(Path::new("/"));
    let root = nix::unistd::geteuid().is_root();
    let worker_user = if root {
        user_by_name(wanted.user)
    } else {
        Some(own_user())
    };
    let folder = Folder {
        statics: wanted
            .statics
            .iter()
            .filter(|folder| wanted.root.join("src").join(folder).is_dir())
            .map(|folder| (*folder).to_owned())
            .collect(),
        server_snippets: snippets(&wanted.root.join("nginx/server.d")),
        http_snippets: snippets(&wanted.root.join("nginx/http.d")),
        venv: programs::venv(wanted.root),
        closed: worker_user
            .as_ref()
            .filter(|_| root)
            .and_then(|user| access::first_denied(wanted.root, NEEDED, user)),
    };
    let uwsgi = programs::uwsgi(wanted.path, folder.venv.as_ref(), runner).await;
    let uwsgi_options = match &uwsgi {
        Some(uwsgi) if wanted.uwsgi_options => programs::uwsgi_options(uwsgi, runner).await,
        Some(_) | None => None,
    };
    Host {
        cpus: affinity(),
        cpu_quota: limits.cpus,
        memory_limit: limits.memory,
        somaxconn: std::fs::read_to_string("/proc/sys/net/core/somaxconn")
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(DEFAULT_SOMAXCONN),
        open_files: nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
            .map_or(1024, |(_, hard)| hard),
        root,
        worker_user,
        nginx: programs::nginx(wanted.path, runner).await,
        uwsgi_options,
        uwsgi,
        folder,
    }
}

fn affinity() -> u32 {
    let own = nix::unistd::Pid::from_raw(0);
    let Ok(set) = nix::sched::sched_getaffinity(own) else {
        return 1;
    };
    let count = (0..nix::sched::CpuSet::count())
        .filter(|cpu| set.is_set(*cpu).unwrap_or(false))
        .count();
    u32::try_from(count).unwrap_or(1).max(1)
}

fn user_by_name(name: &str) -> Option<User> {
    let user = nix::unistd::User::from_name(name).ok().flatten()?;
    Some(User {
        name: user.name,
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        group: nix::unistd::Group::from_gid(user.gid)
            .ok()
            .flatten()
            .map(|group| group.name),
        home: user.dir,
    })
}

/// The launcher's own user. A container may run as a number that /etc/passwd does not know.
fn own_user() -> User {
    let uid = nix::unistd::geteuid();
    let known = nix::unistd::User::from_uid(uid).ok().flatten();
    let (name, home) = known.map_or_else(
        || (uid.to_string(), PathBuf::from("/")),
        |user| (user.name, user.dir),
    );
    User {
        name,
        uid: uid.as_raw(),
        gid: nix::unistd::getegid().as_raw(),
        group: None,
        home,
    }
}

fn snippets(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|ext| ext == "conf") && path.is_file())
        .collect();
    files.sort();
    files
}
