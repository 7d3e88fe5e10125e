//! What will run, as a value: a pure function of what the service asks for and what the machine has.
//!
//! [`plan`] decides, [`sizing`] counts, [`timeouts`] chains deadlines, [`layout`] names the paths,
//! [`mod@log`] is the log's part, [`explain`] tells people. Nothing here touches the file system, the clock or the
//! environment.
#![forbid(unsafe_code)]

pub mod explain;
pub mod layout;
pub mod log;
pub mod sizing;
pub mod timeouts;
mod units;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Serialize;

use self::layout::Layout;
use self::timeouts::Timeouts;
use crate::config::Config;
use crate::config::file::did_you_mean;
use crate::config::problem::{Findings, pointer};
use crate::machine::programs::{Nginx, Python, Uwsgi, Venv};
use crate::machine::{Machine, User};

/// User of the workers when the launcher is root and nothing else is set.
pub const DEFAULT_USER: &str = "www-data";

/// What the command line and the search add to the configuration.
#[derive(Clone, Debug)]
pub struct PlanInput {
    /// Service name.
    pub name: String,
    /// Service folder.
    pub root: PathBuf,
    /// Addresses for clients.
    pub listen: Vec<SocketAddr>,
    /// Runtime folder and generation.
    pub layout: Layout,
}

/// What will run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Service name.
    pub name: String,
    /// Service folder.
    pub root: PathBuf,
    /// Addresses for clients.
    pub listen: Vec<SocketAddr>,
    /// Paths.
    pub layout: Layout,
    /// N, requests served at the same time: processes × threads.
    pub slots: u32,
    /// uWSGI processes.
    pub processes: u32,
    /// Threads of each.
    pub threads: u32,
    /// Requests that may wait for a free slot.
    pub queue: u32,
    /// Backlog of the application's socket.
    pub backlog: u32,
    /// The chain of deadlines.
    pub timeouts: Timeouts,
    /// nginx worker processes.
    pub nginx_workers: u32,
    /// Connections of each.
    pub nginx_connections: u32,
    /// User of the workers; none when the launcher is not root and everything runs as it does.
    pub user: Option<User>,
    /// Bytes of the largest request body.
    pub max_body_size: u64,
    /// How long the start may take.
    pub start_timeout: Duration,
    /// How long a graceful stop may take.
    pub stop_timeout: Duration,
    /// Path that must answer.
    pub health_check_path: Option<String>,
    /// Folders that nginx serves.
    pub statics: Vec<StaticFolder>,
    /// Proxies that are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Compress text answers.
    pub gzip: bool,
    /// The service's snippets for nginx's server block.
    pub server_snippets: Vec<PathBuf>,
    /// The service's snippets for nginx's http block.
    pub http_snippets: Vec<PathBuf>,
    /// nginx, where it is installed.
    pub nginx: Option<Nginx>,
    /// uWSGI, where it is installed.
    pub uwsgi: Option<Uwsgi>,
    /// The service's virtual environment, where uWSGI has to be told of it.
    pub venv: Option<Venv>,
    /// More uWSGI options.
    pub uwsgi_options: Vec<(String, String)>,
    /// The log.
    pub log: log::Log,
}

/// A folder that nginx serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StaticFolder {
    /// URL prefix, with `/` at both ends.
    pub prefix: String,
    /// The folder.
    pub folder: PathBuf,
}

