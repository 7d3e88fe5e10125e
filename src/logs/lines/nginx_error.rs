//! Lines of nginx's error log: their level, process and text. Pure.
//!
//! ```text
//! 2026/11/24 16:52:30 [crit] 2401#2401: *1 connect() to unix:/run/app.sock failed (13: …) while …
//! nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)
//! ```

use std::borrow::Cow;

use super::origin::number;
use crate::logs::record::{Detail, Level};

/// A line of the error log, parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorLine<'a> {
    /// The severity, mapped to ours.
    pub level: Level,
    /// nginx's own name of the severity.
    pub detail: Detail<'static>,
    /// The nginx process; none before nginx has opened its log.
    pub pid: Option<u32>,
    /// What follows severity and process, from the connection's number (`*1`) on.
    pub text: &'a [u8],
}

/// Reads a line. A line of a different form is kept as it is, at level error: nginx writes such lines
/// when it cannot even open its log.
pub fn parse(line: &[u8]) -> ErrorLine<'_> {
    logged(line).or_else(|| early(line)).unwrap_or(ErrorLine {
        level: Level::Error,
        detail: Detail::None,
        pid: None,
        text: line,
    })
}

/// A line with a time and a process.
fn logged(line: &[u8]) -> Option<ErrorLine<'_>> {
    let (date, rest) = line.split_at_checked(20)?;
    let shape = b"0000/00/00 00:00:00 ";
    let matches = |(byte, shape): (&u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        _ => byte == shape,
    };
    if !date.iter().zip(shape).all(matches) {
        return None;
    }
    let (level, detail, rest) = severity(rest)?;
    let hash = rest.iter().take(11).position(|&byte| byte == b'#')?;
    let pid = number(&rest[..hash])?;
    let rest = &rest[hash + 1..];
    let colon = rest.iter().take(21).position(|&byte| byte == b':')?;
    let text = rest[colon + 1..].strip_prefix(b" ")?;
    // Each start has this line.
    let is_routine = text.starts_with(b"using inherited sockets from ");
    let level = if is_routine { Level::Debug } else { level };
    rest[..colon]
        .iter()
        .all(u8::is_ascii_digit)
        .then_some(ErrorLine {
            level,
            detail,
            pid: Some(pid),
            text,
        })
}

/// A line from before nginx has opened its log.
fn early(line: &[u8]) -> Option<ErrorLine<'_>> {
    let rest = line.strip_prefix(b"nginx: ")?;
    let (level, detail, text) = severity(rest).unwrap_or((Level::Error, Detail::None, rest));
    Some(ErrorLine {
        level,
        detail,
        pid: None,
        text,
    })
}

/// Splits off `[crit] `.
fn severity(text: &[u8]) -> Option<(Level, Detail<'static>, &[u8])> {
    let text = text.strip_prefix(b"[")?;
    let end = text.iter().take(8).position(|&byte| byte == b']')?;
    let (level, word) = match &text[..end] {
        b"debug" => (Level::Debug, "debug"),
        b"info" => (Level::Info, "info"),
        b"notice" => (Level::Info, "notice"),
        b"warn" => (Level::Warn, "warn"),
        b"error" => (Level::Error, "error"),
        b"crit" => (Level::Error, "crit"),
        b"alert" => (Level::Error, "alert"),
        b"emerg" => (Level::Error, "emerg"),
        _ => return None,
    };
    Some((
        level,
        Detail::Severity(word),
        text[end + 1..].strip_prefix(b" ")?,
    ))
}

/// Whether the line says that nginx drops a connection because it has none left (`ngx_get_connection`).
pub fn is_out_of_connections(text: &[u8]) -> bool {
    // Without a connection's number before it: that would be a request, with text of its client.
    let number = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    number > 0 && text[number..].starts_with(b" worker_connections are not enough")
}

