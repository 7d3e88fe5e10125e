//! config.json as it is written: the keys that the launcher reads, and where each value stands.
//!
//! A key is named once, in the structs below: reading, "did you mean" and the JSON Schema follow from them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::{Map, Value};

use super::collections::{Networks, StaticMap};
use super::duplicates::duplicates;
use super::log::{AccessLog, Buffer};
use super::problem::{Findings, pointer};
use super::spans::{Patience, Span};
use super::uwsgi_options::UwsgiOptions;
use super::values::{Count, Flag, FromJson, Size, UrlPath, UserName, brief};
use crate::logs::options::OnFull;

/// Declares a section: a struct of optional values with its list of keys and a reader for one key.
macro_rules! section {
    (
        $(#[$meta:meta])*
        pub struct $name:ident { $( $(#[$field_meta:meta])* pub $field:ident: $kind:ty, )* }
    ) => {
        #[derive(Clone, Debug, Default, JsonSchema)]
        $(#[$meta])*
        pub struct $name {
            $( $(#[$field_meta])* pub $field: Option<$kind>, )*
        }

        impl $name {
            /// The keys of the section.
            pub const KEYS: &[&str] = &[$(stringify!($field)),*];

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
        /// N: requests served at the same time, never more and never fewer. Default 17.
        pub wsgi_worker_threads_count: Count<1, 1024>,
        /// P: processes among which the N requests are divided; must divide N. Default N, one request a process.
        pub wsgi_processes: Count<1, 1024>,
        /// Seconds a request may take; 0 = no limit. Default 60.
        pub request_timeout: Span,
        /// Seconds a request may wait for a free slot before it gets 503 with Retry-After; 0 = no limit. Default 0.
        pub queue_timeout: Span,
        /// Requests that may wait; beyond that 503 with Retry-After at once. Default 1024.
        pub queue_size: Count<0, 1_000_000>,
        /// Larger request bodies get 413; 0 = no limit. Default "100m".
        pub max_body_size: Size,
        /// Seconds until all children must be ready after the start. Default 120.
        pub start_timeout: Patience,
        /// Seconds for a graceful stop before SIGKILL. Default 30.
        pub stop_timeout: Span,
        /// Path that must answer 2xx or 3xx before the service is ready, and for `healthcheck`. Default none.
        pub health_check_path: UrlPath,
        /// URL prefix to folder below src, served by nginx. Default {"/static/": "static"} when src/static exists.
        #[schemars(rename = "static")]
        pub r#static: StaticMap,
        /// Networks whose X-Forwarded-For, -Proto and -Host are believed; others' are dropped. Default [].
        pub trusted_proxies: Networks,
        /// Compress text answers. Default true.
        pub gzip: Flag,
        /// User of nginx's and uWSGI's workers. Default www-data when the launcher is root.
        pub user: UserName,
    }
}

section! {
    /// The whole file. Other keys at this level belong to the service.
    pub struct TopLevel {
        /// true: production, nginx and uWSGI. false: development, flask. Default false.
        pub use_nginx: Flag,
        /// The same under the name of the Apache image; use_nginx wins.
        pub use_apache: Flag,
        /// More uWSGI options by their own names.
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
        /// When stdout takes no more and the buffer is full: drop the oldest lines and count them, or block. Default drop.
        pub on_full: OnFull,
        /// Bytes of log that are kept while stdout takes none, at least 64k. Default "8m".
        pub buffer: Buffer,
    }
}

/// Keys of the whole file that hold sections.
pub(super) const SECTIONS: &[&str] = &["nginx_config", "apache_config", "log_config"];

/// What a file says, with the pointer of each value.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// Values at the top level.
    pub top: TopLevel,
    /// Values of the sections, those of `nginx_config` before those of `apache_config`, key by key.
    pub server: ServerSection,
    /// Values of `log_config`.
    pub log: LogSection,
    origins: BTreeMap<String, String>,
}

impl Written {
    /// The pointer of a key of the server section: where it stands, or where it would.
    pub fn at(&self, key: &str) -> String {
        self.origins
            .get(key)
            .cloned()
            .unwrap_or_else(|| pointer("/nginx_config", key))
    }
}

/// Reads the text of a config.json. Everything that is wrong goes to `findings`; what is right is kept.
pub fn read(text: &str, findings: &mut Findings) -> Written {
    let mut written = Written::default();
    let root = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(root)) => root,
        Ok(other) => {
            findings.problem(
                "",
                format!("expected an object, got {}", brief(&other)),
                "write {\"use_nginx\": true}",
            );
            return written;
        }
        Err(error) => {
            let hint = if text.starts_with('\u{feff}') {
                "save the file without a byte order mark"
            } else {
                "JSON has no comments, no trailing commas, and double quotes only"
            };
            findings.problem("", format!("not valid JSON: {error}"), hint);
            return written;
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
            known if is_key(TopLevel::KEYS, known) => written.top.read(known, value, &at, findings),
            other => near_miss(other, &at, findings),
        }
    }
    if let Some(section) = section(&root, "apache_config", findings) {
        read_apache(section, &mut written, findings);
    }
    if let Some(section) = section(&root, "nginx_config", findings) {
        for (key, value, at) in known(section, "/nginx_config", ServerSection::KEYS, findings) {
            written.server.read(raw_name(key), value, &at, findings);
            written.origins.insert(key.to_owned(), at);
        }
    }
    if let Some(section) = section(&root, "log_config", findings) {
        for (key, value, at) in known(section, "/log_config", LogSection::KEYS, findings) {
            written.log.read(key, value, &at, findings);
        }
    }
    written
}

/// The entries of a section that is the launcher's alone, with their pointers; any other key in it is a problem.
fn known<'a>(
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

/// Apache's own settings are in the same section as the launcher's: the latter count, the former are named once.
fn read_apache(section: &Map<String, Value>, written: &mut Written, findings: &mut Findings) {
    let mut foreign = Vec::new();
    for (key, value) in section {
        if is_key(ServerSection::KEYS, key) {
            let at = pointer("/apache_config", key);
            written.server.read(raw_name(key), value, &at, findings);
            written.origins.insert(key.clone(), at);
        } else {
            foreign.push(key.as_str());
        }
    }
    if !foreign.is_empty() {
        findings.warning(
            "/apache_config",
            format!("no effect under nginx: {}", foreign.join(", ")),
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
                format!("expected an object, got {}", brief(other)),
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
        Err(wrongs) => {
            for wrong in wrongs {
                findings.problem(format!("{at}{}", wrong.below), wrong.what, wrong.hint);
            }
            None
        }
    }
}

/// A key of the service that looks like one of the launcher's is worth a word; any other is none of our business.
fn near_miss(key: &str, at: &str, findings: &mut Findings) {
    let known = [TopLevel::KEYS, SECTIONS].concat();
    if let Some(hint) = did_you_mean(key, &known) {
        findings.warning(
            at,
            format!("{key:?} is not a key of the launcher and has no effect on it"),
            hint,
        );
    }
}

/// `did you mean "x"?` for the nearest of `known`, when it is near, or for the one that begins like the key.
pub fn did_you_mean(key: &str, known: &[&str]) -> Option<String> {
    let key = key.to_ascii_lowercase();
    let near = known
        .iter()
        .map(|name| plain(name))
        .map(|name| (strsim::damerau_levenshtein(&key, name), name))
        .filter(|(distance, name)| *distance <= (name.len() / 4).clamp(1, 3))
        .min()
        .map(|(_, name)| name);
    let begins = |name: &&str| key.len() >= SHORTEST_BEGINNING && plain(name).starts_with(&key);
    near.or_else(|| {
        known
            .iter()
            .find(|name| begins(name))
            .map(|name| plain(name))
    })
    .map(|name| format!("did you mean {name:?}?"))
}

/// A key that is the beginning of a known one is a guess worth telling from this length on.
const SHORTEST_BEGINNING: usize = 8;

fn is_key(keys: &[&str], key: &str) -> bool {
    keys.iter().any(|known| plain(known) == key)
}

/// A key as Rust spells it: `static` is a keyword.
fn raw_name(key: &str) -> &str {
    if key == "static" { "r#static" } else { key }
}

pub(super) fn plain(name: &str) -> &str {
    name.trim_start_matches("r#")
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
