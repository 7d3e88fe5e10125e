//! The end of a worker: `status` believes the kernel, and each end is counted once, by its cause.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::http::Request;
use crate::launcher::Launcher;
use crate::load::background;
use crate::running::Running;
use crate::service::{Service, one_process};
use crate::wait::until;

const SOON: Duration = Duration::from_secs(10);

/// Lines for a service whose workers end slowly: the name of the main thread says so, as the entry module's does.
const SLOW_END: &str = "\
import atexit, os, time
def _slow_end():
    if os.getppid() > 1 and os.path.exists(os.path.join(STATE, 'slow-end')):
        with open('/proc/self/task/%d/comm' % os.getpid(), 'w') as file:
            file.write('uwsgi-ending')
        note('ending')
        while os.path.exists(os.path.join(STATE, 'slow-end')):
            time.sleep(0.01)
atexit.register(_slow_end)
";

/// The states of the workers, by number.
pub(crate) fn states(status: &Value) -> Vec<String> {
    let workers = status["workers"].as_array().unwrap();
    workers
        .iter()
        .map(|worker| worker["state"].as_str().unwrap().to_owned())
        .collect()
}

#[track_caller]
pub(crate) fn wait_for_states(running: &Running, expected: &[&str]) -> Value {
    let what = format!("states {expected:?}");
    until(SOON, &what, || {
        let status = running.status();
        (states(&status) == expected).then_some(status)
    })
}

/// The causes with their counts, without the zeroes; all causes must be there.
pub(crate) fn exits(status: &Value) -> Vec<(String, u64)> {
    let all = status["worker_exits"].as_object().unwrap();
    let mut names: Vec<_> = all.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["asked", "crash", "oom", "recycled", "reload", "timeout"]
    );
    let count = |(cause, count): (&String, &Value)| (cause.clone(), count.as_u64().unwrap());
    let counts = all.iter().map(count);
    counts.filter(|(_, count)| *count > 0).collect()
}

#[track_caller]
pub(crate) fn wait_for_exits(running: &Running, expected: &[(&str, u64)]) {
    let expected: Vec<(String, u64)> = expected
        .iter()
        .map(|(cause, count)| ((*cause).to_owned(), *count))
        .collect();
    until(SOON, &format!("exits {expected:?}"), || {
        (exits(&running.status()) == expected).then_some(())
    });
}

fn kill_all(running: &Running) {
    for worker in running.uwsgi_workers() {
        worker.signal(Signal::SIGKILL);
        worker.wait_gone(SOON);
    }
}

#[test]
fn the_dead_are_dead_while_uwsgi_is_stopped() {
    check_the_dead(Launcher::new);
}

/// Without privileges, the kernel tells as much about one's own processes.
#[test]
fn the_dead_are_dead_for_a_user_without_privileges() {
    check_the_dead(|service| Launcher::new(service).for_nobody());
}

#[track_caller]
fn check_the_dead(launcher: fn(&Service) -> Launcher) {
    let running = launcher(&Service::with_slots(3)).start_ready();
    let master = running.uwsgi_master();
    assert_eq!(states(&running.status()), ["idle"; 3]);
    master.signal(Signal::SIGSTOP);
    kill_all(&running);
    let status = wait_for_states(&running, &["dead"; 3]);
    assert_eq!(status["ready"], false, "{status}");
    assert_eq!(status["phase"], "degraded", "{status}");
    running
        .run_command(&["status"])
        .assert_code(1)
        .assert_says("3 dead");
    assert!(metric(&running, "slots").contains(&"0".to_owned()));
    // They are counted without uWSGI, and not again when it finds out.
    wait_for_exits(&running, &[("crash", 3)]);
    master.signal(Signal::SIGCONT);
    wait_for_states(&running, &["idle"; 3]);
    wait_for_exits(&running, &[("crash", 3)]);
}

