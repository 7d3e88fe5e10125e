//! What the service asks for: where its config.json is, what it says, what is wrong with it.
//!
//! Reading order: [`locate`] finds the file, [`mod@file`] reads it key by key, [`schema`] tells editors the same, [`duplicates`] finds keys that stand twice,
//! [`values`], [`collections`], [`uwsgi_options`] and [`log`] say what a value may be, [`problem`] is how everything that is wrong is told.
//! [`load`] joins them into a [`Config`], which is
//! valid by construction.
#![forbid(unsafe_code)]

pub mod collections;
pub mod duplicates;
pub mod file;
pub mod locate;
pub mod log;
pub mod problem;
pub mod schema;
pub mod spans;
pub mod uwsgi_options;
pub mod values;

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use self::collections::StaticMapping;
use self::log::LogConfig;
use self::problem::Findings;

/// Everything that the service asks for, with defaults filled in where they need no facts of the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file that was read; none when the service has none.
    pub file: Option<PathBuf>,
    /// `use_nginx` or `use_apache`; none when neither stands, which means development.
    pub use_nginx: Option<bool>,
    /// Which of the two keys counts.
    pub mode_key: &'static str,
    /// N, requests served at the same time.
    pub slots: Setting<u32>,
    /// P, where it is set.
    pub processes: Option<Setting<u32>>,
    /// What a request may take; zero: as long as it likes.
    pub request_timeout: Duration,
    /// What it may wait for a free slot; zero: as long as it takes.
    pub queue_timeout: Duration,
    /// Requests that may wait.
    pub queue_size: Setting<u32>,
    /// Bytes of the largest body.
    pub max_body_size: u64,
    /// How long the start may take.
    pub start_timeout: Duration,
    /// How long a graceful stop may take.
    pub stop_timeout: Duration,
    /// Path that must answer.
    pub health_check_path: Option<String>,
    /// Static folders, where they are set.
    pub statics: Option<Setting<Vec<StaticMapping>>>,
    /// Proxies that are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Compress text answers.
    pub gzip: bool,
    /// User of the workers, where it is set.
    pub user: Option<Setting<String>>,
    /// More uWSGI options.
    pub uwsgi_options: Vec<(String, String)>,
    /// What is logged, and how.
    pub log: LogConfig,
}

/// A value and the JSON pointer where it stands, or would stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub at: String,
    /// Whether the file sets it.
    pub set: bool,
}

/// Requests served at the same time when nothing is set: what the Apache image did.
pub const DEFAULT_SLOTS: u32 = 17;
const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
const DEFAULT_QUEUE_SIZE: u32 = 1024;
const DEFAULT_MAX_BODY_SIZE: u64 = 100 * 1024 * 1024;
/// Imports that load models or wait for a database take their time; a minute more costs nothing but patience.
const DEFAULT_START_TIMEOUT: Duration = Duration::from_secs(120);
const DEFAULT_STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads the text of `file` (none: the service has no config.json, every key has its default).
///
/// The `Config` is whole even when there are problems, so that later checks can add theirs; nothing may be started
/// with it then.
pub fn load(file: Option<PathBuf>, text: Option<&str>) -> (Config, Findings) {
    let mut findings = Findings::of(file.clone());
    let written = text.map_or_else(file::Written::default, |text| {
        file::read(text, &mut findings)
    });
    let server = &written.server;
    let slots = Setting {
        value: server
            .wsgi_worker_threads_count
            .map_or(DEFAULT_SLOTS, |n| n.0),
        at: written.at("wsgi_worker_threads_count"),
        set: server.wsgi_worker_threads_count.is_some(),
    };
    let processes = server.wsgi_processes.map(|p| Setting {
        value: p.0,
        at: written.at("wsgi_processes"),
        set: true,
    });
    if let Some(processes) = &processes {
        check_divides(processes, slots.value, &mut findings);
    }
    let config = Config {
        file,
        use_nginx: written
            .top
            .use_nginx
            .or(written.top.use_apache)
            .map(|flag| flag.0),
        mode_key: match (&written.top.use_nginx, &written.top.use_apache) {
            (None, Some(_)) => "use_apache",
            _ => "use_nginx",
        },
        slots,
        processes,
        request_timeout: server
            .request_timeout
            .map_or(DEFAULT_REQUEST_TIMEOUT, |span| span.0),
        queue_timeout: server.queue_timeout.map_or(Duration::ZERO, |span| span.0),
        queue_size: Setting {
            value: server.queue_size.map_or(DEFAULT_QUEUE_SIZE, |n| n.0),
            at: written.at("queue_size"),
            set: server.queue_size.is_some(),
        },
        max_body_size: server
            .max_body_size
            .map_or(DEFAULT_MAX_BODY_SIZE, |size| size.0),
        start_timeout: server
            .start_timeout
            .map_or(DEFAULT_START_TIMEOUT, |span| span.0),
        stop_timeout: server
            .stop_timeout
            .map_or(DEFAULT_STOP_TIMEOUT, |span| span.0),
        health_check_path: server.health_check_path.as_ref().map(|path| path.0.clone()),
        statics: server.r#static.as_ref().map(|map| Setting {
            value: map.0.clone(),
            at: written.at("static"),
            set: true,
        }),
        trusted_proxies: server
            .trusted_proxies
            .as_ref()
            .map(|nets| nets.0.clone())
            .unwrap_or_default(),
        gzip: server.gzip.is_none_or(|flag| flag.0),
        user: server.user.as_ref().map(|user| Setting {
            value: user.0.clone(),
            at: written.at("user"),
            set: true,
        }),
        uwsgi_options: written
            .top
            .uwsgi_config
            .as_ref()
            .map(|options| options.0.clone())
            .unwrap_or_default(),
        log: LogConfig {
            access: written.log.access.unwrap_or_default(),
            on_full: written.log.on_full.unwrap_or_default(),
            buffer: written.log.buffer.unwrap_or_default(),
        },
    };
    (config, findings)
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
    fn the_nginx_name_wins() {
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
