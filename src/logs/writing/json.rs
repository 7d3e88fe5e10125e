//! Records as JSON, one object a line. Pure.
//!
//! Every record begins with `{"ts":…,"level":…,"source":…,"message":…`. JSON of nginx and of the
//! application was checked before ([`super::json_scan`]) and is copied as it is.

use super::{
    chunk::RecordChunk,
    escape,
    number::{decimal, duration},
    stamp::Stamp,
};
use crate::logs::record::{AccessRecord, Detail, Level, Origin, Record, Source};

/// The text between the time and the message.
pub(super) fn head(source: Source, level: Level) -> String {
    let (level, source) = (level.as_str(), source.as_str());
    format!("\",\"level\":\"{level}\",\"source\":\"{source}\",\"message\":\"")
}

/// Appends a record of text.
pub(super) fn record(
    stamp: &Stamp,
    head: &str,
    record: &Record<'_>,
    chunk: Option<RecordChunk<'_>>,
    out: &mut Vec<u8>,
) {
    begin(stamp, head, record.message.len(), out);
    escape::json(record.message, out);
    out.push(b'"');
    origin(&record.origin, out);
    detail(record.detail, out);
    if let Some(RecordChunk { id, seq, last }) = chunk {
        out.extend_from_slice(b",\"partial\":true,\"partial_id\":\"");
        out.extend_from_slice(id.as_bytes());
        out.extend_from_slice(b"\",\"partial_seq\":");
        decimal(seq, out);
        if last {
            out.extend_from_slice(b",\"partial_last\":true");
        }
    }
    out.extend_from_slice(b"}\n");
}

/// Appends an access record: nginx's object, with the launcher's fields after its brace.
pub(super) fn access(stamp: &Stamp, head: &str, record: &AccessRecord<'_>, out: &mut Vec<u8>) {
    begin(stamp, head, record.object.len() + record.path.len(), out);
    summary(record, out);
    out.extend_from_slice(b"\",\"duration_ms\":");
    decimal(record.duration, out);
    if let Some(upstream) = record.upstream {
        out.extend_from_slice(b",\"upstream_ms\":");
        decimal(upstream, out);
    }
    if let Some(queue) = record.queue {
        out.extend_from_slice(b",\"queue_ms\":");
        decimal(queue, out);
    }
    if let Some(app) = record.app() {
        out.extend_from_slice(b",\"app_ms\":");
        decimal(app, out);
    }
    if let Some(worker) = record.worker {
        out.extend_from_slice(b",\"worker\":");
        decimal(u64::from(worker), out);
    }
    if !record.reason.is_empty() {
        out.extend_from_slice(b",\"reason\":\"");
        out.extend_from_slice(record.reason);
        out.push(b'"');
    }
    let fields = record.object[1..].trim_ascii_start();
    if fields != b"}" {
        out.push(b',');
    }
    escape::carry(fields, out);
    out.push(b'\n');
}

/// Appends `GET /report 200 3ms`, as the content of a JSON string.
pub(super) fn summary(record: &AccessRecord<'_>, out: &mut Vec<u8>) {
    // nginx has no method and no path when a request was not HTTP.
    for word in [record.method, record.path] {
        escape::carry(if word.is_empty() { b"-" } else { word }, out);
        out.push(b' ');
    }
    decimal(u64::from(record.status), out);
    out.push(b' ');
    duration(record.duration, out);
}

/// Appends a JSON object of the application, unchanged, under `app`.
pub(super) fn object(
    stamp: &Stamp,
    head: &str,
    record: &Record<'_>,
    object: &[u8],
    out: &mut Vec<u8>,
) {
    begin(stamp, head, record.message.len() + object.len(), out);
    escape::carry(record.message, out);
    out.push(b'"');
    origin(&record.origin, out);
    out.extend_from_slice(b",\"app\":");
    escape::carry(object, out);
    out.extend_from_slice(b"}\n");
}

fn begin(stamp: &Stamp, head: &str, content: usize, out: &mut Vec<u8>) {
    out.reserve(content + 256);
    out.extend_from_slice(b"{\"ts\":\"");
    out.extend_from_slice(stamp.micros());
    out.extend_from_slice(head.as_bytes());
}

fn origin(origin: &Origin<'_>, out: &mut Vec<u8>) {
    if !origin.request_id.is_empty() {
        out.extend_from_slice(b",\"request_id\":\"");
        out.extend_from_slice(origin.request_id.as_bytes());
        out.push(b'"');
    }
    if !origin.trace_id.is_empty() {
        out.extend_from_slice(b",\"trace_id\":\"");
        out.extend_from_slice(origin.trace_id.as_bytes());
        out.push(b'"');
    }
    if let Some(pid) = origin.pid {
        out.extend_from_slice(b",\"pid\":");
        decimal(u64::from(pid), out);
    }
}

fn detail(detail: Detail<'_>, out: &mut Vec<u8>) {
    match detail {
        Detail::None | Detail::Fields([]) => {}
        Detail::Severity(word) => {
            out.extend_from_slice(b",\"severity\":\"");
            out.extend_from_slice(word.as_bytes());
            out.push(b'"');
        }
        Detail::Worker(number) => {
            out.extend_from_slice(b",\"worker\":");
            decimal(u64::from(number), out);
        }
        Detail::Fields(fields) => {
            out.push(b',');
            escape::carry(fields, out);
        }
    }
}
