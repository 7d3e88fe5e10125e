//! Fake children that ignore signals, die, hang or flood the log: the launcher must handle all of them.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::http::Request;
use crate::install::install;
use crate::launcher::Launcher;
use crate::service::{Service, world_accessible_folder};
use crate::wait::until;

/// A PATH folder in which `program` is the script `tests/fakes/<fake>`.
pub(crate) fn fake(program: &str, fake: &str) -> TempDir {
    let folder = world_accessible_folder("fake-");
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fakes")
        .join(fake);
    let copy = folder.path().join(program);
    install(&script, &copy);
    folder
}

fn with_short_timeouts() -> Service {
    Service::new().nginx_config(&json!({"wsgi_worker_threads_count": 2, "stop_timeout": 2}))
}

#[track_caller]
fn is_killed_after_its_stop_timeout(program: &str, script: &str) {
    let folder = fake(program, script);
    let mut running = Launcher::new(&with_short_timeouts())
        .path_before(folder.path())
        .start_ready();
    running.get_ok("/");
    running.signal(Signal::SIGTERM);
    running.assert_gave_up(Duration::from_secs(10), 75, program);
}

#[test]
fn a_uwsgi_that_ignores_term_is_killed() {
    is_killed_after_its_stop_timeout("uwsgi", "ignores-term");
}

#[test]
fn an_nginx_that_ignores_quit_is_killed() {
    is_killed_after_its_stop_timeout("nginx", "ignores-term");
}

#[test]
fn a_uwsgi_that_always_dies_ends_the_run_with_its_code() {
    for program in ["uwsgi", "nginx"] {
        let folder = fake(program, "dies-at-once");
        let mut running = Launcher::new(&with_short_timeouts())
            .path_before(folder.path())
            .start();
        running.assert_gave_up(Duration::from_secs(55), 42, program);
    }
}

#[test]
fn a_uwsgi_that_never_becomes_ready_ends_the_run() {
    let folder = fake("uwsgi", "never-ready");
    let section = json!({"wsgi_worker_threads_count": 2, "start_timeout": 2, "stop_timeout": 2});
    let service = Service::new().nginx_config(&section);
    let mut running = Launcher::new(&service).path_before(folder.path()).start();
    until(Duration::from_secs(10), "503 on /readyz", || {
        running
            .ask_admin("/readyz")
            .ok()
            .filter(|answer| answer.status == 503)
    });
    running.assert_gave_up(Duration::from_secs(15), 75, "uwsgi");
}

#[test]
fn a_uwsgi_that_never_becomes_ready_can_be_stopped() {
    let folder = fake("uwsgi", "never-ready");
    let mut running = Launcher::new(&Service::with_slots(2))
        .path_before(folder.path())
        .start();
    until(Duration::from_secs(10), "the fake runs", || {
        (!running.children_named("uwsgi").is_empty()).then_some(())
    });
    until(Duration::from_secs(10), "503 on /readyz", || {
        running
            .ask_admin("/readyz")
            .ok()
            .filter(|answer| answer.status == 503)
    });
    running.signal(Signal::SIGTERM);
    let exit = running.wait_exit(Duration::from_secs(10));
    assert_eq!(exit.code, Some(0), "{exit:?}");
    running.assert_nothing_left(Duration::from_secs(2));
}

#[test]
fn a_flood_of_output_blocks_nothing() {
    let folder = fake("uwsgi", "floods");
    let mut running = Launcher::new(&Service::with_slots(2))
        .path_before(folder.path())
        .start_ready();
    for _ in 0..20 {
        let answer = running.send_ok(&Request::get("/").header("Connection", "close"));
        assert!(answer.took < Duration::from_secs(5), "{:?}", answer.took);
    }
    running
        .log
        .wait_for("the flood", |line| line.text.contains("flood"));
    running.stop(Duration::from_secs(15));
}
