//! Clients that send a request at less than the minimum rate are disconnected; others that send little are not.
//!
//! The launcher ends connections in place of nginx, which takes the rights that it has here: those of nginx's user, or root.

use std::time::{Duration, Instant};

use serde_json::json;
use tungstenite::Message;

use crate::http::Request;
use crate::launcher::Launcher;
use crate::running::Running;
use crate::wait::{pass_time, until};
use crate::websocket::{WebSocket, service};

const SOCKETS_APP: &str = include_str!("sockets.py");
/// 20 s of grace, two looks, and a loaded machine.
const PATIENCE: Duration = Duration::from_secs(90);

fn start() -> Running {
    let section = json!({"wsgi_worker_threads_count": 2, "websocket_idle_timeout": 0});
    Launcher::new(&service(SOCKETS_APP, &section)).start_ready()
}

#[test]
fn a_body_that_trickles_is_ended() {
    let running = start();
    let deadline = Instant::now() + PATIENCE;
    let head = "POST /plain HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\n";
    // One on a new connection, one behind a response on the same connection.
    let mut clients = [running.connect(), running.connect()];
    clients[1].send(&Request::get("/plain")).unwrap();
    for client in &mut clients {
        client.write(head.as_bytes(), deadline).unwrap();
    }
    let mut left = clients.len();
    while left > 0 {
        assert!(Instant::now() < deadline, "{left} are still connected");
        pass_time(Duration::from_secs(1));
        // The write after the one that has met a closed connection fails.
        left = clients
            .iter_mut()
            .filter_map(|client| client.write(b"x", deadline).ok())
            .count();
    }
    until(Duration::from_secs(10), "both to be counted", || {
        (running.status()["shed"]["too_slow"].as_u64() >= Some(2)).then_some(())
    });
    let record = until(Duration::from_secs(10), "the launcher's record", || {
        let told = |line: &crate::log::Line| {
            line.is_from("launcher") && line.message().contains("too slowly")
        };
        running.log.filter(told).pop()
    });
    assert_eq!(record.str("reason"), "too_slow");
}

#[test]
fn a_websocket_and_an_idle_connection_may_send_little() {
    let running = start();
    let mut socket = WebSocket::open(&running, "/count");
    let mut idle = running.connect();
    idle.send(&Request::get("/plain")).unwrap();
    let end = Instant::now() + Duration::from_secs(35);
    while Instant::now() < end {
        // The view answers nothing.
        socket.send(Message::text("x"));
        pass_time(Duration::from_secs(1));
    }
    socket.send(Message::text("end"));
    assert!(socket.receive_text().parse::<u32>().unwrap() > 20);
    assert_eq!(idle.send(&Request::get("/plain")).unwrap().status, 200);
}
