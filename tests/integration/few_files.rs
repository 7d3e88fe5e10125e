//! Few open files: nginx has few connections, clients can take all of them, and the service comes back when they leave.

use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::http::{Failure, Request, Response, TIMEOUT, Target};
use crate::launcher::Launcher;
use crate::refusals::upload;
use crate::running::Running;
use crate::service::Service;
use crate::wait::{pass_time, until};

/// nginx needs 256 of them for itself, and has 64 connections for each worker in any case.
const FILES: &str = "--nofile=300:300";
/// More than its workers have together, of which there are at most four.
const CLIENTS: usize = 400;
/// Longer than nginx may be silent until the launcher takes it for hung, with the time to ask and to act.
const LONG: Duration = Duration::from_secs(32);

fn service() -> Service {
    Service::with_slots(2).file("src/static/rum.txt", "rum")
}

fn get(path: &str) -> Request {
    Request::get(path).header("Connection", "close")
}

/// A client whose body never ends. nginx may close its connection, because it has none left.
fn take_a_connection(running: &Running) -> Option<Connection> {
    let deadline = Instant::now() + TIMEOUT;
    let mut connection = Connection::open(&Target::from(running.address), TIMEOUT).ok()?;
    let head = upload(9_000).head();
    connection.write(head.as_bytes(), deadline).ok()?;
    Some(connection)
}

/// Those that nginx has not closed.
fn keep_open(clients: &mut Vec<Connection>) {
    clients.retain_mut(|client| {
        client.is_reusable() && client.write(b"x", Instant::now() + TIMEOUT).is_ok()
    });
}

/// What a client may notice while nginx has no connection left.
#[track_caller]
fn assert_tolerable(answer: &Result<Response, Failure>) {
    let is_tolerable = match answer {
        Ok(answer) => {
            answer.status == 200 || answer.status == 503 && answer.header("Retry-After").is_some()
        }
        Err(Failure::Closed { .. } | Failure::Broken { .. } | Failure::Connect(_)) => true,
        Err(Failure::Timeout | Failure::Malformed(_)) => false,
    };
    assert!(is_tolerable, "{answer:?}");
}

#[track_caller]
fn assert_not_restarted(running: &Running) {
    let status = running.ask_admin("/status").unwrap().json();
    for child in status["children"].as_array().unwrap() {
        assert_eq!(child["restarts"], 0, "{status}");
    }
}

#[track_caller]
fn wait_until_well(running: &Running) {
    until(Duration::from_secs(20), "the service is well again", || {
        let all = (0..20).all(|_| {
            ["/version", "/static/rum.txt"].iter().all(|path| {
                running
                    .send(&get(path))
                    .is_ok_and(|answer| answer.status == 200)
            })
        });
        (all && running.is_ready()).then_some(())
    });
}

#[test]
fn clients_that_hold_all_connections_cost_others_a_503_and_nginx_nothing() {
    let mut running = Launcher::new(&service())
        .through(&["prlimit", FILES])
        .start_ready();
    let master = running.nginx_master();
    let begun = Instant::now();
    let mut clients = Vec::new();
    let mut not_served = 0;
    while begun.elapsed() < LONG {
        // For each connection that nginx has closed there is a new one.
        keep_open(&mut clients);
        let missing = CLIENTS - clients.len();
        clients.extend((0..missing).filter_map(|_| take_a_connection(&running)));
        // The attack is paced, so that it does not take the processors' time.
        pass_time(Duration::from_millis(200));
        for path in ["/version", "/static/rum.txt"] {
            let answer = running.send(&get(path).timeout(Duration::from_secs(10)));
            assert_tolerable(&answer);
            not_served += usize::from(!answer.is_ok_and(|answer| answer.status == 200));
        }
    }
    assert!(not_served > 20, "nginx has never run out of connections");
    assert_not_restarted(&running);
    drop(clients);
    wait_until_well(&running);
    assert_eq!(running.nginx_master().pid, master.pid);
    assert_not_restarted(&running);
    assert!(!running.log.contains("It is hung"));
    let failed = running
        .log
        .filter(|line| line.is_from("nginx.access") && line.json["status"] == 500);
    assert!(failed.is_empty(), "{failed:#?}");
    running.stop(Duration::from_secs(20));
}

#[test]
fn check_prints_what_the_limit_of_open_files_allows() {
    let output = Launcher::new(&service())
        .command(&["check"])
        .through(&["prlimit", FILES])
        .output();
    output.assert_code(0);
    output.assert_says("the limit of open files, 300, allows no more");
}
