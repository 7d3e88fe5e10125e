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
mod tests {
    use super::{ErrorLine, hint, is_full_queue, is_out_of_connections, parse, without_queries};
    use crate::logs::record::{Detail, Level};

    #[test]
    fn a_dropped_connection_is_known_by_its_beginning() {
        let dropped =
            b"768 worker_connections are not enough while accepting new connection on 0.0.0.0:80";
        assert!(is_out_of_connections(dropped));
        let request = b"*7 768 worker_connections are not enough while connecting to upstream, client: 10.0.0.1";
        assert!(!is_out_of_connections(request));
        assert!(!is_out_of_connections(
            b" worker_connections are not enough"
        ));
        assert!(!is_out_of_connections(b""));
    }

    #[test]
    fn a_lack_of_disk_or_files_has_a_hint() {
        let line = |what: &str, path: &str| {
            format!("*7 {what}, client: 10.0.0.1, request: \"GET {path}\"")
        };
        let full =
            "pwrite() \"/run/1/nginx/temp/body/0000000001\" failed (28: No space left on device)";
        assert!(hint(line(full, "/").as_bytes()).is_some_and(|hint| hint.contains("disk full")));
        let files = "socket() failed (24: Too many open files) while connecting to upstream";
        assert!(hint(line(files, "/").as_bytes()).is_some_and(|hint| hint.contains("ulimit")));
        assert_eq!(
            hint(line("open() failed (2: No such file)", full).as_bytes()),
            None
        );
    }

    #[test]
    fn only_a_full_queue_is_said_elsewhere() {
        let line = |what: &str, request: &str| {
            format!(
                "*7 {what} while connecting to upstream, client: 10.0.0.1, request: \"{request}\""
            )
        };
        let full = "connect() to unix:/run/app.sock failed (11: Resource temporarily unavailable)";
        assert!(is_full_queue(line(full, "GET / HTTP/1.1").as_bytes()));
        for other in [
            line(
                "connect() to unix:/run/app.sock failed (2: No such file or directory)",
                "GET /",
            ),
            line(
                "recv() failed (104: Connection reset by peer)",
                &line(full, "GET /"),
            ),
            String::new(),
        ] {
            assert!(!is_full_queue(other.as_bytes()), "{other}");
        }
    }

    #[track_caller]
    fn check(line: &str, level: Level, severity: &'static str, pid: Option<u32>, text: &str) {
        let detail = if severity.is_empty() {
            Detail::None
        } else {
            Detail::Severity(severity)
        };
        assert_eq!(
            parse(line.as_bytes()),
            ErrorLine {
                level,
                detail,
                pid,
                text: text.as_bytes()
            }
        );
    }

    #[test]
    fn what_nginx_writes() {
        check(
            "2026/11/24 16:52:30 [crit] 2401#2401: *1 connect() to unix:/a failed (13: Permission denied) while connecting to upstream, client: 1.2.3.4",
            Level::Error,
            "crit",
            Some(2401),
            "*1 connect() to unix:/a failed (13: Permission denied) while connecting to upstream, client: 1.2.3.4",
        );
        check(
            "2026/11/24 16:52:30 [notice] 7#0: start worker processes",
            Level::Info,
            "notice",
            Some(7),
            "start worker processes",
        );
        check(
            "2026/11/24 16:52:30 [warn] 7#0: *3 a: b",
            Level::Warn,
            "warn",
            Some(7),
            "*3 a: b",
        );
        check(
            "nginx: [emerg] bind() to 0.0.0.0:80 failed",
            Level::Error,
            "emerg",
            None,
            "bind() to 0.0.0.0:80 failed",
        );
        check(
            "nginx: configuration file /a test failed",
            Level::Error,
            "",
            None,
            "configuration file /a test failed",
        );
    }

    #[test]
    fn other_lines_are_kept_as_they_are() {
        for line in [
            "",
            "2026/11/24",
            "2026/11/24 16:52:30 [crit",
            "2026/11/24 16:52:30 [what] 1#1: x",
            "2026/11/24 16:52:30 [crit] x#1: y",
            "2026/11/24 16:52:30 [crit] 1#x: y",
            "2026-11-24 16:52:30 [crit] 1#1: y",
            "2026/11/24 16:52:30 [crit] 1#1:y",
        ] {
            check(line, Level::Error, "", None, line);
        }
    }

    #[test]
    fn queries_are_left_out() {
        let check = |input: &str, expected: &str| {
            assert_eq!(
                String::from_utf8_lossy(&without_queries(input.as_bytes())),
                expected
            );
        };
        check(
            "*1 open() \"/a?b\" failed, host: \"x\"",
            "*1 open() \"/a?b\" failed, host: \"x\"",
        );
        check(
            "*1 x, request: \"GET /a?token=1 HTTP/1.1\", upstream: \"uwsgi://unix:/s:?t\", referrer: \"http://h/b?c=d\"",
            "*1 x, request: \"GET /a HTTP/1.1\", upstream: \"uwsgi://unix:/s:\", referrer: \"http://h/b\"",
        );
        check("*1 x, request: \"GET /a?unended", "*1 x, request: \"GET /a");
        // nginx quotes nothing in what clients send, and a referrer may hold anything.
        check(
            r#"*1 x, request: "GET /a"b?c="d HTTP/1.1", upstream: "http://unix:/s:/a"b?c="d", host: "x"y?z", referrer: "http://h/b", c?d e", f=1""#,
            r#"*1 x, request: "GET /a"b HTTP/1.1", upstream: "http://unix:/s:/a"b", host: "x"y", referrer: "http://h/b", c""#,
        );
    }
}
