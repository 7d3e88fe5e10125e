//! The service's configuration: finds, parses and validates its config.json.
//!
//! Reading order: [`locate`] finds the file in the folders of [`env_folders`], [`missing_env`] notices a misspelt environment and [`mode`] one that is
//! production only by its name, [`mod@file`] declares and parses its keys, [`schema`] describes them for
//! editors, [`duplicates`] finds duplicate keys, [`values`], [`durations`], [`collections`], [`path_list`], [`uwsgi_options`] with
//! [`uwsgi_refused`] and [`log`] define what a value may be, and [`problem`] collects the findings with their positions.
//! [`load`] combines them into a [`Config`].
#![forbid(unsafe_code)]

pub(crate) mod collections;
pub(crate) mod duplicates;
pub(crate) mod durations;
mod env_folders;
pub(crate) mod file;
pub(crate) mod locate;
pub(crate) mod log;
pub(crate) mod missing_env;
pub(crate) mod mode;
pub(crate) mod near_miss;
pub(crate) mod path_list;
pub mod problem;
pub(crate) mod schema;
pub(crate) mod uwsgi_options;
pub(crate) mod uwsgi_refused;
pub(crate) mod values;

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use self::collections::StaticMapping;
use self::problem::Findings;
use self::values::UserName;
use crate::logs::options::LogOptions;

/// The validated configuration. Defaults that do not depend on the host are filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// None when the service has no config.json.
    pub file: Option<PathBuf>,
    /// `use_nginx` or `use_apache`; none when neither is set, which means development.
    pub use_nginx: Option<bool>,
    /// The name of the key that `use_nginx` was read from.
    pub mode_key: &'static str,
    /// N, requests served at the same time.
    pub slots: Setting<u32>,
    /// P; none when the key is not set.
    pub processes: Option<Setting<u32>>,
    /// Counted from when the application starts on a request; zero: no limit.
    pub request_timeout: Duration,
    /// The longest wait for a free slot; zero: no limit.
    pub queue_timeout: Duration,
    /// Silence after which a WebSocket is closed; zero: no limit.
    pub websocket_idle_timeout: Duration,
    /// Requests that may wait for a slot.
    pub queue_size: Setting<u32>,
    /// In bytes; zero: no limit.
    pub max_body_size: u64,
    /// From the start until everything is ready.
    pub start_timeout: Duration,
    /// From the request to stop until remaining processes are killed.
    pub stop_timeout: Duration,
    /// From when a process begins to leave while the service goes on until it is ended.
    pub worker_exit_timeout: Duration,
    /// Path that must answer 2xx or 3xx before the service is ready.
    pub health_check_path: Option<String>,
    /// None when the key is not set, which means `src/static` if it exists.
    pub statics: Option<Setting<Vec<StaticMapping>>>,
    /// Connections of one address with a request; zero: no limit; none: the key is not set.
    pub max_connections_per_client: Option<u32>,
    /// Disk space for buffered bodies and responses in bytes; none when the key is not set.
    pub disk_buffer_size: Option<Setting<u64>>,
    /// Networks whose `X-Forwarded-*` headers are trusted.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether nginx compresses text responses.
    pub gzip: bool,
    /// Whether the admin address tells what otherwise only the control socket does.
    pub admin_details: bool,
    /// User of the application; none when the key is not set.
    pub user: Option<Setting<String>>,
    /// User of nginx; none when the key is not set.
    pub nginx_user: Option<Setting<String>>,
    /// Whether it is restricted what nginx and the application may write.
    pub landlock: Setting<bool>,
    /// Whether nginx and the application are refused the system calls that no service needs.
    pub seccomp: Setting<bool>,
    /// What they may write all the same; relative paths are below the service folder.
    pub writable: Setting<Vec<PathBuf>>,
    /// Name and value, in the order of the file; a name may be repeated.
    pub uwsgi_options: Vec<(String, String)>,
    /// What is logged, and what happens when the log is not read.
    pub log: LogOptions,
}

/// A value with its position in the file, for findings that are only known later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// From the file, or the default.
    pub value: T,
    /// JSON pointer (RFC 6901) of the key that sets the value, or would set it.
    pub at: String,
    /// Whether the file sets it.
    pub set: bool,
}

