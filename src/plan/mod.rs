//! The plan: what will run, computed from the configuration and the host by a pure function.
//!
//! [`plan`] decides, [`sizing`] calculates numbers of processes and connections, [`disk_buffer`] divides the disk
//! space, [`timeouts`] derives the deadlines, [`encoding`] decides how text is encoded, [`environment`] warns of
//! variables, [`new_traces`] reads one, [`venv`] decides where packages come from, [`sandbox`] what may be written, [`users`] as whom the
//! programs run, [`layout`] defines the paths, [`explain`] describes the plan for people. Nothing here accesses the
//! file system, the clock or the environment.
#![forbid(unsafe_code)]

pub(crate) mod client_limit;
pub(crate) mod disk_buffer;
pub(crate) mod encoding;
mod environment;
pub mod explain;
mod explain_limits;
mod explain_process;
mod explain_sandbox;
pub mod layout;
pub(crate) mod new_traces;
pub(crate) mod sandbox;
pub(crate) mod sizing;
mod snippets;
pub(crate) mod timeouts;
mod units;
pub(crate) mod users;
pub(crate) mod uwsgi_options;
mod venv;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Serialize;

use self::client_limit::ClientLimit;
use self::disk_buffer::DiskBuffer;
use self::encoding::TextEncoding;
use self::layout::Layout;
use self::new_traces::NewTraces;
use self::sandbox::SandboxPlan;
use self::timeouts::Timeouts;
use crate::config::Config;
use crate::config::problem::{Findings, pointer};
use crate::host::Host;
use crate::host::home::Home;
use crate::host::programs::{Nginx, Python, Uwsgi};
use crate::host::user::User;
use crate::host::venv::Venv;
use crate::logs::options::LogOptions;

/// Clients whose connection nginx has not accepted yet. nginx accepts within milliseconds; more would only hide that it
/// does not.
const MAX_CLIENT_BACKLOG: u32 = 4096;

/// What the plan depends on beside the configuration and the host.
#[derive(Clone, Debug)]
pub struct PlanInput {
    /// Service name, for logs, metrics and process titles.
    pub name: String,
    /// Service folder, which contains `src/main.py`.
    pub root: PathBuf,
    /// Addresses on which nginx serves clients.
    pub listen: Vec<SocketAddr>,
    /// Runtime folder and generation.
    pub layout: Layout,
    /// Whether programs may run as root where the configuration says so (`--allow-root`).
    pub allow_root: bool,
}

/// What will run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Service name, for logs, metrics and process titles.
    pub name: String,
    /// Service folder, which contains `src/main.py`.
    pub root: PathBuf,
    /// Addresses on which nginx serves clients.
    pub listen: Vec<SocketAddr>,
    /// Runtime folder and generation.
    pub layout: Layout,
    /// N, requests served at the same time: processes × threads.
    pub slots: u32,
    /// uWSGI processes.
    pub processes: u32,
    /// Threads of each uWSGI process.
    pub threads: u32,
    /// Requests that may wait while every slot is busy.
    pub queue: u32,
    /// Connections that the application's socket takes while slots are free.
    pub queue_places: u32,
    /// Backlog of the sockets for clients.
    pub client_backlog: u32,
    /// Deadlines of a request.
    pub timeouts: Timeouts,
    /// nginx worker processes.
    pub nginx_workers: u32,
    /// Connections of each nginx worker.
    pub nginx_connections: u32,
    /// User of the application; none when the launcher is not root and everything runs as its own user.
    pub user: Option<User>,
    /// User of nginx; none when the launcher is not root.
    pub nginx_user: Option<User>,
    /// Name of the user that the workers run as, whether or not the launcher changes to it.
    pub worker: String,
    /// The home folder of the workers.
    pub home: Home,
    /// What confines nginx and the application.
    pub sandbox: SandboxPlan,
    /// How the application encodes text.
    pub encoding: TextEncoding,
    /// Connections of one client address with a request.
    pub client_connections: ClientLimit,
    /// Disk space for buffered bodies and responses.
    pub disk: DiskBuffer,
    /// In bytes; zero: no limit.
    pub max_body_size: u64,
    /// From the start until everything is ready.
    pub start_timeout: Duration,
    /// From the request to stop until remaining processes are killed.
    pub stop_timeout: Duration,
    /// Path that must answer 2xx or 3xx before the service is ready.
    pub health_check_path: Option<String>,
    /// Folders that nginx serves.
    pub statics: Vec<StaticFolder>,
    /// Networks whose `X-Forwarded-*` headers are trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// Which traces that begin here are recorded.
    #[serde(skip_serializing_if = "NewTraces::are_all")]
    pub new_traces: NewTraces,
    /// Whether nginx compresses text responses.
    pub gzip: bool,
    /// The service's snippets for nginx's server block.
    pub server_snippets: Vec<PathBuf>,
    /// The service's snippets for nginx's http block.
    pub http_snippets: Vec<PathBuf>,
    /// None when nginx is not installed.
    pub nginx: Option<Nginx>,
    /// None when uWSGI is not installed.
    pub uwsgi: Option<Uwsgi>,
    /// The service's virtual environment; none when uWSGI itself is installed in it and needs no option for it.
    pub venv: Option<Venv>,
    /// Additional options from `uwsgi_config`.
    pub uwsgi_options: Vec<(String, String)>,
    /// What lets the application's user change config.json: the file, or a folder above it.
    pub config_changeable: Option<PathBuf>,
    /// What is logged, and what happens when the log is not read.
    pub log: LogOptions,
}

