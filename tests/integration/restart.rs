//! Crashed children are restarted, and requests that arrive meanwhile are served.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::family::Process;
use crate::http::Request;
use crate::launcher::Launcher;
use crate::load::background;
use crate::running::Running;
use crate::service::{Service, importing};
use crate::wait::until;

/// The number of restarts in the status.
fn restarts(status: &Value) -> u64 {
    let children = status["children"].as_array().unwrap();
    children
        .iter()
        .map(|child| child["restarts"].as_u64().unwrap())
        .sum()
}

#[track_caller]
pub(crate) fn assert_is_restarted(running: &mut Running, victim: fn(&Running) -> Process) {
    let killed = victim(running);
    killed.signal(Signal::SIGKILL);
    killed.wait_gone(Duration::from_secs(2));
    // Sent while it is down: the response is late but arrives.
    assert_eq!(running.get_ok("/").text(), "probe\n");
    let next = until(Duration::from_secs(5), "a successor", || {
        let next = victim(running);
        (next.pid != killed.pid).then_some(next)
    });
    assert_eq!(next.parent, running.pid());
    until(Duration::from_secs(5), "ready again", || {
        running.is_ready().then_some(())
    });
    running.assert_runs();
}

#[test]
fn a_killed_uwsgi_master_is_restarted() {
    let mut running = Launcher::new(&Service::with_slots(3)).start_ready();
    assert_eq!(restarts(&running.status()), 0);
    assert_is_restarted(&mut running, Running::uwsgi_master);
    assert_eq!(restarts(&running.status()), 1, "{}", running.status());
    running.stop(Duration::from_secs(15));
}

#[test]
fn a_killed_nginx_master_is_restarted() {
    let mut running = Launcher::new(&Service::with_slots(3)).start_ready();
    let orphans = running.nginx_workers();
    assert!(!orphans.is_empty());
    assert_is_restarted(&mut running, Running::nginx_master);
    assert_eq!(restarts(&running.status()), 1, "{}", running.status());
    // They have the old configuration, and only the launcher can end them.
    for orphan in orphans {
        orphan.wait_gone(Duration::from_secs(10));
    }
    running.stop(Duration::from_secs(15));
}

#[test]
fn readiness_drops_while_uwsgi_is_down() {
    let service = Service::with_slots(2).with_prelude("import time\ntime.sleep(1)\n");
    let running = Launcher::new(&service).start_ready();
    running.uwsgi_master().signal(Signal::SIGKILL);
    running.wait_not_ready(Duration::from_secs(1));
    assert_eq!(running.ask_admin("/livez").unwrap().status, 200);
    until(Duration::from_secs(10), "ready again", || {
        running.is_ready().then_some(())
    });
}

#[test]
fn killed_workers_are_replaced() {
    let running = Launcher::new(&Service::with_slots(3)).start_ready();
    for worker in running.uwsgi_workers() {
        worker.signal(Signal::SIGKILL);
    }
    for _ in 0..6 {
        running.get_ok("/");
    }
    until(Duration::from_secs(10), "three workers", || {
        (running.uwsgi_workers().len() == 3).then_some(())
    });
    assert_eq!(
        restarts(&running.status()),
        0,
        "a worker is uWSGI's to restart: {}",
        running.status()
    );
}

#[test]
fn a_killed_nginx_worker_is_replaced() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    let before = running.nginx_workers();
    for worker in &before {
        worker.signal(Signal::SIGKILL);
        worker.wait_gone(Duration::from_secs(2));
    }
    running.get_ok("/");
    until(
        Duration::from_secs(5),
        "as many nginx workers as before",
        || (running.nginx_workers().len() == before.len()).then_some(()),
    );
}

#[test]
fn in_flight_requests_survive_a_restart_of_nginx() {
    let service = Service::with_slots(2);
    let running = Launcher::new(&service).start_ready();
    let slow = background(
        running.address,
        Request::get("/delay/2?note=begun").header("Connection", "close"),
    );
    service.wait_for_notes("begun", 1);
    running.nginx_master().signal(Signal::SIGKILL);
    // The orphaned worker keeps the connection until the request ends.
    assert_eq!(slow.join().unwrap().unwrap().status, 200);
}

#[test]
fn repeated_crashes_end_the_run_with_the_childs_code() {
    let service = Service::with_slots(2).with_prelude(&importing(
        "if os.path.exists(os.path.join(STATE, 'broken')):\n    sys.exit(3)",
    ));
    let mut running = Launcher::new(&service).start_ready();
    service.write("state/broken", "");
    running.uwsgi_master().signal(Signal::SIGKILL);
    // Eight restarts: at once, then after 0.5, 1, 2, 4, 8, 16 and 30 s, each up to a tenth longer.
    running.assert_gave_up(Duration::from_secs(85), 3, "uwsgi");
}

#[test]
fn a_reload_keeps_the_restart_counts() {
    let mut running = Launcher::new(&Service::with_slots(2)).start_ready();
    let started_at = running.status()["started_at"].clone();
    assert_is_restarted(&mut running, Running::uwsgi_master);
    for _ in 0..2 {
        running.run_command(&["reload"]).assert_code(0);
    }
    let status = running.status();
    assert_eq!(status["started_at"], started_at);
    assert_eq!(status["restarts"], 1, "{status}");
    running.stop(Duration::from_secs(15));
}