/// Plans the service. What does not fit the machine is added to `findings`.
pub fn plan(input: PlanInput, config: &Config, machine: &Machine, findings: &mut Findings) -> Plan {
    let processes = config
        .processes
        .as_ref()
        .map_or(config.slots.value, |p| p.value);
    let slots = config.slots.value;
    let cpus = sizing::effective_cpus(machine.cpus, machine.cpu_quota);
    let threads = (slots / processes.max(1)).max(1);
    let (queue, backlog) = sizing::queue(config.queue_size.value, slots, machine.somaxconn);
    if config.queue_size.set && queue < config.queue_size.value {
        findings.warning(
            &config.queue_size.at,
            format!("{} requests cannot wait here, only {queue}: net.core.somaxconn allows no more", config.queue_size.value),
            "raise net.core.somaxconn (docker run --sysctl net.core.somaxconn=…), or lower queue_size",
        );
    }
    let rounds = queue.div_ceil(slots) + 1;
    if let Some(limit) = machine.memory_limit {
        sizing::check_memory(processes, limit, &config.slots.at, findings);
    }
    check_uwsgi_options(config, machine, findings);
    if let (Some(closed), Some(user)) = (&machine.folder.closed, &machine.worker_user) {
        findings.warning(
            "",
            format!(
                "the workers run as {} and cannot import the application: {} {}",
                user.name,
                user.name,
                closed.what()
            ),
            format!("{}, or set nginx_config.user", closed.hint()),
        );
    }
    Plan {
        name: input.name,
        listen: input.listen,
        layout: input.layout,
        slots,
        processes,
        threads,
        queue,
        timeouts: timeouts::timeouts(
            config.request_timeout,
            config.queue_timeout,
            threads,
            rounds,
        ),
        backlog,
        nginx_workers: sizing::nginx_workers(cpus),
        nginx_connections: sizing::nginx_connections(slots, backlog, machine.open_files),
        user: worker_user(config, machine, findings),
        max_body_size: config.max_body_size,
        start_timeout: config.start_timeout,
        stop_timeout: config.stop_timeout,
        health_check_path: config.health_check_path.clone(),
        statics: statics(config, machine, &input.root, findings),
        trusted_proxies: config.trusted_proxies.clone(),
        gzip: config.gzip,
        server_snippets: machine.folder.server_snippets.clone(),
        http_snippets: machine.folder.http_snippets.clone(),
        nginx: machine.nginx.clone(),
        venv: venv_for(machine, findings),
        uwsgi: machine.uwsgi.clone(),
        uwsgi_options: config.uwsgi_options.clone(),
        log: log::log(config),
        root: input.root,
    }
}

/// uWSGI is strict, and names an option that it does not know only after the start has failed.
fn check_uwsgi_options(config: &Config, machine: &Machine, findings: &mut Findings) {
    let Some(known) = &machine.uwsgi_options else {
        return;
    };
    let asked = |name: &str| config.uwsgi_options.iter().any(|(asked, _)| asked == name);
    // With these the service adds names of its own.
    if asked("declare-option") || asked("declare-option2") {
        return;
    }
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let mut told: Vec<&str> = Vec::new();
    for (name, _) in &config.uwsgi_options {
        if known.contains(&name.as_str()) || told.contains(&name.as_str()) {
            continue;
        }
        told.push(name);
        let dashed = name.replace('_', "-");
        let hint = if known.contains(&dashed.as_str()) {
            Some(format!("did you mean {dashed:?}?"))
        } else {
            did_you_mean(name, &known)
        };
        findings.problem(
            pointer("/uwsgi_config", name),
            format!("this uWSGI knows no option {name:?}"),
            hint.unwrap_or_else(|| "uwsgi --help lists them".to_owned()),
        );
    }
}

fn worker_user(config: &Config, machine: &Machine, findings: &mut Findings) -> Option<User> {
    let wanted = config.user.as_ref();
    if machine.root {
        if machine.worker_user.is_none() {
            let at = wanted.map_or_else(|| "/nginx_config/user".to_owned(), |user| user.at.clone());
            let name = wanted.map_or(DEFAULT_USER, |user| user.value.as_str());
            findings.problem(
                at,
                format!("the user {name:?} does not exist on this system"),
                "name a user of /etc/passwd, or create it with useradd",
            );
        }
        return machine.worker_user.clone();
    }
    if let (Some(wanted), Some(own)) = (wanted, &machine.worker_user)
        && wanted.value != own.name
    {
        findings.warning(
            &wanted.at,
            format!(
                "the launcher runs as {}, not as root, and cannot change to {:?}",
                own.name, wanted.value
            ),
            "start it as root, or leave the key out",
        );
    }
    None
}

fn statics(
    config: &Config,
    machine: &Machine,
    root: &std::path::Path,
    findings: &mut Findings,
) -> Vec<StaticFolder> {
    let src = root.join("src");
    let exists = |folder: &str| machine.folder.statics.iter().any(|found| found == folder);
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

/// uWSGI with Debian's plugin has to be told of a virtual environment, which must be of the plugin's Python.
fn venv_for(machine: &Machine, findings: &mut Findings) -> Option<Venv> {
    let venv = machine.folder.venv.clone()?;
    let uwsgi = machine.uwsgi.as_ref()?;
    if uwsgi.path.starts_with(&venv.path) {
        return None;
    }
    if let Python::Plugin(python) = &uwsgi.python
        && !venv.python.is_empty()
        && venv.python != *python
    {
        findings.problem(
            "",
            format!(
                "{} is made for Python {}, uWSGI's plugin is Python {python}",
                venv.path.display(),
                venv.python
            ),
            format!(
                "install uWSGI into it: {}/bin/pip install pyuwsgi",
                venv.path.display()
            ),
        );
    }
    Some(venv)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
