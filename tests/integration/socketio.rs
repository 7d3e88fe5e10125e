//! Flask-SocketIO in threading mode, with one process: by WebSocket and by long polling.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tungstenite::Message;

use crate::http::Request;
use crate::launcher::Launcher;
use crate::running::Running;
use crate::websocket::{End, WebSocket, service};

const APP: &str = r#"
from flask import Flask
from flask_socketio import SocketIO, emit

app = Flask(__name__)
socketio = SocketIO(app, async_mode="threading")


@socketio.on("order")
def order(what):
    emit("served", what)


@app.route("/")
def index():
    return "bar"
"#;

fn start() -> Running {
    let section = json!({"wsgi_worker_threads_count": 8, "wsgi_processes": 1});
    Launcher::new(&service(APP, &section)).start_ready()
}

/// The JSON behind the type of a packet (engine.io and socket.io, protocol 4).
#[track_caller]
fn packet(text: &str, kind: &str) -> Value {
    let body = text
        .strip_prefix(kind)
        .unwrap_or_else(|| panic!("no {kind}: {text}"));
    serde_json::from_str(body).unwrap()
}

fn open(running: &Running) -> WebSocket {
    let mut socket = WebSocket::open(running, "/socket.io/?EIO=4&transport=websocket");
    assert!(packet(&socket.receive_text(), "0")["sid"].is_string());
    socket.send(Message::text("40"));
    assert!(packet(&socket.receive_text(), "40")["sid"].is_string());
    socket
}

#[test]
fn events_come_back_by_websocket() {
    let running = start();
    let mut sockets: Vec<_> = (0..4).map(|_| open(&running)).collect();
    for (number, socket) in sockets.iter_mut().enumerate() {
        socket.send(Message::text(format!("42[\"order\",\"rum {number}\"]")));
        let served = packet(&socket.receive_text(), "42");
        assert_eq!(served, json!(["served", format!("rum {number}")]));
    }
    // Half of the slots are free.
    assert_eq!(running.get_ok("/").text(), "bar");
}

#[test]
fn events_come_back_by_long_polling() {
    let running = start();
    let path = "/socket.io/?EIO=4&transport=polling";
    let hello = running.get_ok(path).text();
    let sid = packet(&hello, "0")["sid"].as_str().unwrap().to_owned();
    let session = format!("{path}&sid={sid}");
    let post = |text: &str| {
        let request = Request::post(&session, text).header("Content-Type", "text/plain");
        assert_eq!(running.send_ok(&request).text(), "OK");
    };
    post("40");
    assert!(packet(&running.get_ok(&session).text(), "40")["sid"].is_string());
    post("42[\"order\",\"rum\"]");
    let served = packet(&running.get_ok(&session).text(), "42");
    assert_eq!(served, json!(["served", "rum"]));
}

#[test]
fn a_stop_closes_them() {
    let mut running = start();
    let mut socket = open(&running);
    running.signal(Signal::SIGTERM);
    let end = socket.read_end();
    assert!(matches!(end, End::Closed(1000 | 1001)), "{end:?}");
    let exit = running.wait_exit(Duration::from_secs(10));
    assert_eq!(exit.code, Some(0), "{exit:?}");
}
