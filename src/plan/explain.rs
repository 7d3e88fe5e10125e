//! Describes the plan for people who know neither nginx nor uWSGI: each value with its reason.

use std::fmt::Write as _;
use std::path::Path;

use super::units::{about, seconds, size};
use super::{Plan, StaticFolder, explain_limits, explain_process, explain_sandbox};
use crate::config::Config;
use crate::config::problem::printable;
use crate::host::Host;
use crate::logs::options::{AccessFilter, OnFull};

/// One entry of the explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Subject, such as "processes".
    pub label: &'static str,
    /// What is planned.
    pub value: String,
    /// The reason, mostly with the key that changes it; may be empty.
    pub why: String,
}

/// Explains the plan, in the order in which `check` prints it.
pub fn explain(plan: &Plan, config: &Config, host: &Host) -> Vec<Line> {
    let line = |label, value: String, why: String| Line { label, value, why };
    let of = |label, (value, why)| Line { label, value, why };
    let mut lines = vec![
        line(
            "service",
            plan.name.clone(),
            format!("src/main.py in {}", plan.root.display()),
        ),
        line("configuration", config_file(config), mode_reason(config)),
        line(
            "listens on",
            addresses(plan),
            "nginx takes HTTP requests there and passes them to uWSGI".to_owned(),
        ),
        line(
            "requests",
            format!("{} at the same time", plan.slots),
            slots_reason(plan, config),
        ),
        line(
            "processes",
            process_shape(plan),
            processes_reason(plan, config),
        ),
        line(
            "waiting",
            format!("up to {}", plan.queue),
            explain_limits::waiting_reason(plan, host),
        ),
        line("nginx", nginx_value(plan), cpus_reason(host)),
        line(
            "clients",
            explain_limits::client_limit(plan),
            explain_limits::connections_reason(plan, host),
        ),
        line(
            "disk buffer",
            format!("up to {}", about(plan.disk.total)),
            explain_limits::disk_reason(plan, config),
        ),
        line(
            "uWSGI",
            explain_process::uwsgi_value(plan),
            explain_process::uwsgi_reason(plan, host),
        ),
        of("user", explain_process::user(plan, host)),
        of("home", explain_process::home(plan, host)),
        of("writing", explain_sandbox::writing(plan)),
        of("system calls", explain_sandbox::calls(plan)),
        of("text", explain_process::text(plan, host)),
        line(
            "request bodies",
            format!("up to {}", size(plan.max_body_size)),
            "larger ones get 413 (max_body_size)".to_owned(),
        ),
        request_timeout(plan),
        line(
            "stop",
            format!("up to {}", seconds(plan.stop_timeout)),
            "requests under way are finished, then what is left is killed (stop_timeout)"
                .to_owned(),
        ),
        health(plan),
        log(plan),
    ];
    lines.extend(explain_process::nginx_user(plan).map(|user| of("nginx's user", user)));
    lines.extend(plan.statics.iter().map(static_line));
    if !plan.trusted_proxies.is_empty() {
        let list: Vec<String> = plan
            .trusted_proxies
            .iter()
            .map(ToString::to_string)
            .collect();
        lines.push(line(
            "trusted proxies",
            list.join(", "),
            "their X-Forwarded-For, -Proto and -Host are believed".to_owned(),
        ));
    }
    for file in plan.http_snippets.iter().chain(&plan.server_snippets) {
        lines.push(line(
            "nginx snippet",
            file.display().to_string(),
            "a file of the service, included as it is".to_owned(),
        ));
    }
    for (name, value) in &plan.uwsgi_options {
        lines.push(line(
            "uWSGI option",
            format!("{name} = {value}"),
            "from uwsgi_config".to_owned(),
        ));
    }
    lines
}

/// Formats the lines as text: label and value, and the reason below them.
pub fn text(lines: &[Line]) -> String {
    let mut out = String::new();
    for line in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{:<16} {}", line.label, printable(&line.value));
        if !line.why.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{:<16}   {}", "", printable(&line.why));
        }
    }
    out
}

fn config_file(config: &Config) -> String {
    config
        .file
        .as_ref()
        .map_or_else(|| "none".to_owned(), |file| file.display().to_string())
}

fn mode_reason(config: &Config) -> String {
    let key = config.mode_key;
    match (config.file.is_some(), config.use_nginx) {
        (_, Some(true)) => format!("{key} is true: `run` serves in production, under nginx and uWSGI"),
        (_, Some(false)) => format!("{key} is false: `run` serves in development, under flask; what follows is for `run --production`"),
        (true, None) => "it has no use_nginx: `run` serves in development, under flask; what follows is for `run --production`".to_owned(),
        (false, None) => "no config.json was found: `run` serves in development, under flask; what follows is for `run --production`".to_owned(),
    }
}

