//! Declares the keys of config.json that the launcher reads, and parses them with their positions.
//!
//! A key is declared once, in the structs below: parsing, "did you mean" and the JSON Schema follow from them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::{Map, Value};

use super::collections::{Networks, StaticMap};
use super::duplicates::duplicates;
use super::durations::{DurationValue, NonZeroDuration};
use super::log::{AccessLog, Buffer};
use super::near_miss::{did_you_mean, plain};
use super::path_list::PathList;
use super::problem::{Findings, pointer};
use super::uwsgi_options::UwsgiOptions;
use super::values::{Count, Flag, FromJson, Size, UrlPath, UserName, describe};
use crate::logs::options::OnFull;

/// Declares a section: a struct of optional values, the list of its keys, and a function that parses one key.
macro_rules! section {
    (
        $(#[$meta:meta])*
        pub struct $name:ident { $( $(#[$field_meta:meta])* pub $field:ident: $kind:ty, )* }
    ) => {
        #[derive(Clone, Debug, Default, JsonSchema)]
        $(#[$meta])*
        pub(crate) struct $name {
            $( $(#[$field_meta])* pub $field: Option<$kind>, )*
        }

        impl $name {
            /// Names of the fields, which are those of the keys; `static` is `r#static` here.
            pub(crate) const KEYS: &[&str] = &[$(stringify!($field)),*];

            fn read(&mut self, key: &str, value: &Value, at: &str, findings: &mut Findings) {
                match key {
                    $( stringify!($field) => self.$field = read_value(value, at, findings), )*
                    _ => {}
                }
            }
        }
    };
}

section! {
    /// The sections `nginx_config` and `apache_config`.
    #[schemars(deny_unknown_fields)]
    pub struct ServerSection {
        /// N: the number of slots, which is exactly how many requests are served at the same time. Default 17.
        pub wsgi_worker_threads_count: Count<1, 1024>,
        /// P: number of processes that share the N slots; must divide N. Default N, one request per process.
        pub wsgi_processes: Count<1, 1024>,
        /// Seconds a request may take; 0 = no limit. Default 60.
        pub request_timeout: DurationValue,
        /// Seconds a request may wait for a free slot before it gets 503 with Retry-After; 0 = no limit. Default 0.
        pub queue_timeout: DurationValue,
        /// Seconds without a byte in either direction after which a WebSocket is closed; 0 = no limit. Default 60.
        pub websocket_idle_timeout: DurationValue,
        /// Requests that may wait; further ones get 503 with Retry-After at once. Default 1024.
        pub queue_size: Count<0, 1_000_000>,
        /// Open connections of one client address that have a request, at most; further ones get 503. 0 = no limit. Default
        /// 256 for public addresses and no limit for private ones, behind which proxies are.
        pub max_connections_per_client: Count<0, 65_535>,
        /// Bytes of disk in which nginx may buffer request bodies and responses; beyond them 503. Default half of what is
        /// free in the runtime folder at the start.
        pub disk_buffer_size: Size,
        /// Larger request bodies get 413; 0 = no limit. Default "100m".
        pub max_body_size: Size,
        /// Seconds within which everything must be ready after the start. Default 120.
        pub start_timeout: NonZeroDuration,
        /// Seconds for a graceful stop before SIGKILL. Default 30.
        pub stop_timeout: DurationValue,
        /// Seconds that a process which leaves (recycled, or after a timeout) may take for its threads and exit handlers;
        /// then it is ended. Default 5.
        pub worker_exit_timeout: NonZeroDuration,
        /// Path that must answer 2xx or 3xx before the service is ready, and for `healthcheck`. Default none.
        pub health_check_path: UrlPath,
        /// Maps URL prefixes to folders below src that nginx serves. Default {"/static/": "static"} when src/static exists.
        #[schemars(rename = "static")]
        pub r#static: StaticMap,
        /// Networks whose X-Forwarded-For, -Proto and -Host headers are trusted; others' are dropped. Default [].
        pub trusted_proxies: Networks,
        /// Compress text responses. Default true.
        pub gzip: Flag,
        /// The admin address (TCP) also shows paths and ids of requests, warnings and the last errors. Default false.
        pub admin_details: Flag,
        /// User of the application: of uWSGI and its workers. Default www-data when the launcher is root.
        pub user: UserName,
        /// User of nginx, another than that of the application. Default nginx when the launcher is root, else nobody where
        /// there is no such user.
        pub nginx_user: UserName,
        /// Restrict what nginx and the application may write, by the kernel's Landlock. Default true.
        pub landlock: Flag,
        /// Files and folders that they may write beside the service's folder, temporary folders and mounted volumes;
        /// relative paths are below the service's folder. Default [].
        pub writable: PathList,
        /// Refuse them system calls that no service needs (ptrace, mount, bpf …), by the kernel's seccomp. Default true.
        pub seccomp: Flag,
    }
}

section! {
    /// The top level of the file. Other keys at this level belong to the service.
    pub struct TopLevel {
        /// true: production, nginx and uWSGI. false: development, flask. Default false.
        pub use_nginx: Flag,
        /// Older name of use_nginx, which takes precedence.
        pub use_apache: Flag,
        /// Additional uWSGI options by their own names.
        pub uwsgi_config: UwsgiOptions,
    }
}

section! {
    /// The section `log_config`.
    #[schemars(deny_unknown_fields)]
    pub struct LogSection {
        /// Which requests are in the log: all, errors (4xx, 5xx, and slow ones: from half of request_timeout on, or from
        /// 5 s on when there is none), off. Default all.
        pub access: AccessLog,
        /// When stdout is not read and the buffer is full: drop the oldest lines and count them, or block. Default drop.
        pub on_full: OnFull,
        /// Bytes of log that are kept while stdout is not read, at least 64k. Default "8m".
        pub buffer: Buffer,
    }
}

/// Top-level keys whose values are sections.
pub(super) const SECTIONS: &[&str] = &["nginx_config", "apache_config", "log_config"];

/// The parsed file before defaults are filled in.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawConfig {
    /// Values at the top level.
    pub top: TopLevel,
    /// `nginx_config` merged with `apache_config`; the former takes precedence key by key.
    pub server: ServerSection,
    /// The section `log_config`.
    pub log: LogSection,
    origins: BTreeMap<String, String>,
}

impl RawConfig {
    /// JSON pointer of a key in the server section: where it is, or where it would be set.
    pub(crate) fn at(&self, key: &str) -> String {
        self.origins
            .get(key)
            .cloned()
            .unwrap_or_else(|| pointer("/nginx_config", key))
    }
}

/// Parses the text of a config.json. Adds all problems to `findings` and keeps the valid values.
pub(crate) fn parse(text: &str, findings: &mut Findings) -> RawConfig {
    let mut raw = RawConfig::default();
    let root = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(root)) => root,
        Ok(other) => {
            findings.problem(
                "",
                format!("expected an object, got {}", describe(&other)),
                "write {\"use_nginx\": true}",
            );
            return raw;
        }
        Err(error) => {
            let hint = if text.starts_with('\u{feff}') {
                "save the file without a byte order mark"
            } else {
                "JSON has no comments, no trailing commas, and double quotes only"
            };
            findings.problem("", format!("not valid JSON: {error}"), hint);
            return raw;
        }
    };
    for at in duplicates(text, &[SECTIONS, &["uwsgi_config"]].concat()) {
        findings.problem(
            at,
            "the key stands twice; the last one would win",
            "leave one of them",
        );
    }
    for (key, value) in &root {
        let at = pointer("", key);
        match key.as_str() {
            section if SECTIONS.contains(&section) => {}
            known if is_key(TopLevel::KEYS, known) => raw.top.read(known, value, &at, findings),
            other => warn_if_misspelled(other, &at, findings),
        }
    }
    if let Some(section) = section(&root, "apache_config", findings) {
        read_apache(section, &mut raw, findings);
    }
    if let Some(section) = section(&root, "nginx_config", findings) {
        for (key, value, at) in
            known_entries(section, "/nginx_config", ServerSection::KEYS, findings)
        {
            raw.server.read(rust_name(key), value, &at, findings);
            raw.origins.insert(key.to_owned(), at);
        }
    }
    if let Some(section) = section(&root, "log_config", findings) {
        for (key, value, at) in known_entries(section, "/log_config", LogSection::KEYS, findings) {
            raw.log.read(key, value, &at, findings);
        }
    }
    raw
}

/// The entries of a section with their pointers. Reports unknown keys as problems.
fn known_entries<'a>(
    section: &'a Map<String, Value>,
    name: &str,
    keys: &[&str],
    findings: &mut Findings,
) -> Vec<(&'a str, &'a Value, String)> {
    let mut entries = Vec::new();
    for (key, value) in section {
        let at = pointer(name, key);
        if is_key(keys, key) {
            entries.push((key.as_str(), value, at));
        } else {
            let hint = did_you_mean(key, keys)
                .unwrap_or_else(|| format!("known keys: {}", plain_names(keys).join(", ")));
            findings.problem(at, format!("unknown key {key:?}"), hint);
        }
    }
    entries
}

/// `apache_config` contains Apache's own settings beside the launcher's keys: all of the former are reported in one
/// warning.
fn read_apache(section: &Map<String, Value>, raw: &mut RawConfig, findings: &mut Findings) {
    let mut ineffective = Vec::new();
    for (key, value) in section {
        if is_key(ServerSection::KEYS, key) {
            let at = pointer("/apache_config", key);
            raw.server.read(rust_name(key), value, &at, findings);
            raw.origins.insert(key.clone(), at);
        } else {
            ineffective.push(key.as_str());
        }
    }
    if !ineffective.is_empty() {
        findings.warning(
            "/apache_config",
            format!("no effect under nginx: {}", ineffective.join(", ")),
            "remove them, or put what the service needs into nginx_config",
        );
    }
}

fn section<'a>(
    root: &'a Map<String, Value>,
    name: &str,
    findings: &mut Findings,
) -> Option<&'a Map<String, Value>> {
    match root.get(name) {
        None | Some(Value::Null) => None,
        Some(Value::Object(section)) => Some(section),
        Some(other) => {
            findings.problem(
                pointer("", name),
                format!("expected an object, got {}", describe(other)),
                format!("write {name:?}: {{ … }}, or remove it"),
            );
            None
        }
    }
}

fn read_value<T: FromJson>(value: &Value, at: &str, findings: &mut Findings) -> Option<T> {
    if value.is_null() {
        return None;
    }
    match T::from_json(value) {
        Ok(good) => Some(good),
        Err(errors) => {
            for error in errors {
                findings.problem(format!("{at}{}", error.below), error.what, error.hint);
            }
            None
        }
    }
}

/// Warns about a key of the service that looks like a misspelled key of the launcher.
fn warn_if_misspelled(key: &str, at: &str, findings: &mut Findings) {
    let known = [TopLevel::KEYS, SECTIONS].concat();
    if let Some(hint) = did_you_mean(key, &known) {
        findings.warning(
            at,
            format!("{key:?} is not a key of the launcher and has no effect on it"),
            hint,
        );
    }
}

fn is_key(keys: &[&str], key: &str) -> bool {
    keys.iter().any(|known| plain(known) == key)
}

/// The name of the field for a key: `static` is a keyword of Rust.
fn rust_name(key: &str) -> &str {
    if key == "static" { "r#static" } else { key }
}

fn plain_names<'a>(names: &[&'a str]) -> Vec<&'a str> {
    names
        .iter()
        .map(|name| name.trim_start_matches("r#"))
        .collect()
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
