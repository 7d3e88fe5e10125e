//! A stream that asks for it flows: each piece arrives when the application sends it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::connection::Connection;
use crate::launcher::Launcher;
use crate::service::{Service, one_process, two_threads};

/// Sends one piece, and the next one when the test has written a file.
const APP: &str = r#"
import os
import time

STATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "state")
HEADERS = {
    "/event-stream": [("Content-Type", "text/event-stream")],
    "/event-stream-with-charset": [("Content-Type", "text/event-stream; charset=utf-8")],
    "/asked-for": [("Content-Type", "text/plain"), ("X-Accel-Buffering", "no")],
    "/json-lines": [("Content-Type", "application/x-ndjson"), ("X-Accel-Buffering", "no")],
}


def pieces(path):
    yield b"data: first\n\n"
    while not os.path.exists(os.path.join(STATE, "go" + path.replace("/", "."))):
        time.sleep(0.01)
    yield b"data: last\n\n"


def app(environ, start_response):
    path = environ["PATH_INFO"]
    start_response("200 OK", HEADERS[path])
    return pieces(path)
"#;

fn service(section: &Value) -> Service {
    Service::empty().main_py(APP).nginx_config(section)
}

/// The first piece arrives before the application may send the second one.
#[track_caller]
fn flow(service: &Service, headers: &str, first: fn(&mut Connection, Instant) -> bool) {
    let running = Launcher::new(service).start_ready();
    for path in [
        "/event-stream",
        "/event-stream-with-charset",
        "/asked-for",
        "/json-lines",
    ] {
        let mut connection = running.connect();
        let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{headers}Connection: close\r\n\r\n");
        connection.write(head.as_bytes(), soon()).unwrap();
        assert!(first(&mut connection, soon()), "{path} is held back");
        service.write(&format!("state/go{}", path.replace('/', ".")), "");
        let rest = connection.read_until_closed(soon()).unwrap();
        assert!(rest.ends_with(b"0\r\n\r\n"), "{path}: {rest:?}");
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn plain(connection: &mut Connection, deadline: Instant) -> bool {
    connection.read_until("data: first\n\n", deadline).is_ok()
}

#[test]
fn streams_that_ask_for_it_are_not_held_back() {
    flow(&service(&one_process()), "", plain);
}

#[test]
fn streams_that_ask_for_it_are_not_held_back_with_threads() {
    let mut section = two_threads();
    section["request_timeout"] = json!(0);
    flow(&service(&section), "", plain);
}

#[test]
fn compression_holds_no_stream_back() {
    // A chunk with more than the head of the compressed data (RFC 1952).
    let any = |connection: &mut Connection, deadline| {
        let head = connection.read_until("\r\n\r\n", deadline);
        let size = head.and_then(|_| connection.read_until("\r\n", deadline));
        size.is_ok_and(|size| usize::from_str_radix(size.trim(), 16).unwrap() > 10)
    };
    flow(&service(&one_process()), "Accept-Encoding: gzip\r\n", any);
}
