//! An nginx worker that dies takes its requests with it, and must not take their places.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::connection::Connection;
use crate::http::Request;
use crate::launcher::Launcher;
use crate::refusals::{ask_with_head_only, assert_refused, begin, upload, wait_for_calm};
use crate::running::Running;
use crate::service::Service;
use crate::wait::until;

const SOON: Duration = Duration::from_secs(30);

fn kill_all_workers(running: &Running, held: Vec<Connection>) {
    for worker in running.nginx_workers() {
        worker.signal(Signal::SIGKILL);
        worker.wait_gone(SOON);
    }
    drop(held);
    running.wait_ok("/version", SOON);
}

#[test]
fn the_places_of_its_bodies_are_free_again() {
    let service = Service::new().nginx_config(&json!({
        "wsgi_worker_threads_count": 2,
        "disk_buffer_size": "16m",
        "max_body_size": 1_500_000
    }));
    let running = Launcher::new(&service).start_ready();
    let held = begin(&running, &upload(1_200_000), 1);
    assert_refused(&ask_with_head_only(&running, &upload(1_200_000)));
    kill_all_workers(&running, held);
    until(SOON, "a place for a body", || {
        let body = Request::post("/post", vec![b'x'; 1_200_000]).header("Connection", "close");
        let answer = running.send(&body).ok()?;
        (answer.status == 200).then_some(())
    });
}

#[test]
fn its_clients_are_served_again() {
    let service = Service::new().nginx_config(&json!({
        "wsgi_worker_threads_count": 2, "max_connections_per_client": 3}));
    let running = Launcher::new(&service).start_ready();
    let held = begin(&running, &upload(1_000), 3);
    assert_refused(&running.get("/version").unwrap());
    kill_all_workers(&running, held);
}

#[test]
fn its_clients_are_not_counted_any_more() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    let held = begin(&running, &upload(1_000), 3);
    kill_all_workers(&running, held);
    wait_for_calm(&running);
}

/// A stop waits for the clients that nginx has, and for no others.
#[test]
fn a_stop_does_not_wait_for_its_clients() {
    let mut running = Launcher::new(&Service::with_slots(2)).start_ready();
    let held = begin(&running, &upload(1_000), 3);
    kill_all_workers(&running, held);
    let exit = running.stop(Duration::from_secs(40));
    assert!(exit.took < Duration::from_secs(10), "{exit:?}");
}
