//! Records as text, for people. Pure.
//!
//! ```text
//! 2026-11-23T22:28:01.123Z nginx    GET /report 200 3ms 10.0.0.1 rid=ab12
//! 2026-11-23T22:28:01.124Z app!     ERROR [..] ERROR in app: Exception on /report [GET] rid=ab12 pid=17
//!     Traceback (most recent call last):
//! ```
//!
//! A `!` marks the error stream of a program. Level info is not shown, so that other levels stand
//! out.

use serde_json::Value;

use super::{
    chunk::RecordChunk,
    escape, json_scan,
    number::{decimal, duration},
    stamp::Stamp,
};
use crate::logs::record::{AccessRecord, Detail, Level, Record, Source};

const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const CYAN: &str = "\x1b[36m";
const RED: &str = "\x1b[1;31m";

/// Begins each further line of a record.
const INDENT: &[u8] = b"    ";

/// The column that shows the source, and its colour.
const fn column(source: Source) -> (&'static str, &'static str) {
    match source {
        Source::Launcher => ("launcher", "\x1b[34m"),
        Source::NginxAccess => ("nginx", CYAN),
        Source::NginxError => ("nginx!", CYAN),
        Source::Uwsgi => ("uwsgi", "\x1b[35m"),
        Source::AppStdout => ("app", GREEN),
        Source::AppStderr => ("app!", GREEN),
    }
}

/// The text between the time and the message.
pub(super) fn head(source: Source, level: Level, colour: bool) -> String {
    let (name, hue) = column(source);
    let (word, alarm) = match level {
        Level::Info => ("", ""),
        Level::Debug => ("DEBUG ", DIM),
        Level::Warn => ("WARN ", YELLOW),
        Level::Error => ("ERROR ", RED),
    };
    // The status of an access record shows its level.
    let word = if source == Source::NginxAccess {
        ""
    } else {
        word
    };
    match (colour, word) {
        (false, _) => format!("Z {name:<8} {word}"),
        (true, "") => format!("Z{RESET} {hue}{name:<8}{RESET} "),
        (true, _) => format!("Z{RESET} {hue}{name:<8}{RESET} {alarm}{word}{RESET}"),
    }
}

/// Appends a record of text.
pub(super) fn record(
    stamp: &Stamp,
    head: &str,
    record: &Record<'_>,
    chunk: Option<RecordChunk<'_>>,
    out: &mut Vec<u8>,
) {
    begin(stamp, head, out);
    let mut lines = record.message.split(|&byte| byte == b'\n');
    escape::text(lines.next().unwrap_or_default(), out);
    if !record.origin.request_id.is_empty() {
        word(b"rid=", record.origin.request_id.as_bytes(), out);
    }
    if let Some(pid) = record.origin.pid {
        number(b"pid=", u64::from(pid), out);
    }
    match record.detail {
        Detail::None | Detail::Fields([]) => {}
        Detail::Severity(severity) => word(b"severity=", severity.as_bytes(), out),
        Detail::Worker(worker) => number(b"worker=", u64::from(worker), out),
        Detail::Fields(fields) => fields_as_words(fields, out),
    }
    if let Some(RecordChunk { id, seq, last }) = chunk {
        word(b"partial=", id.as_bytes(), out);
        number(b"seq=", seq, out);
        if last {
            out.extend_from_slice(b" last");
        }
    }
    for line in lines {
        out.push(b'\n');
        if !line.is_empty() {
            out.extend_from_slice(INDENT);
            escape::text(line, out);
        }
    }
    out.push(b'\n');
}

/// A JSON object of the application as a message for people: its message, its other fields as words, and texts of several
/// lines (a stack, a traceback) as lines. Fields that the record shows anyway are omitted. Text is not the format of busy
/// services, so this may parse and copy.
pub(super) fn object(object: &[u8], record: &Record<'_>) -> Vec<u8> {
    let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(object) else {
        return object.to_owned();
    };
    let name = ["message", "msg", "event"]
        .into_iter()
        .find(|name| fields.get(*name).is_some_and(Value::is_string));
    let mut first = name
        .and_then(|name| fields[name].as_str())
        .unwrap_or_default()
        .to_owned();
    let mut blocks = String::new();
    for (key, value) in &fields {
        if Some(key.as_str()) == name || is_shown(key, value, record) {
            continue;
        }
        match value {
            Value::String(text) if text.contains('\n') => {
                blocks.push('\n');
                blocks.push_str(text.trim_end());
            }
            Value::String(text) if !text.is_empty() && !text.contains(' ') => {
                first.push_str(&format_args!(" {key}={text}").to_string());
            }
            other => first.push_str(&format_args!(" {key}={other}").to_string()),
        }
    }
    first.push_str(&blocks);
    first.into_bytes()
}

