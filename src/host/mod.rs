//! Properties of the host that the plan depends on: CPUs, memory, limits, users, programs, and what the service folder
//! holds.
//!
//! [`probe`] collects them once; the plan sees only the values. [`cgroup`] reads limits, [`programs`] finds nginx and
//! uWSGI, `installed` asks them, [`venv`] the Python packages, [`user`] looks up the workers' user, [`home`] a folder for it, [`access`] finds
//! files that it may not read, [`sandbox`] tries what the kernel restricts, [`mounts`] knows the volumes, [`environment`]
//! knows the variables that change how these programs behave, [`development`] finds what flask needs.
#![forbid(unsafe_code)]

pub(crate) mod access;
pub(crate) mod cgroup;
pub(crate) mod development;
pub(crate) mod environment;
pub(crate) mod home;
mod installed;
mod mounts;
pub mod programs;
pub(crate) mod sandbox;
pub(crate) mod snippets;
pub(crate) mod user;
pub(crate) mod venv;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::access::{DeniedAccess, Permission};
use self::environment::Environment;
use self::home::Home;
use self::installed::Question;
use self::programs::{Asking, LeftOut, Nginx, Uwsgi};
use self::sandbox::SandboxHost;
use self::snippets::UwsgiDirective;
use self::user::User;
use self::venv::Venv;
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
    /// The user for nginx when the launcher is root: the configured one, else the first of the usual ones that is not the
    /// application's. None when there is none.
    #[serde(default)]
    pub nginx_user: Option<User>,
    /// None when nginx is not installed.
    pub nginx: Option<Nginx>,
    /// An nginx that the application's user may change, which is not run.
    #[serde(default)]
    pub nginx_left_out: Option<LeftOut>,
    /// None when uWSGI is not installed.
    pub uwsgi: Option<Uwsgi>,
    /// Names of uWSGI's options; none when not requested, or when uWSGI does not list them.
    #[serde(default)]
    pub uwsgi_options: Option<Vec<String>>,
    /// The variables that change how the programs behave.
    #[serde(default)]
    pub environment: Environment,
    /// The home folder of the workers.
    #[serde(default)]
    pub home: Home,
    /// What there is of a sandbox.
    #[serde(default)]
    pub sandbox: SandboxHost,
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
    /// Whether there are more snippets, or larger ones, than the launcher reads.
    #[serde(default)]
    pub too_many_snippets: bool,
    /// Directives in the snippets that have no effect on requests to the application.
    #[serde(default)]
    pub uwsgi_directives: Vec<UwsgiDirective>,
    /// What lets the application's user change config.json: the file, or a folder above it.
    #[serde(default)]
    pub changeable_config: Option<PathBuf>,
    /// What lets the application's user change a snippet: the file, or a folder above it.
    #[serde(default)]
    pub changeable_snippet: Option<PathBuf>,
    /// The virtual environment with its packages, which may be elsewhere.
    pub venv: Option<Venv>,
    /// The first path of that elsewhere that the workers' user may not read; only checked when the launcher is root.
    #[serde(default)]
    pub venv_denied: Option<DeniedAccess>,
    /// The first path that the workers' user may not read; only checked when the launcher is root.
    #[serde(default)]
    pub denied: Option<DeniedAccess>,
}

/// What [`probe`] searches for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProbeRequest<'a> {
    /// The service folder.
    pub root: &'a Path,
    /// Name of the application's user, used when the launcher is root.
    pub user: &'a str,
    /// Name of nginx's user, used when the launcher is root; none: one of [`NGINX_USERS`].
    pub nginx_user: Option<&'a str>,
    /// The config.json, without links.
    pub config: Option<&'a Path>,
    /// Whether a program may run as root where the configuration says so.
    pub allow_root: bool,
    /// The runtime folder, which may not exist yet.
    pub runtime: &'a Path,
    /// Static folders, relative to `src`.
    pub statics: &'a [&'a str],
    /// Paths of the key `writable`.
    pub writable: &'a [PathBuf],
    /// Whether the names of uWSGI's options are needed for the configuration; getting them takes some 20 ms.
    pub uwsgi_options: bool,
    /// The launcher's environment.
    pub env: &'a [(OsString, OsString)],
}

/// The users for nginx that are tried when none is configured: the one that nginx's own packages and the image make, the
/// one that every system has for programs without files of their own, and the one of Debian's web servers.
const NGINX_USERS: [&str; 3] = ["nginx", "nobody", "www-data"];

/// What the workers must be able to read in every service folder.
const REQUIRED: &[(&str, Permission)] =
    &[("src", Permission::List), ("src/main.py", Permission::Read)];

/// What the workers must be able to read in a virtual environment.
const REQUIRED_OF_VENV: &[(&str, Permission)] =
    &[("pyvenv.cfg", Permission::Read), ("lib", Permission::List)];

/// Used where /proc cannot be read: the kernel's default (Linux 5.4 and later).
const DEFAULT_SOMAXCONN: u32 = 4096;

