//! No WebSocket holds a slot or a stop for longer than a request may.

use std::time::Duration;

use serde_json::{Value, json};

use crate::launcher::Launcher;
use crate::running::Running;
use crate::service::{one_process, two_threads};
use crate::wait::until;
use crate::websocket::{WebSocket, service};

const SOCKETS_APP: &str = include_str!("sockets.py");
const PATIENCE: Duration = Duration::from_secs(20);

fn start(mut section: Value) -> Running {
    section["request_timeout"] = json!(1);
    Launcher::new(&service(SOCKETS_APP, &section)).start_ready()
}

fn busy(running: &Running) -> usize {
    let status = running.status();
    let workers = status["workers"].as_array().unwrap().iter();
    workers
        .map(|worker| worker["serving"].as_array().unwrap().len())
        .sum()
}

/// A client that vanishes while the view waits for something else than the client.
#[track_caller]
fn a_vanished_client_frees_its_slot(section: Value) {
    let slots = section["wsgi_worker_threads_count"].as_u64().unwrap();
    let running = start(section);
    for _ in 0..slots {
        let mut socket = WebSocket::open(&running, "/stuck");
        socket.receive_text();
    }
    until(PATIENCE, "all slots to be free", || {
        (busy(&running) == 0).then_some(())
    });
    assert_eq!(running.wait_ok("/plain", PATIENCE).text(), "plain");
}

#[test]
fn a_vanished_client_frees_the_slot_of_a_stuck_view_with_a_process() {
    a_vanished_client_frees_its_slot(one_process());
}

#[test]
fn a_vanished_client_frees_the_slots_of_stuck_views_with_threads() {
    a_vanished_client_frees_its_slot(two_threads());
}

#[test]
fn a_client_that_does_not_read_does_not_hold_the_stop() {
    let mut section = one_process();
    section["stop_timeout"] = json!(24);
    let mut running = start(section);
    let _socket = WebSocket::open(&running, "/flood");
    until(PATIENCE, "the view to be busy", || {
        (busy(&running) == 1).then_some(())
    });
    let exit = running.stop(Duration::from_secs(30));
    assert_eq!(exit.code, Some(0), "{exit:?}");
}