/// Whether the record shows the same level, request or process already. The application's name of a level that ours do not
/// have, such as `critical`, is more precise and stays.
fn is_shown(key: &str, value: &Value, record: &Record<'_>) -> bool {
    match (key, value) {
        ("level" | "levelname" | "severity", Value::String(word)) => {
            word.eq_ignore_ascii_case(record.level.as_str())
                || (record.level == Level::Warn && word.eq_ignore_ascii_case("warning"))
        }
        ("request_id", Value::String(id)) => {
            // An empty id is no information.
            id.is_empty() || id == record.origin.request_id
        }
        ("pid", Value::Number(pid)) => {
            record.origin.pid.is_some() && pid.as_u64() == record.origin.pid.map(u64::from)
        }
        _ => false,
    }
}

/// Appends an access record.
pub(super) fn access(
    stamp: &Stamp,
    head: &str,
    record: &AccessRecord<'_>,
    colour: bool,
    out: &mut Vec<u8>,
) {
    begin(stamp, head, out);
    for name in [record.method, record.path] {
        escape::text(if name.is_empty() { b"-" } else { name }, out);
        out.push(b' ');
    }
    if colour {
        out.extend_from_slice(hue(record.status).as_bytes());
    }
    decimal(u64::from(record.status), out);
    if colour {
        out.extend_from_slice(RESET.as_bytes());
    }
    out.push(b' ');
    duration(record.duration, out);
    if !record.remote_addr.is_empty() {
        word(b"", record.remote_addr, out);
    }
    if !record.request_id.is_empty() {
        word(b"rid=", record.request_id, out);
    }
    if !record.reason.is_empty() {
        word(b"reason=", record.reason, out);
    }
    out.push(b'\n');
}

const fn hue(status: u16) -> &'static str {
    match status {
        500.. => RED,
        400..=499 | ..100 => YELLOW,
        300..=399 => CYAN,
        _ => GREEN,
    }
}

fn begin(stamp: &Stamp, head: &str, out: &mut Vec<u8>) {
    // With colour the head ends the dimming that begins here; a head with colour is recognised by its first escape.
    if head.starts_with("Z\x1b") {
        out.extend_from_slice(DIM.as_bytes());
    }
    out.extend_from_slice(stamp.millis());
    out.extend_from_slice(head.as_bytes());
}

fn word(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(name);
    escape::text(value, out);
}

fn number(name: &[u8], value: u64, out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(name);
    decimal(value, out);
}

/// `"key":"value","other":1` as `key="value" other=1`.
fn fields_as_words(fields: &[u8], out: &mut Vec<u8>) {
    let object = [b"{", fields, b"}"].concat();
    json_scan::object(&object, |key, value| {
        out.push(b' ');
        escape::text(key, out);
        out.push(b'=');
        let is_plain =
            |text: &&[u8]| !text.is_empty() && !text.contains(&b' ') && !text.contains(&b'\\');
        escape::text(
            json_scan::string(value).filter(is_plain).unwrap_or(value),
            out,
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::record::Origin;

    #[track_caller]
    fn check(level: Level, input: &str, expected: &str) {
        let record = Record {
            at: 0,
            level,
            message: b"",
            origin: Origin {
                request_id: "ab",
                pid: Some(7),
                ..Origin::default()
            },
            detail: Detail::None,
        };
        assert_eq!(
            String::from_utf8(object(input.as_bytes(), &record)).unwrap(),
            expected
        );
    }

    #[test]
    fn objects_of_the_application_become_sentences() {
        check(
            Level::Info,
            r#"{"message":"Too late","path":"/x","age":2.5,"stack":"a\nb\n","note":"two words"}"#,
            "Too late path=/x age=2.5 note=\"two words\"\na\nb",
        );
        check(Level::Info, "[1]", "[1]");
    }

    #[test]
    fn what_a_record_shows_is_not_repeated() {
        check(
            Level::Error,
            r#"{"level":"error","message":"x","request_id":"ab","pid":7,"worker":1}"#,
            "x worker=1",
        );
        check(
            Level::Warn,
            r#"{"levelname":"WARNING","msg":"x","request_id":""}"#,
            "x",
        );
        check(
            Level::Error,
            r#"{"level":"critical","message":"x","request_id":"other","pid":8}"#,
            "x level=critical request_id=other pid=8",
        );
        check(
            Level::Info,
            r#"{"level":"error","message":"x","pid":"7"}"#,
            "x level=error pid=7",
        );
    }
}