/// Slots when `wsgi_worker_threads_count` is not set: as many as the Apache image had.
pub(crate) const DEFAULT_SLOTS: u32 = 17;
const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
const DEFAULT_WEBSOCKET_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const DEFAULT_QUEUE_SIZE: u32 = 1024;
const DEFAULT_MAX_BODY_SIZE: u64 = 100 * 1024 * 1024;
/// Generous, because imports that load models or wait for a database are slow and a longer timeout does no harm.
const DEFAULT_START_TIMEOUT: Duration = Duration::from_secs(120);
const DEFAULT_STOP_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_WORKER_EXIT_TIMEOUT: Duration = Duration::from_secs(5);

/// Parses `text`, the content of `file` (none: the service has no config.json, and every key has its default).
///
/// Returns a complete `Config` even when there are problems, so that later checks can add theirs; such a `Config` must
/// not be started.
pub fn load(file: Option<PathBuf>, text: Option<&str>) -> (Config, Findings) {
    let mut findings = Findings::new(file.clone());
    let raw = text.map_or_else(file::RawConfig::default, |text| {
        file::parse(text, &mut findings)
    });
    let server = &raw.server;
    let slots = Setting {
        value: server
            .wsgi_worker_threads_count
            .map_or(DEFAULT_SLOTS, |n| n.0),
        at: raw.at("wsgi_worker_threads_count"),
        set: server.wsgi_worker_threads_count.is_some(),
    };
    let processes = server.wsgi_processes.map(|p| Setting {
        value: p.0,
        at: raw.at("wsgi_processes"),
        set: true,
    });
    if let Some(processes) = &processes {
        check_divides(processes, slots.value, &mut findings);
    }
    let request_timeout = server
        .request_timeout
        .map_or(DEFAULT_REQUEST_TIMEOUT, |span| span.0);
    let config = Config {
        file,
        use_nginx: raw.top.use_nginx.or(raw.top.use_apache).map(|flag| flag.0),
        mode_key: match (&raw.top.use_nginx, &raw.top.use_apache) {
            (None, Some(_)) => "use_apache",
            _ => "use_nginx",
        },
        slots,
        processes,
        request_timeout,
        queue_timeout: server
            .queue_timeout
            .map_or(Duration::ZERO, |duration| duration.0),
        websocket_idle_timeout: server
            .websocket_idle_timeout
            .map_or(DEFAULT_WEBSOCKET_IDLE_TIMEOUT, |duration| duration.0),
        queue_size: raw.setting(
            "queue_size",
            server.queue_size.map(|n| n.0),
            DEFAULT_QUEUE_SIZE,
        ),
        max_connections_per_client: server.max_connections_per_client.map(|n| n.0),
        disk_buffer_size: server.disk_buffer_size.as_ref().map(|size| Setting {
            value: size.0,
            at: raw.at("disk_buffer_size"),
            set: true,
        }),
        max_body_size: server
            .max_body_size
            .map_or(DEFAULT_MAX_BODY_SIZE, |size| size.0),
        start_timeout: server
            .start_timeout
            .map_or(DEFAULT_START_TIMEOUT, |duration| duration.0),
        stop_timeout: server
            .stop_timeout
            .map_or(DEFAULT_STOP_TIMEOUT, |duration| duration.0),
        worker_exit_timeout: server
            .worker_exit_timeout
            .map_or(DEFAULT_WORKER_EXIT_TIMEOUT, |duration| duration.0),
        health_check_path: server.health_check_path.as_ref().map(|path| path.0.clone()),
        statics: server.r#static.as_ref().map(|map| Setting {
            value: map.0.clone(),
            at: raw.at("static"),
            set: true,
        }),
        trusted_proxies: server
            .trusted_proxies
            .as_ref()
            .map(|nets| nets.0.clone())
            .unwrap_or_default(),
        gzip: server.gzip.is_none_or(|flag| flag.0),
        admin_details: server.admin_details.is_some_and(|flag| flag.0),
        user: user_setting(server.user.as_ref(), raw.at("user")),
        nginx_user: user_setting(server.nginx_user.as_ref(), raw.at("nginx_user")),
        landlock: raw.setting("landlock", server.landlock.map(|flag| flag.0), true),
        seccomp: raw.setting("seccomp", server.seccomp.map(|flag| flag.0), true),
        writable: raw.setting(
            "writable",
            server.writable.as_ref().map(|paths| paths.0.clone()),
            Vec::new(),
        ),
        uwsgi_options: raw
            .top
            .uwsgi_config
            .as_ref()
            .map(|options| options.0.clone())
            .unwrap_or_default(),
        log: LogOptions {
            access: raw.log.access.unwrap_or_default().filter(request_timeout),
            on_full: raw.log.on_full.unwrap_or_default(),
            buffer: raw.log.buffer.unwrap_or_default().0,
        },
    };
    (config, findings)
}

