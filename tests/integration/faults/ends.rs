//! Faults that end the launcher: no process may be left, and no request may be aborted.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::http::Request;
use crate::load::background;
use crate::wait::until;

use super::Scene;
use super::crash::nginx_waits_for_its_restart;

#[track_caller]
fn assert_exits_with_0(scene: &mut Scene) {
    let exit = scene.running.wait_exit(Duration::from_secs(30));
    assert_eq!(exit.code, Some(0), "{exit:?}");
    scene.running.assert_nothing_left(Duration::from_secs(2));
}

pub(super) fn stop_under_load(scene: &mut Scene) {
    scene.running.signal(Signal::SIGTERM);
    assert_exits_with_0(scene);
}

pub(super) fn stop_with_slow_requests(scene: &mut Scene) {
    let slow = Request::get("/delay/2?note=slow").header("Connection", "close");
    let slow: Vec<_> = (0..3)
        .map(|_| background(scene.running.address, slow.clone()))
        .collect();
    scene.service.wait_for_notes("slow", 3);
    scene.running.signal(Signal::SIGTERM);
    for request in slow {
        assert_eq!(request.join().unwrap().unwrap().status, 200);
    }
    assert_exits_with_0(scene);
}

/// The stop waits for the survivors of a crashed nginx as for nginx itself.
pub(super) fn stop_after_a_crash(scene: &mut Scene) {
    let slow = Request::get("/delay/2?note=slow").header("Connection", "close");
    let slow: Vec<_> = (0..3)
        .map(|_| background(scene.running.address, slow.clone()))
        .collect();
    scene.service.wait_for_notes("slow", 3);
    nginx_waits_for_its_restart(scene);
    scene.running.signal(Signal::SIGTERM);
    for request in slow {
        assert_eq!(request.join().unwrap().unwrap().status, 200);
    }
    assert_exits_with_0(scene);
}

pub(super) fn stop_during_reload(scene: &mut Scene) {
    scene.service.write_version("2");
    let reload = scene.running.command(&["reload"]);
    let reload = thread::spawn(move || reload.output());
    let master = scene.running.uwsgi_master().pid;
    until(Duration::from_secs(20), "a second uWSGI", || {
        let masters = scene.running.children_named("uwsgi");
        let second = |process: &crate::family::Process| {
            process.parent == scene.running.pid() && process.pid != master
        };
        masters.iter().any(second).then_some(())
    });
    scene.running.signal(Signal::SIGTERM);
    assert_exits_with_0(scene);
    let output = reload.join().unwrap();
    assert!(
        matches!(output.exit.code, Some(0 | 69 | 75)),
        "{:?}\n{}",
        output.exit,
        output.text()
    );
}

pub(super) fn launcher_killed(scene: &mut Scene) {
    scene.running.signal(Signal::SIGKILL);
    assert_eq!(
        scene.running.wait_exit(Duration::from_secs(2)).signal,
        Some(9)
    );
    scene.running.assert_nothing_left(Duration::from_secs(2));
}

pub(super) fn reload_during_stop(scene: &mut Scene) {
    let slow = background(
        scene.running.address,
        Request::get("/delay/3?note=slow").header("Connection", "close"),
    );
    scene.service.wait_for_notes("slow", 1);
    scene.running.signal(Signal::SIGTERM);
    scene.running.wait_not_ready(Duration::from_secs(2));
    let output = scene.running.run_command(&["reload"]);
    assert!(
        matches!(output.exit.code, Some(69 | 75)),
        "{:?}\n{}",
        output.exit,
        output.text()
    );
    assert_eq!(slow.join().unwrap().unwrap().status, 200);
    assert_exits_with_0(scene);
}

pub(super) fn stop_during_start(scene: &mut Scene) {
    scene.running.signal(Signal::SIGTERM);
    let exit = scene.running.wait_exit(Duration::from_secs(5));
    assert_eq!(exit.code, Some(0), "{exit:?}");
    scene.running.assert_nothing_left(Duration::from_secs(2));
}
