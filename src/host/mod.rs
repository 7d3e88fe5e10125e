//! Properties of the host that the plan depends on: CPUs, memory, limits, users, programs, and what the service folder
//! holds.
//!
//! [`probe`] collects them once; the plan sees only the values. [`cgroup`] reads limits, [`programs`] finds nginx,
//! uWSGI and Python, [`user`] looks up the workers' user, [`access`] finds files that they may not read.
#![forbid(unsafe_code)]

pub(crate) mod access;
pub(crate) mod cgroup;
pub mod programs;
pub(crate) mod snippets;
pub(crate) mod user;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::access::{DeniedAccess, Permission};
use self::programs::{Nginx, Uwsgi, Venv};
use self::snippets::UwsgiDirective;
use self::user::User;
use crate::sys::files;
use crate::sys::short_programs::ShortPrograms;

/// What was found on the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// CPUs in the affinity mask.
    pub cpus: u32,
    /// CPU quota of the control group in CPUs, such as 1.5; none without a quota.
    pub cpu_quota: Option<f64>,
    /// Memory limit of the control group in bytes; none without a limit.
    pub memory_limit: Option<u64>,
    /// Largest backlog of a listening socket (`net.core.somaxconn`).
    pub somaxconn: u32,
    /// Hard limit of `RLIMIT_NOFILE`.
    pub open_files: u64,
    /// Bytes that are free where the runtime folder is; none when the system does not tell.
    #[serde(default)]
    pub disk_free: Option<u64>,
    /// Whether the launcher is root.
    pub root: bool,
    /// The user for the workers: the configured one as root, else the launcher's own. None when it does not exist.
    pub worker_user: Option<User>,
    /// None when nginx is not installed.
    pub nginx: Option<Nginx>,
    /// None when uWSGI is not installed.
    pub uwsgi: Option<Uwsgi>,
    /// Names of uWSGI's options; none when not requested, or when uWSGI does not list them.
    #[serde(default)]
    pub uwsgi_options: Option<Vec<String>>,
    /// The content of the service folder.
    pub folder: Folder,
}

/// The content of the service folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// The requested static folders that exist, relative to `src`.
    pub statics: Vec<String>,
    /// `nginx/server.d/*.conf`, sorted.
    pub server_snippets: Vec<PathBuf>,
    /// `nginx/http.d/*.conf`, sorted.
    pub http_snippets: Vec<PathBuf>,
    /// Directives in the snippets that have no effect on requests to the application.
    #[serde(default)]
    pub uwsgi_directives: Vec<UwsgiDirective>,
    /// `venv` or `.venv`.
    pub venv: Option<Venv>,
    /// The first path that the workers' user may not read; only checked when the launcher is root.
    #[serde(default)]
    pub denied: Option<DeniedAccess>,
}

/// What [`probe`] searches for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProbeRequest<'a> {
    /// The service folder.
    pub root: &'a Path,
    /// Name of the workers' user, used when the launcher is root.
    pub user: &'a str,
    /// The runtime folder, which may not exist yet.
    pub runtime: &'a Path,
    /// Static folders, relative to `src`.
    pub statics: &'a [&'a str],
    /// Whether the names of uWSGI's options are needed; getting them takes some 20 ms.
    pub uwsgi_options: bool,
    /// The value of the variable `PATH`.
    pub path: &'a OsStr,
}

/// What the workers must be able to read in every service folder.
const REQUIRED: &[(&str, Permission)] =
    &[("src", Permission::List), ("src/main.py", Permission::Read)];

/// Used where /proc cannot be read: the kernel's default (Linux 5.4 and later).
const DEFAULT_SOMAXCONN: u32 = 4096;

/// Probes the host. Values that cannot be determined get the kernel's defaults.
pub(crate) async fn probe(request: &ProbeRequest<'_>, runner: &ShortPrograms) -> Host {
    let limits = cgroup::limits(Path::new("/"));
    let root = nix::unistd::geteuid().is_root();
    let worker_user = if root {
        user::by_name(request.user)
    } else {
        Some(user::own())
    };
    let server_snippets = snippets::find(&request.root.join("nginx/server.d"));
    let http_snippets = snippets::find(&request.root.join("nginx/http.d"));
    let folder = Folder {
        statics: request
            .statics
            .iter()
            .filter(|folder| request.root.join("src").join(folder).is_dir())
            .map(|folder| (*folder).to_owned())
            .collect(),
        uwsgi_directives: [&http_snippets, &server_snippets]
            .into_iter()
            .flat_map(|files| snippets::uwsgi_directives(files))
            .collect(),
        server_snippets,
        http_snippets,
        venv: programs::venv(request.root),
        denied: worker_user
            .as_ref()
            .filter(|_| root)
            .and_then(|user| access::first_denied(request.root, REQUIRED, user)),
    };
    let (nginx, uwsgi) = tokio::join!(
        programs::nginx(request.path, runner),
        programs::uwsgi(request.path, folder.venv.as_ref(), runner)
    );
    let uwsgi_options = match &uwsgi {
        Some(uwsgi) if request.uwsgi_options => programs::uwsgi_options(uwsgi, runner).await,
        Some(_) | None => None,
    };
    Host {
        cpus: cpus_in_affinity_mask(),
        cpu_quota: limits.cpus,
        memory_limit: limits.memory,
        somaxconn: std::fs::read_to_string("/proc/sys/net/core/somaxconn")
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(DEFAULT_SOMAXCONN),
        open_files: nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
            .map_or(1024, |(_, hard)| hard),
        disk_free: disk_free(request.runtime),
        root,
        worker_user,
        nginx,
        uwsgi_options,
        uwsgi,
        folder,
    }
}

/// The free space where a folder is, or will be made.
fn disk_free(folder: &Path) -> Option<u64> {
    let existing = folder.ancestors().find(|ancestor| ancestor.is_dir())?;
    files::free_space(existing).ok()
}

fn cpus_in_affinity_mask() -> u32 {
    let own = nix::unistd::Pid::from_raw(0);
    let Ok(set) = nix::sched::sched_getaffinity(own) else {
        return 1;
    };
    let count = (0..nix::sched::CpuSet::count())
        .filter(|cpu| set.is_set(*cpu).unwrap_or(false))
        .count();
    u32::try_from(count).unwrap_or(1).max(1)
}