impl Plan {
    /// Whether uWSGI's Python is a plugin, which has to be named.
    pub(crate) fn names_python_plugin(&self) -> bool {
        let python = self.uwsgi.as_ref().map(|uwsgi| &uwsgi.python);
        python != Some(&Python::BuiltIn)
    }
}

/// A folder that nginx serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StaticFolder {
    /// URL prefix, with `/` at both ends.
    pub prefix: String,
    /// Absolute path.
    pub folder: PathBuf,
}

/// Plans the service. Adds to `findings` what the host cannot provide.
pub fn plan(input: PlanInput, config: &Config, host: &Host, findings: &mut Findings) -> Plan {
    let processes = config
        .processes
        .as_ref()
        .map_or(config.slots.value, |p| p.value);
    let slots = config.slots.value;
    let cpus = sizing::effective_cpus(host.cpus, host.cpu_quota);
    let threads = (slots / processes.max(1)).max(1);
    let (queue, queue_places) = sizing::queue(config.queue_size.value, slots, host.somaxconn);
    sizing::check_queue(&config.queue_size, queue, findings);
    let rounds = queue.div_ceil(slots) + 1;
    if let Some(limit) = host.memory_limit {
        sizing::check_memory(processes, limit, &config.slots.at, findings);
    }
    uwsgi_options::check(config, host, findings);
    snippets::check(&host.folder.uwsgi_directives, findings);
    snippets::check_number(host.folder.too_many_snippets, findings);
    let compared = environment::Compared {
        host,
        listen: &input.listen,
        root: &input.root,
    };
    environment::check(compared, findings);
    if let (Some(denied), Some(user)) = (&host.folder.denied, &host.worker_user) {
        findings.warning(
            "",
            format!(
                "the workers run as {} and cannot import the application: {} {}",
                user.name,
                user.name,
                denied.what()
            ),
            format!("{}, or set nginx_config.user", denied.hint()),
        );
    }
    let users = users::plan(input.allow_root, config, host, findings);
    let runtime = &input.layout.runtime;
    Plan {
        name: input.name,
        listen: input.listen,
        slots,
        processes,
        threads,
        queue,
        timeouts: timeouts::timeouts(
            &timeouts::ConfiguredLimits {
                request: config.request_timeout,
                queue: config.queue_timeout,
                websocket_idle: config.websocket_idle_timeout,
                stop: config.stop_timeout,
                worker_exit: config.worker_exit_timeout,
            },
            rounds,
        ),
        queue_places,
        client_backlog: host.somaxconn.clamp(1, MAX_CLIENT_BACKLOG),
        nginx_workers: sizing::nginx_workers(cpus),
        nginx_connections: sizing::nginx_connections(
            sizing::nginx_workers(cpus),
            host.open_files,
            host.memory_limit,
        ),
        user: users.application,
        config_changeable: host.folder.changeable_config.clone(),
        nginx_user: users.nginx,
        worker: host
            .worker_user
            .as_ref()
            .map_or_else(String::new, |user| user.name.clone()),
        home: host.home.clone(),
        sandbox: sandbox::plan(config, host, runtime, findings),
        encoding: encoding::plan(&host.environment, findings),
        client_connections: ClientLimit::of(config.max_connections_per_client),
        disk: disk_buffer::plan(config, host, findings),
        max_body_size: config.max_body_size,
        start_timeout: config.start_timeout,
        stop_timeout: config.stop_timeout,
        health_check_path: config.health_check_path.clone(),
        statics: statics(config, host, &input.root, findings),
        trusted_proxies: config.trusted_proxies.clone(),
        new_traces: NewTraces::of(&host.environment),
        gzip: config.gzip,
        server_snippets: host.folder.server_snippets.clone(),
        http_snippets: host.folder.http_snippets.clone(),
        nginx: host.nginx.clone(),
        venv: venv::plan(host, findings),
        uwsgi: host.uwsgi.clone(),
        uwsgi_options: config.uwsgi_options.clone(),
        log: config.log,
        root: input.root,
        layout: input.layout,
    }
}

fn statics(
    config: &Config,
    host: &Host,
    root: &std::path::Path,
    findings: &mut Findings,
) -> Vec<StaticFolder> {
    let src = root.join("src");
    let exists = |folder: &str| host.folder.statics.iter().any(|found| found == folder);
    let Some(wanted) = &config.statics else {
        let default = StaticFolder {
            prefix: "/static/".to_owned(),
            folder: src.join("static"),
        };
        return if exists("static") {
            vec![default]
        } else {
            Vec::new()
        };
    };
    for mapping in wanted
        .value
        .iter()
        .filter(|mapping| !exists(&mapping.folder))
    {
        findings.warning(
            pointer(&wanted.at, &mapping.prefix),
            format!(
                "the folder {} does not exist",
                src.join(&mapping.folder).display()
            ),
            "requests go to the application until it does",
        );
    }
    wanted
        .value
        .iter()
        .map(|mapping| StaticFolder {
            prefix: mapping.prefix.clone(),
            folder: src.join(&mapping.folder),
        })
        .collect()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