#[test]
fn workers_that_are_never_replaced_are_dead_and_then_uwsgi_is_restarted() {
    let ignoring = "import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n";
    let service = Service::with_slots(2).with_prelude(ignoring);
    let running = Launcher::new(&service).start_ready();
    let master = running.uwsgi_master();
    kill_all(&running);
    let ignored = || {
        let text = std::fs::read_to_string(format!("/proc/{}/status", master.pid)).ok()?;
        let mask = text.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
        Some(u64::from_str_radix(mask.trim(), 16).unwrap() & (1 << 16) != 0)
    };
    if ignored() != Some(true) {
        // The launcher has kept the application's handler from uWSGI's master: they are replaced.
        wait_for_states(&running, &["idle"; 2]);
        return;
    }
    let status = wait_for_states(&running, &["dead"; 2]);
    assert_eq!(status["ready"], false, "{status}");
    wait_for_exits(&running, &[("crash", 2)]);
    until(Duration::from_secs(40), "another uWSGI", || {
        (running.uwsgi_master().pid != master.pid && running.is_ready()).then_some(())
    });
}

#[test]
fn crashes_are_counted_however_fast_they_come() {
    let running = Launcher::new(&Service::with_slots(3)).start_ready();
    for _ in 0..2 {
        kill_all(&running);
        wait_for_states(&running, &["idle"; 3]);
    }
    wait_for_exits(&running, &[("crash", 6)]);
    // nginx repeats no POST, so each ends one process.
    for path in ["/segv", "/exit"] {
        let answer = running.send(&Request::post(path, vec![])).unwrap();
        assert_eq!(answer.status, 502);
    }
    wait_for_exits(&running, &[("crash", 8)]);
    running
        .run_command(&["status", "--all"])
        .assert_says("processes that have ended since the start: 8 crash");
    assert_eq!(
        metric(&running, "worker_exits_total{cause=\"crash\"}"),
        ["8"]
    );
    assert_eq!(metric(&running, "worker_exits_total{cause=\"oom\"}"), ["0"]);
    running.log.wait_for("the signal in the log", |line| {
        line.message().contains("got Segmentation Fault")
    });
}

