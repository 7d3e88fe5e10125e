//! Slow clients are disconnected when they make no progress, and only then. Each of them takes its time, so all are in one
//! test, side by side.

use std::io::Read as _;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::http::Request;
use crate::launcher::Launcher;
use crate::load::{Clients, Load};
use crate::running::Running;
use crate::service::Service;
use crate::wait::{pass_time, until};

const STATIC: usize = 30_000_000;
const DYNAMIC: usize = 30_000_000;
/// Time for the headers of a request.
const HEADERS: Duration = Duration::from_secs(15);
/// Half of the `stop_timeout` of this test.
const SENDING: Duration = Duration::from_secs(10);
/// How much later than promised it may be on a loaded machine.
const LATE: Duration = Duration::from_secs(20);
/// Clocks of different processes, rounded to milliseconds.
const EARLY: Duration = Duration::from_millis(500);

#[track_caller]
fn assert_within(what: &str, took: Duration, promised: Duration) {
    assert!(
        took + EARLY >= promised && took <= promised + LATE,
        "{what}: {took:?}, and not {promised:?}"
    );
}

/// Sends half of the headers; returns when the server has closed the connection.
fn half_a_header(running: &Running) -> Duration {
    let begun = Instant::now();
    let mut connection = running.connect();
    let deadline = begun + HEADERS + LATE * 2;
    connection
        .write(b"GET /version HTTP/1.1\r\nHost: lo", deadline)
        .unwrap();
    connection.read_until_closed(deadline).unwrap();
    begun.elapsed()
}

/// The time until the record of this request is there, whose client has read nothing.
fn takes_nothing(running: &Running, path: &str, id: &str) -> Duration {
    let begun = Instant::now();
    let mut connection = running.connect();
    let head = Request::get(path).header("X-Request-ID", id).head();
    connection.write(head.as_bytes(), begun + LATE).unwrap();
    until(SENDING + LATE * 2, id, || {
        let of_it =
            |line: &crate::log::Line| line.is_from("nginx.access") && line.str("request_id") == id;
        (!running.log.filter(of_it).is_empty()).then_some(())
    });
    let took = begun.elapsed();
    drop(connection);
    took
}

/// A client that takes twice as long as one that takes nothing may, but a piece each second; returns the bytes that it got.
fn takes_little_by_little(running: &Running, path: &str) -> usize {
    let mut stream = TcpStream::connect(running.address).unwrap();
    stream.set_read_timeout(Some(LATE)).unwrap();
    let request = Request::get(path).header("Connection", "close").head();
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let mut piece = vec![0; 200_000];
    let mut got = 0;
    for _ in 0..SENDING.as_secs() * 2 {
        // A slow client, which is what this tests.
        pass_time(Duration::from_secs(1));
        stream.read_exact(&mut piece).unwrap();
        got += piece.len();
    }
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    got + rest.len()
}

#[test]
fn clients_without_progress_are_disconnected_and_slow_ones_are_not() {
    let service = Service::new()
        .nginx_config(&json!({"wsgi_worker_threads_count": 2, "stop_timeout": 20}))
        .file("src/static/large.bin", &"x".repeat(STATIC));
    let mut running = Launcher::new(&service).start_ready();
    let load = Load::start(
        running.address,
        1,
        Clients::Fresh,
        &Request::get("/delay/0.05"),
    );
    let dynamic = format!("/big/{DYNAMIC}");
    thread::scope(|scope| {
        let running = &running;
        let header = scope.spawn(|| half_a_header(running));
        let deaf_to_file = scope.spawn(|| takes_nothing(running, "/static/large.bin", "file"));
        let deaf_to_app = scope.spawn(|| takes_nothing(running, &dynamic, "app"));
        let slow_file = scope.spawn(|| takes_little_by_little(running, "/static/large.bin"));
        let slow_app = scope.spawn(|| takes_little_by_little(running, &dynamic));
        assert_within("half a header", header.join().unwrap(), HEADERS);
        assert_within("a file", deaf_to_file.join().unwrap(), SENDING);
        assert_within("a response", deaf_to_app.join().unwrap(), SENDING);
        // The headers of the response come in addition.
        assert!(slow_file.join().unwrap() > STATIC, "the file is cut");
        assert!(slow_app.join().unwrap() > DYNAMIC, "the response is cut");
    });
    let outcome = load.stop();
    assert_eq!(outcome.failed(), 0, "{}", outcome.reasons());
    running.stop(Duration::from_secs(20));
}
