//! Values for the templates of nginx, each quoted for its context.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use askama::Template;

use super::quote;
use crate::plan::client_limit::ClientLimit;
use crate::plan::disk_buffer::{BodyClass, DiskBuffer};
use crate::plan::new_traces::NewTraces;
use crate::plan::{Plan, StaticFolder};

/// Seconds beyond the longer of stop timeout and read timeout, after which a draining nginx closes its remaining
/// connections.
const SHUTDOWN_MARGIN: u64 = 5;
/// File descriptors in addition to those of connections, see `plan::sizing`.
const OTHER_FILES: u32 = 256;
/// Seconds in which a client must take some bytes of a response: half the stop timeout, within these bounds.
const SEND_TIMEOUT: RangeInclusive<u64> = 10..=30;
/// Bytes for each client address whose connections are counted, at most (ngx_http_limit_conn_module).
const CLIENT_STATE: u64 = 128;

#[derive(Template)]
#[template(path = "nginx/nginx.conf", config = "src/render/askama.toml")]
pub(super) struct NginxConf {
    name: String,
    pid: String,
    workers: u32,
    connections: u32,
    open_files: u32,
    shutdown_timeout: u64,
    send_timeout: u64,
    mime_types: String,
    proxy_conf: String,
    health_check_path: Option<String>,
    trusted_proxies: Vec<String>,
    /// The shares of `split_clients`; empty when all are recorded.
    new_traces: String,
    max_body_size: u64,
    temp: PathBuf,
    max_temp_file_size: u64,
    clients: Option<ClientsView>,
    bodies: Vec<BodyView>,
    gzip: bool,
    app_socket: String,
    http_snippets: Vec<String>,
    server_snippets: Vec<String>,
    listen: Vec<String>,
    client_backlog: u32,
    late: Option<String>,
    draining: String,
    statics: Vec<StaticView>,
    own_socket: String,
}

/// The limit of connections for each client address.
struct ClientsView {
    limit: u32,
    /// Whether private addresses are not limited.
    public_only: bool,
    zone_kib: u64,
}

/// Request bodies of similar size.
struct BodyView {
    digits: u32,
    /// A regular expression for Transfer-Encoding, a bar, and Content-Length.
    lengths: String,
    places: u32,
}

struct StaticView {
    prefix: String,
    alias: String,
    /// A regular expression that matches files and folders whose names begin with a dot.
    hidden: String,
}

#[derive(Template)]
#[template(
    path = "nginx/proxy.conf",
    config = "src/render/askama.toml",
    escape = "none"
)]
pub(super) struct ProxyConf {
    read_timeout_ms: u128,
    replay_ms: u128,
}

impl ProxyConf {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            read_timeout_ms: plan.timeouts.read.as_millis(),
            replay_ms: plan.timeouts.replay.as_millis().max(1),
        }
    }
}

impl NginxConf {
    pub(super) fn new(plan: &Plan) -> Self {
        let layout = &plan.layout;
        Self {
            name: comment(&plan.name),
            pid: quote::nginx(&text(&layout.nginx_run().join("nginx.pid"))),
            workers: plan.nginx_workers,
            connections: plan.nginx_connections,
            open_files: plan.nginx_connections + OTHER_FILES,
            // After a reload the old nginx may have requests of any duration; the launcher enforces the stop timeout.
            shutdown_timeout: plan.stop_timeout.max(plan.timeouts.read).as_secs() + SHUTDOWN_MARGIN,
            send_timeout: (plan.stop_timeout.as_secs() / 2)
                .clamp(*SEND_TIMEOUT.start(), *SEND_TIMEOUT.end()),
            mime_types: quote::nginx_include(&text(&layout.nginx().join("mime.types"))),
            proxy_conf: quote::nginx_include(&text(&layout.nginx().join("proxy.conf"))),
            health_check_path: plan.health_check_path.as_deref().map(probe),
            trusted_proxies: plan
                .trusted_proxies
                .iter()
                .map(ToString::to_string)
                .collect(),
            new_traces: shares(plan.new_traces),
            max_body_size: plan.max_body_size,
            temp: layout.nginx_temp(),
            max_temp_file_size: plan.disk.response,
            clients: clients_view(plan),
            bodies: body_views(&plan.disk),
            gzip: plan.gzip,
            app_socket: quote::nginx(&format!("unix:{}", text(&layout.app_socket()))),
            http_snippets: plan
                .http_snippets
                .iter()
                .map(|file| quote::nginx_include(&text(file)))
                .collect(),
            server_snippets: plan
                .server_snippets
                .iter()
                .map(|file| quote::nginx_include(&text(file)))
                .collect(),
            listen: plan.listen.iter().map(ToString::to_string).collect(),
            client_backlog: plan.client_backlog,
            late: plan.timeouts.late.map(quote::at_least),
            draining: quote::nginx_with_variables(&text(&layout.draining())),
            statics: plan.statics.iter().map(static_view).collect(),
            own_socket: quote::nginx(&format!("unix:{}", text(&layout.nginx_socket()))),
        }
    }
}

impl NginxConf {
    /// The quoted path of a temporary folder for bodies that do not fit into memory.
    fn temp(&self, name: &str) -> String {
        quote::nginx(&text(&self.temp.join(name)))
    }
}

fn clients_view(plan: &Plan) -> Option<ClientsView> {
    let (limit, public_only) = match plan.client_connections {
        ClientLimit::None => return None,
        ClientLimit::Public(limit) => (limit, true),
        ClientLimit::All(limit) => (limit, false),
    };
    let connections = u64::from(plan.nginx_workers) * u64::from(plan.nginx_connections);
    Some(ClientsView {
        limit,
        public_only,
        // With less, nginx would refuse everybody once it is full.
        zone_kib: (connections * CLIENT_STATE / 1024).max(64),
    })
}

fn shares(recorded: NewTraces) -> String {
    match recorded.hundredths() {
        _ if recorded.are_all() => String::new(),
        0 => "* 00;".to_owned(),
        share => format!("{}.{:02}% 01; * 00;", share / 100, share % 100),
    }
}

fn body_views(disk: &DiskBuffer) -> Vec<BodyView> {
    let last = disk.bodies.len().saturating_sub(1);
    let view = |(n, class): (usize, &BodyClass)| BodyView {
        digits: class.digits,
        lengths: if n == last {
            format!("~^([^|]+[|]|[|][0-9]{{{},}}$)", class.digits)
        } else {
            format!("~^[|][0-9]{{{}}}$", class.digits)
        },
        places: class.places,
    };
    disk.bodies.iter().enumerate().map(view).collect()
}

fn static_view(folder: &StaticFolder) -> StaticView {
    StaticView {
        prefix: quote::nginx(&folder.prefix),
        alias: quote::nginx_with_variables(&format!("{}/", text(&folder.folder))),
        hidden: quote::nginx(&format!(
            "^{}(.*/)?\\.(?!well-known(/|$))",
            quote::regex(&folder.prefix)
        )),
    }
}

/// A key of nginx's `map` for status, framing of a body and request line: a plain GET or HEAD of this path that went well.
fn probe(path: &str) -> String {
    quote::nginx(&format!(
        "~^[23][0-9][0-9] (GET|HEAD) {} HTTP/1\\.[01]$",
        quote::regex(path)
    ))
}

/// Replaces control characters, so that the name cannot end the comment that contains it.
fn comment(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