/// The values of a metric.
fn metric(running: &Running, name: &str) -> Vec<String> {
    let text = running.ask_admin("/metrics").unwrap().text();
    let name = format!("microservice_flask_{name} ");
    text.lines()
        .filter_map(|line| line.strip_prefix(&name))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_worker_that_dies_at_its_start_is_counted() {
    let crash = "\
import signal, uwsgi
def _dies():
    if os.path.exists(os.path.join(STATE, 'dies')) and noted('died') < 5:
        note('died')
        os.kill(os.getpid(), signal.SIGKILL)
uwsgi.post_fork_hook = _dies
";
    let service = Service::with_slots(1);
    let service = service.main_py(&format!("{}\n{crash}", crate::service::PROBE_APP));
    let running = Launcher::new(&service).start_ready();
    service.write("state/dies", "");
    running.uwsgi_workers()[0].signal(Signal::SIGKILL);
    // Its five successors are seen by no poll.
    wait_for_exits(&running, &[("crash", 6)]);
    assert_eq!(service.noted("died"), 5);
    wait_for_states(&running, &["idle"]);
}

#[test]
fn a_timeout_is_one_whoever_ends_the_worker() {
    let section = json!({"wsgi_worker_threads_count": 2, "request_timeout": 1});
    let service = Service::new().nginx_config(&section);
    let running = Launcher::new(&service).start_ready();
    let timed_out = |path: &str| {
        let request = Request::post(path, vec![]).timeout(Duration::from_secs(30));
        assert!(running.send(&request).unwrap().status >= 500);
    };
    timed_out("/hang");
    wait_for_exits(&running, &[("timeout", 1)]);
    // No Python code runs, so the launcher kills it.
    let c_hang = Request::get("/c-hang").timeout(Duration::from_secs(30));
    assert!(running.send(&c_hang).unwrap().status >= 500);
    until(Duration::from_secs(30), "the other timeouts", || {
        let exits = exits(&running.status());
        matches!(exits.as_slice(), [(cause, 2..)] if cause == "timeout").then_some(())
    });
}

#[test]
fn what_was_asked_for_is_no_crash() {
    // With a health path, a reload tries a canary, which serves nobody.
    let section = json!({"wsgi_worker_threads_count": 2, "health_check_path": "/version"});
    let mut running = Launcher::new(&Service::new().nginx_config(&section)).start_ready();
    running.run_command(&["restart-worker", "1"]).assert_code(0);
    wait_for_exits(&running, &[("asked", 1)]);
    wait_for_states(&running, &["idle"; 2]);
    running.run_command(&["reload"]).assert_code(0);
    wait_for_exits(&running, &[("asked", 1), ("reload", 2)]);
    running.run_command(&["reload"]).assert_code(0);
    wait_for_exits(&running, &[("asked", 1), ("reload", 4)]);
    running.stop(Duration::from_secs(15));
}

#[test]
fn a_worker_that_has_served_its_requests_is_recycled() {
    let config = json!({
        "use_nginx": true,
        "nginx_config": one_process(),
        "uwsgi_config": {"max-requests": 5, "min-worker-lifetime": 0}
    });
    let running = Launcher::new(&Service::new().config(&config)).start_ready();
    for _ in 0..12 {
        running.wait_ok("/", SOON);
    }
    wait_for_exits(&running, &[("recycled", 2)]);
}

/// The probe with slow ends from now on.
fn ending_slowly(processes: u32) -> Service {
    let section = json!({"wsgi_worker_threads_count": processes});
    let text = format!("{}\n{SLOW_END}", crate::service::PROBE_APP);
    let service = Service::new().nginx_config(&section).main_py(&text);
    service.write("state/slow-end", "");
    service
}

#[test]
fn a_worker_that_leaves_is_no_slot() {
    let service = ending_slowly(3);
    let running = Launcher::new(&service).start_ready();
    let workers = running.uwsgi_workers();
    // uWSGI's signal for: finish and be replaced.
    workers[0].signal(Signal::SIGHUP);
    service.wait_for_notes("ending", 1);
    until(SOON, "one is ending", || {
        let states = states(&running.status());
        let ending = states.iter().filter(|state| *state == "ending").count();
        (ending == 1).then_some(())
    });
    assert!(running.is_ready());
    assert_eq!(metric(&running, "slots"), ["2"]);
    running
        .run_command(&["status", "--all"])
        .assert_says("0 of 3 processes busy, 1 ending");
    for worker in &workers[1..] {
        worker.signal(Signal::SIGHUP);
    }
    let answer = until(SOON, "503 on /readyz", || {
        let answer = running.ask_admin("/readyz").ok()?;
        (answer.status == 503).then_some(answer)
    });
    let expected =
        "3 of 3 processes are ending: threads or exit handlers of the application still run\n";
    assert_eq!(answer.text(), expected);
    let status = wait_for_states(&running, &["ending"; 3]);
    assert_eq!(status["reason"], expected.trim_end());
    running
        .run_command(&["healthcheck"])
        .assert_code(2)
        .assert_says("3 of 3 processes are ending");
    std::fs::remove_file(service.root().join("state/slow-end")).unwrap();
    wait_for_states(&running, &["idle"; 3]);
    assert!(running.is_ready());
    wait_for_exits(&running, &[("recycled", 3)]);
}

#[test]
fn a_saturated_service_does_not_count_those_that_leave() {
    let service = ending_slowly(2);
    let config = json!({
        "use_nginx": true,
        "nginx_config": {"wsgi_worker_threads_count": 2, "health_check_path": "/version"}
    });
    let service = service.config(&config);
    let running = Launcher::new(&service).start_ready();
    running.uwsgi_workers()[0].signal(Signal::SIGHUP);
    service.wait_for_notes("ending", 1);
    let hang = Request::get("/hang?note=hung").timeout(Duration::from_secs(60));
    let _hung = background(running.address, hang);
    service.wait_for_notes("hung", 1);
    running
        .run_command(&["healthcheck"])
        .assert_code(1)
        .assert_says("busy: 1 of 2 processes is serving, the others are ending, stopped or dead");
    std::fs::remove_file(service.root().join("state/slow-end")).unwrap();
}

#[test]
fn a_stopped_worker_takes_no_requests() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    let workers = running.uwsgi_workers();
    workers[0].signal(Signal::SIGSTOP);
    until(SOON, "one is stopped", || {
        let mut states = states(&running.status());
        states.sort_unstable();
        (states == ["idle", "stopped"]).then_some(())
    });
    assert!(running.is_ready());
    workers[1].signal(Signal::SIGSTOP);
    running.wait_not_ready(SOON);
    let reason = running.ask_admin("/readyz").unwrap().text();
    assert_eq!(
        reason,
        "2 of 2 processes are stopped by a signal (SIGSTOP)\n"
    );
    for worker in &workers {
        worker.signal(Signal::SIGCONT);
    }
    wait_for_states(&running, &["idle"; 2]);
    wait_for_exits(&running, &[]);
}
