//! Lines of nginx's error log as it writes them.

use super::{
    ErrorLine, hint, is_cut_response, is_full_queue, is_out_of_connections, parse, without_queries,
};
use crate::logs::record::{Detail, Level};

#[test]
fn a_dropped_connection_is_known_by_its_beginning() {
    let dropped =
        b"768 worker_connections are not enough while accepting new connection on 0.0.0.0:80";
    assert!(is_out_of_connections(dropped));
    let request =
        b"*7 768 worker_connections are not enough while connecting to upstream, client: 10.0.0.1";
    assert!(!is_out_of_connections(request));
    assert!(!is_out_of_connections(
        b" worker_connections are not enough"
    ));
    assert!(!is_out_of_connections(b""));
}

#[test]
fn a_cut_response_is_one_that_had_begun() {
    let line = |what: &str| format!("*7 {what}, client: 10.0.0.1, request: \"GET /\"");
    for (what, cut) in [
        (
            "upstream prematurely closed connection while reading upstream",
            true,
        ),
        (
            "recv() failed (104: Connection reset by peer) while reading upstream",
            true,
        ),
        (
            "upstream prematurely closed connection while reading response header from upstream",
            false,
        ),
        (
            "x, client: upstream prematurely closed connection while reading upstream",
            false,
        ),
        ("", false),
    ] {
        assert_eq!(is_cut_response(line(what).as_bytes()), cut, "{what}");
    }
}

#[test]
fn a_lack_of_disk_or_files_has_a_hint() {
    let line =
        |what: &str, path: &str| format!("*7 {what}, client: 10.0.0.1, request: \"GET {path}\"");
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
        format!("*7 {what} while connecting to upstream, client: 10.0.0.1, request: \"{request}\"")
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
