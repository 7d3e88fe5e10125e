//! Faults: killed and stopped processes.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::family::Process;
use crate::http::Request;
use crate::wait::{pass_time, until};

use super::Scene;

/// How long a process is stopped.
const STILL: Duration = Duration::from_secs(3);
/// Long enough to be noticed, and too short to be taken for a hang.
const LONG: Duration = Duration::from_secs(10);

fn kill(victims: &[Process]) {
    assert!(!victims.is_empty(), "nobody to kill");
    for victim in victims {
        victim.signal(Signal::SIGKILL);
    }
    for victim in victims {
        victim.wait_gone(Duration::from_secs(2));
    }
}

fn stop_for_a_while(victim: &Process) {
    victim.signal(Signal::SIGSTOP);
    pass_time(STILL);
    victim.signal(Signal::SIGCONT);
}

fn wait_ready(scene: &Scene) {
    until(Duration::from_secs(10), "ready again", || {
        scene.running.is_ready().then_some(())
    });
}

pub(super) fn kill_uwsgi_master(scene: &mut Scene) {
    let victim = scene.running.uwsgi_master();
    kill(std::slice::from_ref(&victim));
    until(Duration::from_secs(5), "a new uWSGI master", || {
        (scene.running.uwsgi_master().pid != victim.pid).then_some(())
    });
    wait_ready(scene);
}

pub(super) fn kill_nginx_master(scene: &mut Scene) {
    let victim = scene.running.nginx_master();
    kill(std::slice::from_ref(&victim));
    until(Duration::from_secs(5), "a new nginx master", || {
        (scene.running.nginx_master().pid != victim.pid).then_some(())
    });
    wait_ready(scene);
}

/// Kills nginx's master until its restart is delayed: for half a second only its workers serve.
pub(super) fn nginx_waits_for_its_restart(scene: &Scene) {
    let first = scene.running.nginx_master();
    kill(std::slice::from_ref(&first));
    let second = until(Duration::from_secs(5), "a new nginx master", || {
        let next = scene.running.nginx_master();
        (next.pid != first.pid).then_some(next)
    });
    wait_ready(scene);
    kill(&[second]);
}

pub(super) fn kill_uwsgi_worker(scene: &mut Scene) {
    kill(&scene.running.uwsgi_workers()[..1]);
}

pub(super) fn kill_all_uwsgi_workers(scene: &mut Scene) {
    kill(&scene.running.uwsgi_workers());
    wait_ready(scene);
}

pub(super) fn kill_nginx_worker(scene: &mut Scene) {
    kill(&scene.running.nginx_workers()[..1]);
}

pub(super) fn kill_all_nginx_workers(scene: &mut Scene) {
    let workers = scene.running.nginx_workers();
    // Otherwise a client of the first one may meet the second one before that is killed too, and fail twice.
    for worker in &workers {
        worker.signal(Signal::SIGSTOP);
    }
    kill(&workers);
    wait_ready(scene);
}

pub(super) fn stop_uwsgi_master(scene: &mut Scene) {
    stop_for_a_while(&scene.running.uwsgi_master());
}

pub(super) fn stop_nginx_master(scene: &mut Scene) {
    stop_for_a_while(&scene.running.nginx_master());
}

pub(super) fn stop_uwsgi_worker(scene: &mut Scene) {
    stop_for_a_while(&scene.running.uwsgi_workers()[0]);
}

pub(super) fn stop_nginx_worker(scene: &mut Scene) {
    stop_for_a_while(&scene.running.nginx_workers()[0]);
}

/// New connections go to the workers that run.
pub(super) fn stop_nginx_worker_for_long(scene: &mut Scene) {
    let workers = scene.running.nginx_workers();
    assert!(workers.len() > 1, "no other worker");
    workers[0].signal(Signal::SIGSTOP);
    // On a busy machine it may still accept a connection before the signal reaches it.
    until(Duration::from_secs(10), "the worker is stopped", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", workers[0].pid)).ok()?;
        stat.contains(") T ").then_some(())
    });
    let begun = Instant::now();
    while begun.elapsed() < LONG {
        let answer = scene.running.get_ok("/version");
        assert!(answer.took < LONG / 2, "{:?}", answer.took);
        pass_time(Duration::from_millis(50));
    }
    workers[0].signal(Signal::SIGCONT);
}

pub(super) fn stop_launcher(scene: &mut Scene) {
    stop_for_a_while(&Process::read(scene.running.pid()).unwrap());
}

/// The processes stay stopped: the watchdog must detect that nothing is served.
pub(super) fn stop_uwsgi_for_ever(scene: &mut Scene) {
    let master = scene.running.uwsgi_master();
    let mut all = scene.running.uwsgi_workers();
    all.push(master.clone());
    for process in &all {
        process.signal(Signal::SIGSTOP);
    }
    until(Duration::from_secs(40), "a new uWSGI master", || {
        (scene.running.uwsgi_master().pid != master.pid).then_some(())
    });
    wait_ready(scene);
}

/// Requests that crash their worker get 502; others are not affected.
pub(super) fn segfault(scene: &mut Scene) {
    let post = scene
        .running
        .send(&Request::post("/segv?note=posted", ""))
        .unwrap();
    assert_eq!(post.status, 502);
    assert_eq!(scene.service.noted("posted"), 1, "a POST was replayed");
    let get = scene.running.send(&Request::get("/segv?note=got")).unwrap();
    assert_eq!(get.status, 502);
    assert_eq!(
        scene.service.noted("got"),
        2,
        "a GET is tried twice and no more"
    );
}

pub(super) fn exit_in_a_request(scene: &mut Scene) {
    let post = scene
        .running
        .send(&Request::post("/exit?note=posted", ""))
        .unwrap();
    assert_eq!(post.status, 502);
    assert_eq!(scene.service.noted("posted"), 1, "a POST was replayed");
}

/// A GET whose worker dies is retried once, a POST is not.
pub(super) fn die_once(scene: &mut Scene) {
    let get = scene.running.send(&Request::get("/die-once/got")).unwrap();
    assert_eq!((get.status, get.text().as_str()), (200, "second try"));
    assert_eq!(scene.service.noted("got"), 2);
    let post = scene
        .running
        .send(&Request::post("/die-once/posted", ""))
        .unwrap();
    assert_eq!(post.status, 502);
    assert_eq!(scene.service.noted("posted"), 1, "a POST was replayed");
}
