//! Records as JSON, one object a line. Pure.
//!
//! Every record begins `{"ts":…,"level":…,"source":…,"message":…`. JSON that others wrote is put in
//! as it is, after it was checked.

use super::{
    access::Entry,
    escape,
    origin::Origin,
    record::{Detail, Level, Record, Source},
    render::{Piece, decimal, duration, is_known},
    stamp::Stamp,
};

/// What stands between the time and the message.
pub(super) fn head(source: Source, level: Level) -> String {
    let (level, source) = (level.as_str(), source.as_str());
    format!("\",\"level\":\"{level}\",\"source\":\"{source}\",\"message\":\"")
}

/// A record of text.
pub(super) fn record(
    stamp: &Stamp,
    head: &str,
    record: &Record<'_>,
    piece: Option<Piece<'_>>,
    out: &mut Vec<u8>,
) {
    begin(stamp, head, record.message.len(), out);
    escape::json(record.message, out);
    out.push(b'"');
    origin(&record.origin, out);
    detail(record.detail, out);
    if let Some(Piece { id, seq, last }) = piece {
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

/// An access record: nginx's object with our fields put in after its brace.
pub(super) fn access(stamp: &Stamp, head: &str, entry: &Entry<'_>, out: &mut Vec<u8>) {
    begin(stamp, head, entry.object.len() + entry.path.len(), out);
    summary(entry, out);
    out.extend_from_slice(b"\",\"duration_ms\":");
    decimal(entry.duration, out);
    if let Some(upstream) = entry.upstream {
        out.extend_from_slice(b",\"upstream_ms\":");
        decimal(upstream, out);
    }
    let fields = entry.object[1..].trim_ascii_start();
    if fields != b"}" {
        out.push(b',');
    }
    escape::carry(fields, out);
    out.push(b'\n');
}

/// `GET /report 200 3ms`, as JSON without quotes.
pub(super) fn summary(entry: &Entry<'_>, out: &mut Vec<u8>) {
    // nginx has no method and no path for what was not HTTP.
    for part in [entry.method, entry.path] {
        escape::carry(if part.is_empty() { b"-" } else { part }, out);
        out.push(b' ');
    }
    decimal(u64::from(entry.status), out);
    out.push(b' ');
    duration(entry.duration, out);
}

/// An object of the application, as it wrote it, under `app`.
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
    if !is_known(origin) {
        return;
    }
    if !origin.request_id.is_empty() {
        out.extend_from_slice(b",\"request_id\":\"");
        out.extend_from_slice(origin.request_id.as_bytes());
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
