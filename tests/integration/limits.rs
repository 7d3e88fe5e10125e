//! Limits: what is within them is served, what is beyond gets a clear answer with a reason in the log, and nothing is
//! tried twice.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::http::{Request, TIMEOUT};
use crate::launcher::Launcher;
use crate::log::Line;
use crate::running::Running;
use crate::service::{Service, one_process, two_threads, world_accessible_folder};
use crate::wait::until;

/// Counts the headers of a request, sends large ones, reads a body, and sends a response piece by piece.
const APP: &str = r#"
import os

STATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "state")
PLAIN = ("Content-Type", "text/plain")


def note(name, text="x"):
    with open(os.path.join(STATE, name), "a") as file:
        file.write(text)


def large(pieces):
    for _ in range(pieces):
        yield b"x" * 1_000_000
        note("pieces")


def app(environ, start_response):
    note(environ["HTTP_X_REQUEST_ID"])
    kind, _, size = environ["PATH_INFO"][1:].partition("/")
    headers = [PLAIN]
    body = []
    if kind == "count":
        body = ["%d %d" % (
            sum(key.startswith("HTTP_X_MANY_") for key in environ),
            sum(len(value) for key, value in environ.items() if key.startswith("HTTP_X_MANY_")),
        )]
    if kind == "one-header":
        headers.append(("X-Large", "x" * int(size)))
    if kind == "many-headers":
        headers += [("X-Large-%d" % number, "x" * 100) for number in range(int(size) // 100)]
    if kind == "body":
        body = [str(len(environ["wsgi.input"].read()))]
    if kind == "large":
        headers.append(("Content-Length", "%d000000" % int(size)))
        start_response("200 OK", headers)
        return large(int(size))
    start_response("200 OK", headers)
    return [text.encode() for text in body]
"#;

fn service() -> Service {
    Service::empty().main_py(APP).nginx_config(&one_process())
}

/// Whether a record tells why this request was refused: one that names the request and what was too much, or the
/// reason in its access record.
fn says_why(running: &Running, id: &str, path: &str) -> bool {
    let of_request = |line: &Line| {
        if line.is_from("nginx.access") {
            return line.str("request_id") == id && !line.str("reason").is_empty();
        }
        let names_it = line.text.contains(id) || line.text.contains(path);
        let is_loud = ["warn", "warning", "error"].contains(&line.str("level"));
        names_it && is_loud && line.message().contains("header")
    };
    !running.log.filter(of_request).is_empty()
}

#[test]
fn response_headers_are_served_whole_or_refused_with_a_reason() {
    let service = service();
    let mut running = Launcher::new(&service).start_ready();
    let mut refused = Vec::new();
    for (path, size, must) in [
        ("/one-header/1000", 1_000, Some(200)),
        ("/one-header/8000", 8_000, Some(200)),
        ("/one-header/20000", 20_000, Some(200)),
        ("/many-headers/10000", 10_000, Some(200)),
        ("/one-header/60000", 60_000, None),
        ("/one-header/70000", 70_000, None),
        ("/many-headers/60000", 60_000, None),
        ("/one-header/200000", 200_000, Some(502)),
        ("/many-headers/200000", 200_000, Some(502)),
    ] {
        let id = path[1..].replace('/', ".");
        let answer = running
            .send(&Request::get(path).header("X-Request-ID", &id))
            .unwrap();
        assert!(
            must.unwrap_or(answer.status) == answer.status,
            "{path}: {}",
            answer.status
        );
        let large = answer
            .headers
            .iter()
            .filter(|(name, _)| name.starts_with("X-Large"))
            .map(|(_, value)| value.len());
        match answer.status {
            200 => assert_eq!(large.sum::<usize>(), size, "{path}"),
            502 => refused.push((id.clone(), path)),
            status => panic!("{path}: {status}"),
        }
        assert_eq!(service.noted(&id), 1, "{path} is run once");
    }
    // The worker goes on.
    running.get_ok("/count");
    running.stop(Duration::from_secs(15));
    for (id, path) in refused {
        assert!(says_why(&running, &id, path), "{path}: no reason");
        let access = |line: &Line| line.is_from("nginx.access") && line.str("request_id") == id;
        for record in running.log.filter(access) {
            let reason = record.str("reason");
            assert!(
                !["worker_died", "queue_full"].contains(&reason),
                "{path}: the worker lives, and not: {reason}"
            );
        }
    }
}

/// A request with so many headers of so many bytes each.
fn many(count: usize, size: usize, id: &str) -> Request {
    (0..count).fold(
        Request::get("/count")
            .header("X-Request-ID", id)
            .header("Accept", "application/json"),
        |request, number| request.header(&format!("X-Many-{number}"), "x".repeat(size)),
    )
}

#[test]
fn many_and_long_request_headers_arrive() {
    let running = Launcher::new(&service()).start_ready();
    for (count, size) in [(1, 7_000), (4, 6_000), (100, 20), (300, 1), (500, 20)] {
        let answer = running.send(&many(count, size, "within")).unwrap();
        assert_eq!(answer.status, 200, "{count} headers of {size} bytes");
        assert_eq!(answer.text(), format!("{count} {}", count * size));
    }
}

#[test]
fn more_request_headers_are_431_with_a_reason() {
    let service = service();
    let mut running = Launcher::new(&service).start_ready();
    let rows = [
        (1_001, 1),
        (1_500, 1),
        (2_500, 0),
        (1, 20_000),
        (10, 7_000),
        (400, 200),
    ];
    for (count, size) in rows {
        let id = format!("beyond.{count}.{size}");
        let answer = running.send(&many(count, size, &id)).unwrap();
        assert_eq!(answer.status, 431, "{count} headers of {size} bytes");
        assert_eq!(answer.json()["status"], 431);
        let told = answer.header("X-Request-ID").unwrap_or_default();
        assert_eq!(answer.json()["request_id"], told);
        assert_eq!(service.noted(told), 0, "{count}");
        assert_eq!(service.noted(&id), 0, "{count}");
    }
    running.get_ok("/count");
    running.stop(Duration::from_secs(15));
    let refused = |line: &Line| line.is_from("nginx.access") && line.json["status"] == 431;
    let records = running.log.filter(refused);
    assert_eq!(records.len(), rows.len());
    for record in records {
        let id = record.str("request_id");
        assert!(says_why(&running, id, "no path of another"), "{record:?}");
    }
}

#[test]
fn a_body_arrives_whatever_the_folder_of_temporary_files_is() {
    let closed = world_accessible_folder("closed-");
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let closed = closed.path().display().to_string();
    for (folder, section) in [
        (closed.as_str(), one_process()),
        ("", one_process()),
        ("/nonexistent", two_threads()),
    ] {
        let running = Launcher::new(&service().nginx_config(&section))
            .env("TMPDIR", folder)
            .start_ready();
        for size in [1_000, 8_192, 8_193, 100_000, 1_000_000] {
            let answer = running.send(&Request::post("/body", vec![b'x'; size]));
            let answer = answer.unwrap();
            assert_eq!(
                (answer.status, answer.text()),
                (200, size.to_string()),
                "TMPDIR={folder}"
            );
        }
    }
}

#[test]
fn what_a_slow_download_keeps_on_disk_is_bounded() {
    const MEGABYTES: u64 = 400;
    let service = service();
    let running = Launcher::new(&service).start_ready();
    let mut connection = running.connect();
    let head = format!("GET /large/{MEGABYTES} HTTP/1.1\r\nHost: a\r\n\r\n");
    connection
        .write(head.as_bytes(), Instant::now() + TIMEOUT)
        .unwrap();
    // The client reads nothing: what the application could send is kept for it.
    let mut before = (0, Instant::now());
    let kept = until(Duration::from_secs(60), "the application pauses", || {
        let now = service.noted("pieces");
        if now > before.0 {
            before = (now, Instant::now());
        }
        let pauses = now > 0 && before.1.elapsed() > Duration::from_secs(1);
        (pauses || now == MEGABYTES).then_some(now)
    });
    assert!(kept < MEGABYTES, "all {MEGABYTES} MB are kept");
    drop(connection);
    // Others are served: the slot is free again.
    assert_eq!(running.get_ok("/count").status, 200);
}

#[test]
fn a_slow_download_of_moderate_size_frees_its_slot() {
    let service = service();
    let running = Launcher::new(&service).start_ready();
    let mut connection = running.connect();
    let deadline = Instant::now() + TIMEOUT;
    connection
        .write(b"GET /large/8 HTTP/1.1\r\nHost: a\r\n\r\n", deadline)
        .unwrap();
    // The only slot serves others before the client has read anything.
    service.wait_for_notes("pieces", 8);
    running.get_ok("/count");
    let answer = connection.read_response("GET", deadline).unwrap();
    assert_eq!(answer.body.len(), 8_000_000);
}

#[test]
fn a_body_above_the_limit_is_told_with_its_reason() {
    let mut section = one_process();
    section["max_body_size"] = json!("64k");
    let service = service().nginx_config(&section);
    let mut running = Launcher::new(&service).start_ready();
    let large = Request::post("/body", vec![b'x'; 70_000]).header("X-Request-ID", "body.1");
    assert_eq!(running.send(&large).unwrap().status, 413);
    assert_eq!(service.noted("body.1"), 0);
    running.stop(Duration::from_secs(15));
    let reasons = running
        .log
        .filter(|line| line.is_from("nginx.error") && line.message().contains("too large body"));
    assert_eq!(reasons.len(), 1, "{reasons:#?}");
}

#[test]
fn a_path_that_grows_beyond_the_buffer_of_the_application_is_414() {
    let service = service();
    let running = Launcher::new(&service).start_ready();
    let padding = format!("X-Padding: {}\r\n", "y".repeat(7_000)).repeat(3);
    for (size, statuses) in [(1_000, &[200, 404]), (7_900, &[414, 414])] {
        let path = "\u{e9}".repeat(size / 2);
        let request =
            format!("GET /{path}%20 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{padding}\r\n");
        let answer = running.send_bytes("GET", &request).unwrap();
        assert!(
            statuses.contains(&answer.status),
            "{size}: {}",
            answer.status
        );
    }
}