/// Whether the line says that a response of the application ended before it was complete: its process has died, or the
/// entry module has cut it after an exception or a timeout (`ngx_http_upstream_process_request`).
pub fn is_cut_response(text: &[u8]) -> bool {
    // Before the first quote there is nothing of a client.
    let ours = text.split(|byte| *byte == b'"').next().unwrap_or_default();
    let number = ours.iter().position(|byte| *byte == b' ').unwrap_or(0);
    [
        b" upstream prematurely closed connection while reading upstream".as_slice(),
        b" recv() failed (104: Connection reset by peer) while reading upstream",
        b" upstream sent invalid chunked response while reading upstream",
    ]
    .iter()
    .any(|words| ours[number..].starts_with(words))
}

/// What to do about an error of the system that nginx reports; none when there is nothing to add.
pub fn hint(text: &[u8]) -> Option<&'static str> {
    // What a client has sent comes behind this.
    let end = memchr::memmem::find(text, b", client: ").unwrap_or(text.len());
    let has = |words: &[u8]| memchr::memmem::find(&text[..end], words).is_some();
    if has(b"(28: No space left on device)") {
        return Some(
            "disk full: free space where the runtime folder is (--runtime-dir), or lower disk_buffer_size",
        );
    }
    if has(b"(24: Too many open files)") || has(b"worker_connections are not enough") {
        return Some(
            "nginx has no connection or file left: raise the limit of open files (ulimit -n, docker run --ulimit nofile=20480)",
        );
    }
    None
}

/// Whether the line says that the listen queue of the application's socket is full (EAGAIN of connect(2), unix(7)). The
/// access record of the request says so too, and one more record for each would hide what else went wrong.
pub fn is_full_queue(text: &[u8]) -> bool {
    // Behind the connection's number; what a client has sent comes later, in quotes.
    let ours = text.split(|byte| *byte == b'"').next().unwrap_or_default();
    let number = ours.iter().position(|byte| *byte == b' ').unwrap_or(0);
    ours[number..].starts_with(b" connect() to unix:")
        && memchr::memmem::find(
            ours,
            b" failed (11: Resource temporarily unavailable) while connecting to upstream",
        )
        .is_some()
}

/// The words before the URLs that nginx writes between quotes.
const URLS: [&[u8]; 3] = [b", request: \"", b", upstream: \"", REFERRER];
const REFERRER: &[u8] = b", referrer: \"";

/// The text without the queries of the URLs that clients have sent: queries contain tokens and names, and the access log
/// omits them as well.
///
/// nginx escapes nothing between its quotes, so a quote does not end a URL. But a request line that nginx accepts has
/// no spaces in its URL, and the referrer, which may hold anything, is the last of all.
pub fn without_queries(text: &[u8]) -> Cow<'_, [u8]> {
    let urls = URLS
        .iter()
        .filter_map(|url| memchr::memmem::find(text, url));
    let Some((ours, theirs)) = urls.min().map(|start| text.split_at(start)) else {
        return Cow::Borrowed(text);
    };
    if memchr::memchr(b'?', theirs).is_none() {
        return Cow::Borrowed(text);
    }
    let referrer = memchr::memmem::find(theirs, REFERRER).unwrap_or(theirs.len());
    let (mut rest, referrer) = theirs.split_at(referrer);
    let mut out = Vec::with_capacity(text.len());
    out.extend_from_slice(ours);
    while let Some(query) = memchr::memchr(b'?', rest) {
        let (before, query) = rest.split_at(query);
        let (query, after) = query.split_at(memchr::memchr(b' ', query).unwrap_or(query.len()));
        out.extend_from_slice(before);
        out.extend_from_slice(end_of_quoted(query));
        rest = after;
    }
    out.extend_from_slice(rest);
    let query = memchr::memchr(b'?', referrer).unwrap_or(referrer.len());
    let (before, query) = referrer.split_at(query);
    out.extend_from_slice(before);
    out.extend_from_slice(end_of_quoted(query));
    Cow::Owned(out)
}

/// What nginx has written behind a query.
fn end_of_quoted(query: &[u8]) -> &'static [u8] {
    if query.ends_with(b"\",") {
        b"\","
    } else if query.ends_with(b"\"") {
        b"\""
    } else {
        b""
    }
}

#[cfg(test)]
#[path = "nginx_error_tests.rs"]
mod tests;