fn addresses(plan: &Plan) -> String {
    let list: Vec<String> = plan.listen.iter().map(ToString::to_string).collect();
    list.join(", ")
}

fn slots_reason(plan: &Plan, config: &Config) -> String {
    let origin = if config.slots.set {
        format!("wsgi_worker_threads_count is {}", plan.slots)
    } else {
        "wsgi_worker_threads_count is not set, this is the default".to_owned()
    };
    format!("{origin}; exactly as many, never more")
}

fn process_shape(plan: &Plan) -> String {
    match (plan.processes, plan.threads) {
        (1, 1) => "1, one request at a time".to_owned(),
        (1, threads) => format!("1 with {threads} threads"),
        (processes, 1) => format!("{processes}, one request each"),
        (processes, threads) => format!("{processes} with {threads} threads each"),
    }
}

fn processes_reason(plan: &Plan, config: &Config) -> String {
    if plan.threads == 1 {
        let origin = if config.processes.is_some() {
            "wsgi_processes"
        } else {
            "the default"
        };
        return format!(
            "{origin}: a hung or crashed request hurts no other; variables of the application are not shared between \
             requests (set wsgi_processes to 1 if the service needs that)"
        );
    }
    let shared = if plan.processes == 1 {
        "all requests share the application's variables"
    } else {
        "only the requests of one process share the application's variables"
    };
    format!(
        "wsgi_processes is {}: {shared}; a request that crashes its process ends the others in it too",
        plan.processes
    )
}

fn nginx_value(plan: &Plan) -> String {
    let version = plan.nginx.as_ref().map_or_else(
        || "not installed (apt-get install nginx-light)".to_owned(),
        |nginx| format!("{} ({})", nginx.version, nginx.path.display()),
    );
    let plural = if plan.nginx_workers == 1 {
        "process"
    } else {
        "processes"
    };
    format!(
        "{version}, {} {plural} of {} connections",
        plan.nginx_workers, plan.nginx_connections
    )
}

fn cpus_reason(host: &Host) -> String {
    let plural = if host.cpus == 1 { "CPU" } else { "CPUs" };
    match host.cpu_quota {
        Some(quota) => format!(
            "the control group gives {quota:.1} of {} {plural}",
            host.cpus
        ),
        None => format!("this machine gives {} {plural}, without a quota", host.cpus),
    }
}

fn request_timeout(plan: &Plan) -> Line {
    let Some(limit) = plan.timeouts.request else {
        return Line {
            label: "request timeout",
            value: "none".to_owned(),
            why: "request_timeout is 0: a request that hangs keeps its slot for ever".to_owned(),
        };
    };
    let hard = plan.timeouts.hard_end.unwrap_or(limit);
    Line {
        label: "request timeout",
        value: seconds(limit),
        why: format!(
            "then it is interrupted and answered 504; what cannot be interrupted is killed after about {} (request_timeout)",
            seconds(hard)
        ),
    }
}

fn health(plan: &Plan) -> Line {
    let (value, why) = match &plan.health_check_path {
        Some(path) => (
            path.clone(),
            "must answer 2xx or 3xx before the service counts as ready",
        ),
        None => (
            "none".to_owned(),
            "the service is ready when all its processes are (health_check_path is not set)",
        ),
    };
    Line {
        label: "health check",
        value,
        why: why.to_owned(),
    }
}

fn log(plan: &Plan) -> Line {
    let value = match plan.log.access {
        AccessFilter::All => "every request but health checks".to_owned(),
        AccessFilter::Errors { slow } => {
            format!(
                "requests answered 4xx or 5xx, and those that take {} or longer",
                seconds(slow)
            )
        }
        AccessFilter::Off => "no requests".to_owned(),
    };
    let full = match plan.log.on_full {
        OnFull::Drop => "then the oldest lines are dropped and counted",
        OnFull::Block => "then the service stands still until it does",
    };
    Line {
        label: "log",
        value,
        why: format!(
            "and everything that is printed; up to {} wait while stdout takes none, {full} (log_config)",
            size(plan.log.buffer as u64)
        ),
    }
}

fn static_line(folder: &StaticFolder) -> Line {
    Line {
        label: "static files",
        value: folder.prefix.clone(),
        why: format!(
            "served by nginx from {}; what is not there is asked of the application",
            shown(&folder.folder)
        ),
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
