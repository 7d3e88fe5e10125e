//! Records as text, for people. Pure.
//!
//! ```text
//! 2026-11-23 (UTC)
//! 22:28:01.123 nginx    GET /report 200 1.25s (800ms in queue) id=6fb0d1d4
//! 22:28:01.124 app err  ERROR [..] ERROR in app: Exception on /report [GET] id=6fb0d1d4 pid=17
//!     Traceback (most recent call last):
//! ```
//!
//! A line about an ordinary request fits a terminal of 80 columns: of a long value there is what tells it from others, and
//! the whole value is in JSON. Level info is not shown, so that other levels stand out; only nginx's error log shows it,
//! which no other sign tells from the access log. The dates are lines of [`super::dates`].

use super::{
    chunk::RecordChunk,
    escape::{self, boundary},
    json_scan,
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

/// So many bytes of a request's id are shown.
const SHORT_ID: usize = 8;

/// From this time on in milliseconds, the wait for a slot explains why a request was slow.
const NOTABLE_WAIT: u64 = 100;

/// The column that shows the source, and its colour.
const fn column(source: Source) -> (&'static str, &'static str) {
    match source {
        Source::Launcher => ("launcher", "\x1b[34m"),
        Source::NginxAccess | Source::NginxError => ("nginx", CYAN),
        Source::Uwsgi => ("uwsgi", "\x1b[35m"),
        Source::AppStdout => ("app", GREEN),
        Source::AppStderr => ("app err", GREEN),
    }
}

/// The text between the time and the message.
pub(super) fn head(source: Source, level: Level, colour: bool) -> String {
    let (name, hue) = column(source);
    let (word, alarm) = match level {
        Level::Info if source == Source::NginxError => ("INFO ", ""),
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
        (false, _) => format!(" {name:<8} {word}"),
        (true, "") => format!("{RESET} {hue}{name:<8}{RESET} "),
        (true, _) => format!("{RESET} {hue}{name:<8}{RESET} {alarm}{word}{RESET}"),
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
    let is_first = chunk.as_ref().is_none_or(|chunk| chunk.seq == 0);
    let message = if is_first {
        without_level(record)
    } else {
        record.message
    };
    let mut lines = message.split(|&byte| byte == b'\n');
    escape::text(lines.next().unwrap_or_default(), out);
    short_id(record.origin.request_id.as_bytes(), out);
    if let Some(pid) = record.origin.pid {
        number(b"pid=", u64::from(pid), out);
    }
    match record.detail {
        Detail::None | Detail::Fields([]) => {}
        Detail::Severity(severity) if severity == record.level.as_str() => {}
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

/// The message without the level that the head shows already: Python's logging begins with `ERROR:root:`.
fn without_level<'a>(record: &Record<'a>) -> &'a [u8] {
    let words: &[&[u8]] = match record.level {
        Level::Debug => &[b"DEBUG:"],
        // Not shown.
        Level::Info => &[],
        Level::Warn => &[b"WARNING:", b"WARN:"],
        Level::Error => &[b"ERROR:"],
    };
    let rest = words
        .iter()
        .find_map(|word| record.message.strip_prefix(*word));
    rest.map_or(record.message, |rest| {
        rest.strip_prefix(b" ").unwrap_or(rest)
    })
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
    if record.method.is_empty() && record.path.is_empty() {
        out.extend_from_slice(b"(unreadable request) ");
    } else {
        for name in [record.method, record.path] {
            escape::text(if name.is_empty() { b"-" } else { name }, out);
            out.push(b' ');
        }
    }
    if colour {
        out.extend_from_slice(hue(record.status).as_bytes());
    }
    match record.status {
        0 => out.extend_from_slice(b"no answer"),
        status => decimal(u64::from(status), out),
    }
    if colour {
        out.extend_from_slice(RESET.as_bytes());
    }
    out.push(b' ');
    duration(record.duration, out);
    remarks(record, out);
    short_id(record.request_id, out);
    out.push(b'\n');
}

/// Why a request took long, or was not answered by the application, in parentheses.
fn remarks(record: &AccessRecord<'_>, out: &mut Vec<u8>) {
    let wait = record.queue.filter(|wait| *wait >= NOTABLE_WAIT);
    if let Some(wait) = wait {
        out.extend_from_slice(b" (");
        duration(wait, out);
        out.extend_from_slice(b" in queue");
    }
    if !record.reason.is_empty() {
        out.extend_from_slice(if wait.is_some() { b", " } else { b" (" });
        let words = record.reason.iter();
        let words: Vec<u8> = words
            .map(|&byte| if byte == b'_' { b' ' } else { byte })
            .collect();
        escape::text(&words, out);
    }
    if wait.is_some() || !record.reason.is_empty() {
        out.push(b')');
    }
}

/// The beginning of a request's id, by which its records are found; nothing where there is none.
fn short_id(id: &[u8], out: &mut Vec<u8>) {
    if !id.is_empty() {
        word(b"id=", &id[..boundary(id, SHORT_ID)], out);
    }
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
    if head.starts_with(RESET) {
        out.extend_from_slice(DIM.as_bytes());
    }
    out.extend_from_slice(stamp.clock());
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

/// `"key":"value","other":1` as `key="value" other=1`. Empty texts are no information.
fn fields_as_words(fields: &[u8], out: &mut Vec<u8>) {
    let object = [b"{", fields, b"}"].concat();
    json_scan::object(&object, |key, value| {
        if json_scan::string(value).is_some_and(<[u8]>::is_empty) {
            return;
        }
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

    #[test]
    fn a_level_is_shown_once() {
        for (level, message, expected) in [
            (Level::Error, "ERROR:root:x", "root:x"),
            (Level::Error, "ERROR: x", "x"),
            (Level::Error, "CRITICAL:root:x", "CRITICAL:root:x"),
            (Level::Warn, "WARNING:root:x", "root:x"),
            (Level::Info, "INFO:root:x", "INFO:root:x"),
            (Level::Warn, "ERROR:root:x", "ERROR:root:x"),
        ] {
            let record = Record {
                at: 0,
                level,
                message: message.as_bytes(),
                origin: Origin::default(),
                detail: Detail::None,
            };
            assert_eq!(without_level(&record), expected.as_bytes());
        }
    }
}
