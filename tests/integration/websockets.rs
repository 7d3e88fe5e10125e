//! WebSockets: the upgrade, messages, slots, and how a connection ends.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tungstenite::Message;

use crate::http::Request;
use crate::launcher::Launcher;
use crate::load::background;
use crate::log::Line;
use crate::running::Running;
use crate::service::{Service, one_process};
use crate::wait::{pass_time, until};
use crate::websocket::{End, WebSocket, service as service_with};

const SOCKETS_APP: &str = include_str!("sockets.py");

fn service(section: &Value) -> Service {
    service_with(SOCKETS_APP, section)
}

/// Two processes of two threads.
fn four_slots() -> Value {
    json!({"wsgi_worker_threads_count": 4, "wsgi_processes": 2})
}

fn start(section: &Value) -> Running {
    Launcher::new(&service(section)).start_ready()
}

/// The upgrade of a WebSocket as a plain request.
fn upgrade(method: &'static str, path: &str, protocol: &str) -> Request {
    Request::new(method, path)
        .header("Connection", "Upgrade")
        .header("Upgrade", protocol)
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

/// Records at level error, when all have been written.
fn errors(running: &mut Running) -> Vec<Line> {
    running.stop(Duration::from_secs(20));
    running.log.filter(|line| line.str("level") == "error")
}

#[track_caller]
fn messages_come_back(section: &Value) {
    let mut running = start(section);
    let mut socket = WebSocket::open(&running, "/echo");
    for size in [1, 125, 126, 70_000, 1_000_000] {
        socket.echo(&Message::text("y".repeat(size)));
        socket.echo(&Message::binary(vec![0xff; size]));
    }
    socket.echo(&Message::text("caf\u{e9}"));
    socket.send(Message::Ping(vec![1, 2, 3].into()));
    assert_eq!(socket.receive(), Message::Pong(vec![1, 2, 3].into()));
    socket.echo(&Message::text("after a ping"));
    socket.close();
    let mut brief = WebSocket::open(&running, "/brief");
    assert_eq!(brief.receive_text(), "that is all");
    assert_eq!(brief.read_end(), End::Closed(1000));
    assert_eq!(running.get_ok("/plain").text(), "plain");
    let errors = errors(&mut running);
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn messages_come_back_with_a_process() {
    messages_come_back(&one_process());
}

#[test]
fn messages_come_back_with_threads() {
    messages_come_back(&four_slots());
}

#[test]
fn messages_come_back_without_a_timeout() {
    let mut section = one_process();
    section["request_timeout"] = json!(0);
    messages_come_back(&section);
}

#[test]
fn the_view_sees_the_request_and_the_record_tells_it() {
    let mut running = start(&one_process());
    let headers = [
        ("Cookie", "session=rum"),
        ("X-Tag", "tag"),
        ("X-Request-ID", "upgrade.1"),
    ];
    let mut socket = WebSocket::open_with(&running, "/who?name=jack", &headers);
    assert_eq!(socket.receive_text(), "jack rum tag");
    socket.receive_text();
    socket.close();
    running.stop(Duration::from_secs(20));
    let records = running
        .log
        .filter(|line| line.is_from("nginx.access") && line.str("request_id") == "upgrade.1");
    assert_eq!(records.len(), 1, "{records:#?}");
    assert_eq!(records[0].json["status"], 101);
    assert_eq!(records[0].str("path"), "/who");
}

#[test]
fn a_refused_upgrade_is_a_plain_request() {
    let running = start(&one_process());
    for (method, path, protocol, status, body) in [
        ("GET", "/refuse", "websocket", 403, "not you"),
        // Another protocol, which browsers and curl offer.
        ("GET", "/plain", "h2c", 200, "plain"),
        ("POST", "/plain", "h2c", 200, "plain"),
    ] {
        let mut connection = running.connect();
        let answer = connection.send(&upgrade(method, path, protocol)).unwrap();
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (status, body),
            "{method} {path}"
        );
        assert!(answer.header("X-Request-ID").is_some(), "{method} {path}");
        if connection.is_reusable() {
            let next = connection.send(&Request::get("/plain")).unwrap();
            assert_eq!(next.text(), "plain", "after {method} {path}");
        }
    }
    // Flask refuses these by itself: no such route, and none that is for WebSockets.
    for (path, status) in [("/nowhere", 404), ("/plain", 400)] {
        let answer = running.send(&upgrade("GET", path, "websocket"));
        assert_eq!(answer.unwrap().status, status, "{path}");
    }
    // A route of WebSockets that is asked without an upgrade.
    let status = running.get("/echo").unwrap().status;
    assert!((400..500).contains(&status), "{status}");
    assert_eq!(running.get_ok("/plain").text(), "plain");
}

#[track_caller]
fn outlives_request_timeout(mut section: Value) {
    section["request_timeout"] = json!(1);
    let mut running = start(&section);
    let mut socket = WebSocket::open(&running, "/echo");
    for _ in 0..18 {
        socket.echo(&Message::text("still here"));
        pass_time(Duration::from_millis(200));
    }
    socket.close();
    running.get_ok("/plain");
    let errors = errors(&mut running);
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn an_open_connection_outlives_request_timeout_with_a_process() {
    outlives_request_timeout(one_process());
}

#[test]
fn an_open_connection_outlives_request_timeout_with_threads() {
    outlives_request_timeout(four_slots());
}

#[test]
fn an_open_connection_holds_a_slot() {
    let running = start(&one_process());
    let mut socket = WebSocket::open(&running, "/echo");
    socket.echo(&Message::text("open"));
    until(Duration::from_secs(10), "the slot is shown as busy", || {
        let metrics = running.ask_admin("/metrics").ok()?.text();
        metrics
            .contains("microservice_flask_slots_busy 1\n")
            .then_some(())
    });
    let plain = Request::get("/plain").header("Connection", "close");
    let waiting = background(running.address, plain);
    until(Duration::from_secs(10), "a request waits", || {
        (running.status()["waiting"].as_u64()? > 0).then_some(())
    });
    socket.close();
    assert_eq!(waiting.join().unwrap().unwrap().text(), "plain");
}

#[test]
fn a_client_that_leaves_frees_its_slot() {
    let service = service(&one_process());
    let running = Launcher::new(&service).start_ready();
    let mut socket = WebSocket::open(&running, "/echo");
    socket.echo(&Message::text("open"));
    drop(socket);
    let plain = Request::get("/plain").timeout(Duration::from_secs(10));
    assert_eq!(running.send_ok(&plain).text(), "plain");
    service.wait_for_notes("closed", 1);
}

#[track_caller]
fn a_stop_closes(section: &Value) {
    let mut running = start(section);
    let mut socket = WebSocket::open(&running, "/echo");
    socket.echo(&Message::text("open"));
    running.signal(Signal::SIGTERM);
    let end = socket.read_end();
    assert!(matches!(end, End::Closed(1000 | 1001)), "{end:?}");
    // Well within the 30 s of stop_timeout.
    let exit = running.wait_exit(Duration::from_secs(10));
    assert_eq!(exit.code, Some(0), "{exit:?}");
}

#[test]
fn a_stop_closes_it_with_a_process() {
    a_stop_closes(&one_process());
}

#[test]
fn a_stop_closes_it_with_threads() {
    a_stop_closes(&four_slots());
}

#[test]
fn a_stop_does_not_wait_for_a_client_that_is_silent() {
    let mut running = start(&one_process());
    let mut socket = WebSocket::open(&running, "/echo");
    socket.echo(&Message::text("open"));
    running.signal(Signal::SIGTERM);
    // The client neither reads nor answers the close frame.
    let exit = running.wait_exit(Duration::from_secs(15));
    assert_eq!(exit.code, Some(0), "{exit:?}");
}

#[track_caller]
fn a_reload_closes(section: &Value) {
    let mut running = start(section);
    let mut socket = WebSocket::open(&running, "/echo");
    socket.echo(&Message::text("open"));
    let end = std::thread::scope(|scope| {
        let reading = scope.spawn(|| socket.read_end());
        running.run_command(&["reload"]).assert_code(0);
        reading.join().unwrap()
    });
    assert!(matches!(end, End::Closed(1000 | 1001)), "{end:?}");
    let mut next = WebSocket::open(&running, "/echo");
    next.echo(&Message::text("the next generation"));
    next.close();
    running.stop(Duration::from_secs(20));
}

#[test]
fn a_reload_closes_it_with_a_process() {
    a_reload_closes(&one_process());
}

#[test]
fn a_reload_closes_it_with_threads() {
    a_reload_closes(&four_slots());
}

#[test]
fn a_killed_worker_closes_it() {
    let running = start(&one_process());
    let headers = [("Cookie", "session=a"), ("X-Tag", "b")];
    let mut socket = WebSocket::open_with(&running, "/who?name=c", &headers);
    socket.receive_text();
    let pid = socket.receive_text().parse().unwrap();
    crate::family::Process::read(pid)
        .unwrap()
        .signal(Signal::SIGKILL);
    let end = socket.read_end();
    assert_ne!(end, End::Closed(1000));
    running.wait_ok("/plain", Duration::from_secs(10));
}

#[test]
fn a_failing_view_closes_it_and_the_worker_lives() {
    for section in [
        one_process(),
        json!({"wsgi_worker_threads_count": 2, "wsgi_processes": 1}),
    ] {
        let mut running = start(&section);
        let pid = running.get_ok("/pid").text();
        let mut socket = WebSocket::open(&running, "/fail");
        socket.send(Message::text("fail"));
        let end = socket.read_end();
        assert_ne!(end, End::Closed(1000), "it ends like a success");
        assert_eq!(running.get_ok("/pid").text(), pid);
        running.stop(Duration::from_secs(20));
        let told = running
            .log
            .filter(|line| line.text.contains("RuntimeError: in a WebSocket"));
        assert_eq!(told.len(), 1, "{told:#?}");
    }
}

#[test]
fn check_says_what_slots_mean_for_them() {
    let output = Launcher::new(&service(&one_process()))
        .command(&["check"])
        .output();
    output.assert_code(0).assert_says("WebSocket");
}

#[test]
fn a_silent_one_is_closed_and_pings_keep_another_open() {
    let mut section = one_process();
    section["wsgi_worker_threads_count"] = json!(2);
    section["websocket_idle_timeout"] = json!(1);
    let running = start(&section);
    let mut silent = WebSocket::open(&running, "/echo");
    let mut alive = WebSocket::open(&running, "/echo");
    for _ in 0..15 {
        alive.send(Message::Ping(vec![1].into()));
        assert_eq!(alive.receive(), Message::Pong(vec![1].into()));
        pass_time(Duration::from_millis(200));
    }
    assert_eq!(silent.read_end(), End::Closed(1001));
    alive.echo(&Message::text("still open"));
}