fn user_setting(user: Option<&UserName>, at: String) -> Option<Setting<String>> {
    user.map(|user| Setting {
        value: user.0.clone(),
        at,
        set: true,
    })
}

impl file::RawConfig {
    /// A value of the server section with its position, or its default.
    fn setting<T>(&self, key: &str, value: Option<T>, default: T) -> Setting<T> {
        Setting {
            set: value.is_some(),
            value: value.unwrap_or(default),
            at: self.at(key),
        }
    }
}

/// P processes of N / P threads give exactly N slots only when P divides N.
fn check_divides(processes: &Setting<u32>, slots: u32, findings: &mut Findings) {
    let p = processes.value;
    if slots.is_multiple_of(p) {
        return;
    }
    let divisors: Vec<u32> = (1..=slots).filter(|d| slots.is_multiple_of(*d)).collect();
    let below = divisors.iter().rev().find(|d| **d < p);
    let above = divisors.iter().find(|d| **d > p);
    let nearest = match (below, above) {
        (Some(a), Some(b)) => format!("{a} or {b}"),
        (Some(a), None) => a.to_string(),
        (None, Some(b)) => b.to_string(),
        (None, None) => slots.to_string(),
    };
    findings.problem(
        &processes.at,
        format!("{p} processes cannot serve exactly {slots} requests at the same time: {p} does not divide {slots}"),
        format!("set wsgi_processes to {nearest}, or change wsgi_worker_threads_count"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) -> Config {
        let (config, findings) = load(None, Some(text));
        let got: Vec<String> = findings
            .list
            .iter()
            .map(|f| format!("{} {} {}", f.at, f.what, f.hint))
            .collect();
        assert_eq!(got.len(), expected.len(), "{got:?}");
        for (line, part) in got.iter().zip(expected) {
            assert!(line.contains(part), "{line}");
        }
        config
    }

    #[test]
    fn no_file_means_defaults() {
        let (config, findings) = load(None, None);
        assert!(findings.list.is_empty());
        assert_eq!(config.slots.value, 17);
        assert_eq!(config.use_nginx, None);
        assert!(config.gzip);
        assert!(!config.admin_details);
    }

    #[test]
    fn processes_must_divide_slots() {
        let wrong = r#"{"nginx_config": {"wsgi_worker_threads_count": 12, "wsgi_processes": 5}}"#;
        check(wrong, &["set wsgi_processes to 4 or 6"]);
        check(
            r#"{"nginx_config": {"wsgi_processes": 18}}"#,
            &["set wsgi_processes to 17"],
        );
        check(
            r#"{"nginx_config": {"wsgi_processes": 5}}"#,
            &["set wsgi_processes to 1 or 17"],
        );
        check(
            r#"{"apache_config": {"wsgi_worker_threads_count": 12, "wsgi_processes": 4}}"#,
            &[],
        );
    }

    #[test]
    fn use_nginx_takes_precedence() {
        let apache = check(r#"{"use_apache": true}"#, &[]);
        assert_eq!(
            (apache.use_nginx, apache.mode_key),
            (Some(true), "use_apache")
        );
        let both = check(r#"{"use_apache": true, "use_nginx": true}"#, &[]);
        assert_eq!(both.mode_key, "use_nginx");
        assert_eq!(
            check(r#"{"use_apache": true, "use_nginx": false}"#, &[]).use_nginx,
            Some(false)
        );
    }
}