#[cfg(test)]
impl Host {
    /// A machine of one CPU with nothing on it, for tests.
    pub(crate) fn bare() -> Self {
        Self {
            cpus: 1,
            cpu_quota: None,
            memory_limit: None,
            somaxconn: 4096,
            open_files: 1024,
            disk_free: None,
            root: true,
            worker_user: None,
            nginx_user: None,
            nginx: None,
            nginx_left_out: None,
            uwsgi: None,
            uwsgi_options: None,
            environment: Environment::default(),
            home: Home::Own,
            sandbox: SandboxHost::default(),
            folder: Folder::default(),
        }
    }
}

/// Probes the host. Values that cannot be determined get the kernel's defaults.
pub(crate) async fn probe(request: &ProbeRequest<'_>, runner: &ShortPrograms) -> Host {
    let limits = cgroup::limits(Path::new("/"));
    let root = nix::unistd::geteuid().is_root();
    let worker_user = if root {
        user::by_name(request.user)
    } else {
        Some(user::own())
    };
    let nginx_user = match (&worker_user, request.nginx_user) {
        _ if !root => None,
        (_, Some(name)) => user::by_name(name),
        (Some(worker), None) => user::other_than(worker, &NGINX_USERS),
        (None, None) => None,
    };
    let variable = |name: &str| {
        let found = request.env.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_os_str())
    };
    let path = variable("PATH").unwrap_or_default();
    let environment = environment::read(request.env);
    let workers = worker_user.as_ref().filter(|_| root);
    let venv = venv::find(request.root, path, variable("VIRTUAL_ENV"));
    let folder = folder(request, venv, workers);
    let home = worker_user
        .as_ref()
        .map_or(Home::Own, |user| home::choose(variable("HOME"), user, root));
    let sandbox = sandbox::find(sandbox::Search {
        root: request.root,
        runtime: request.runtime,
        env: request.env,
        home: &home,
        writable: request.writable,
    });
    let has_options = environment
        .variables
        .keys()
        .any(|name| name.starts_with("UWSGI_"));
    let question = Question {
        root,
        allow_root: request.allow_root,
        venv: folder.venv.as_ref().map(|venv| venv.path.as_path()),
        options: request.uwsgi_options || has_options,
    };
    let asking = Asking {
        path,
        sandbox: &sandbox,
        env: request.env,
        application: workers,
        nginx: match request.nginx_user {
            // Where there is no other user, the plan takes that of the application.
            None => nginx_user.as_ref().or(workers),
            Some(_) => nginx_user.as_ref(),
        },
        programs: runner,
    };
    let installed = installed::ask(question, asking).await;
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
        home,
        sandbox,
        worker_user,
        nginx_user,
        environment,
        nginx: installed.nginx,
        nginx_left_out: installed.nginx_left_out,
        uwsgi_options: installed.uwsgi_options,
        uwsgi: installed.uwsgi,
        folder,
    }
}

/// Looks into the service folder. `workers`: the user of the application, when the launcher is root.
fn folder(request: &ProbeRequest<'_>, mut venv: Option<Venv>, workers: Option<&User>) -> Folder {
    let server_snippets = snippets::find(&request.root.join("nginx/server.d"));
    let http_snippets = snippets::find(&request.root.join("nginx/http.d"));
    let too_many_snippets = [&http_snippets, &server_snippets]
        .into_iter()
        .any(|files| snippets::are_too_many(files));
    if let (Some(venv), Some(user)) = (&mut venv, workers) {
        venv.runs &= may_run(&venv.path.join("bin/python3"), user);
    }
    Folder {
        statics: request
            .statics
            .iter()
            .filter(|folder| request.root.join("src").join(folder).is_dir())
            .map(|folder| (*folder).to_owned())
            .collect(),
        too_many_snippets,
        uwsgi_directives: [&http_snippets, &server_snippets]
            .into_iter()
            .filter(|_| !too_many_snippets)
            .flat_map(|files| snippets::uwsgi_directives(files))
            .collect(),
        changeable_config: workers
            .filter(|user| user.uid != 0)
            .zip(request.config)
            .and_then(|(user, file)| access::changeable(user, file)),
        changeable_snippet: workers.filter(|user| user.uid != 0).and_then(|user| {
            let mut snippets = http_snippets.iter().chain(&server_snippets);
            snippets.find_map(|file| access::changeable(user, &file.canonicalize().ok()?))
        }),
        server_snippets,
        http_snippets,
        venv_denied: workers
            .zip(venv.as_ref())
            .and_then(|(user, venv)| access::first_denied(&venv.path, REQUIRED_OF_VENV, user)),
        venv,
        denied: workers.and_then(|user| access::first_denied(request.root, REQUIRED, user)),
    }
}

/// Whether a user may run a program, which may be a link to one in a closed folder.
fn may_run(program: &Path, user: &User) -> bool {
    let Ok(file) = program.canonicalize() else {
        return false;
    };
    let folder = file.parent().unwrap_or(&file);
    access::first_denied(folder, &[], user).is_none()
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
