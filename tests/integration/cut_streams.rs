//! A response that ends before its end: the client sees a broken transfer, never a whole one.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::{Failure, Request, TIMEOUT};
use crate::launcher::Launcher;
use crate::log::Line;
use crate::running::Running;
use crate::service::{Service, one_process, two_threads};
use crate::wait::until;

const STREAMING_APP: &str = include_str!("streaming.py");

/// Endings after which the worker lives.
const FAILURES: &[&str] = &[
    "/exception",
    "/base-exception",
    "/exit",
    "/wrong-chunk",
    "/write",
    "/short",
    "/length",
];
/// Endings that end the worker.
const DEATHS: &[&str] = &["/kill", "/crash"];

fn service(mut section: Value, request_timeout: u32) -> Service {
    section["request_timeout"] = json!(request_timeout);
    Service::empty()
        .main_py(STREAMING_APP)
        .nginx_config(&section)
}

fn request(path: &str, id: &str) -> Request {
    Request::get(path).header("X-Request-ID", id)
}

/// What is wrong with the end of a stream that is cut.
fn wrong_end(service: &Service, running: &Running, path: &str, encoding: &str) -> Option<String> {
    let id = format!("cut{}.{encoding}", path.replace('/', "."));
    let request = request(path, &id).header("Accept-Encoding", encoding);
    let runs = |id: &str| service.noted(id);
    match running.send(&request) {
        Err(Failure::Closed { .. } | Failure::Broken { .. }) if runs(&id) == 1 => None,
        Err(failure) => Some(format!("{path} {encoding}: {failure}, runs {}", runs(&id))),
        Ok(answer) => Some(format!(
            "{path} {encoding}: a whole answer, {}, {} bytes, runs {}",
            answer.status,
            answer.body.len(),
            runs(&id)
        )),
    }
}

fn pid(running: &Running) -> String {
    running.wait_ok("/pid", Duration::from_secs(10)).text()
}

#[track_caller]
fn check(service: &Service, paths: &[&[&str]]) {
    let running = Launcher::new(service).start_ready();
    let mut wrong = Vec::new();
    for path in paths.concat() {
        for encoding in ["identity", "gzip"] {
            let before = pid(&running);
            wrong.extend(wrong_end(service, &running, path, encoding));
            let lives = pid(&running) == before;
            if FAILURES.contains(&path) && !lives {
                wrong.push(format!("{path} {encoding}: the worker was replaced"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_early_end_is_seen_with_a_process() {
    check(&service(one_process(), 1), &[FAILURES, DEATHS, &["/naps"]]);
}

#[test]
fn each_early_end_is_seen_with_a_process_without_a_timeout() {
    check(&service(one_process(), 0), &[FAILURES, DEATHS]);
}

#[test]
fn each_early_end_is_seen_with_threads() {
    check(&service(two_threads(), 1), &[FAILURES, DEATHS, &["/naps"]]);
}

#[test]
fn each_early_end_is_seen_with_threads_without_a_timeout() {
    check(&service(two_threads(), 0), &[FAILURES, DEATHS]);
}

#[test]
fn what_came_before_the_end_is_received() {
    let running = Launcher::new(&service(one_process(), 60)).start_ready();
    for path in ["/exception", "/kill"] {
        pid(&running);
        let mut connection = running.connect();
        let deadline = Instant::now() + Duration::from_secs(10);
        let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        connection.write(head.as_bytes(), deadline).unwrap();
        let answer = connection.read_until_closed(deadline).unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}");
        // The last square of the application's piece, which it sent before the end.
        assert!(answer.contains("399960001"), "{path}");
        assert!(!answer.ends_with("0\r\n\r\n"), "{path}");
    }
}

#[test]
fn an_exception_in_a_stream_is_one_record() {
    let mut running = Launcher::new(&service(two_threads(), 60)).start_ready();
    assert!(running.send(&request("/exception", "record.1")).is_err());
    running.stop(Duration::from_secs(15));
    let of_request =
        |line: &Line| line.is_from("app.stderr") && line.str("request_id") == "record.1";
    let records = running.log.filter(of_request);
    assert_eq!(records.len(), 1, "{records:#?}");
    let text = &records[0].text;
    assert_eq!(records[0].str("level"), "error");
    assert!(
        text.contains("RuntimeError: in the middle of a stream"),
        "{text}"
    );
    assert!(!text.contains("microservice_flask_"), "{text}");
}

/// The only slot is free again soon after the client of an endless stream has left, and its iterable is closed.
#[track_caller]
fn leaving_frees_the_slot(section: Value, path: &str) {
    let mut section = section;
    section["wsgi_worker_threads_count"] = json!(1);
    let service = service(section, 60);
    let running = Launcher::new(&service).start_ready();
    let mut connection = running.connect();
    let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let deadline = Instant::now() + TIMEOUT;
    connection.write(head.as_bytes(), deadline).unwrap();
    service.wait_for_notes("ticking", 3);
    drop(connection);
    let answer = Request::get("/pid").timeout(Duration::from_secs(10));
    assert_eq!(running.send_ok(&answer).status, 200);
    until(Duration::from_secs(5), "the iterable is closed", || {
        (service.noted("closed") == 1).then_some(())
    });
}

#[test]
fn a_client_that_leaves_frees_its_slot() {
    leaving_frees_the_slot(one_process(), "/ticks");
}

#[test]
fn a_client_that_leaves_an_event_stream_frees_its_slot() {
    leaving_frees_the_slot(one_process(), "/events");
}

#[test]
fn a_client_that_leaves_ends_its_stream_with_threads() {
    let service = service(two_threads(), 60);
    let running = Launcher::new(&service).start_ready();
    let deadline = Instant::now() + TIMEOUT;
    let clients: Vec<_> = (0..2)
        .map(|_| {
            let mut connection = running.connect();
            let head = b"GET /ticks HTTP/1.1\r\nHost: a\r\n\r\n";
            connection.write(head, deadline).unwrap();
            connection
        })
        .collect();
    service.wait_for_notes("ticking", 3);
    drop(clients);
    service.wait_for_notes("closed", 2);
    running.get_ok("/pid");
}
