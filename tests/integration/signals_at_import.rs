//! Signals that the application sets at import hold in its workers, and not in uWSGI's master.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::http::Request;
use crate::launcher::Launcher;
use crate::log::Line;
use crate::running::Running;
use crate::service::Service;
use crate::wait::until;

const LIVES: &str = include_str!("lives.py");

fn service(prelude: &str, section: &serde_json::Value) -> Service {
    let state = "import os, signal\nSTATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'state')\n";
    Service::empty()
        .main_py(&format!("{state}{prelude}\n{LIVES}"))
        .nginx_config(section)
}

/// Blocked, ignored and caught signals of a process (proc(5), `status`).
fn masks(pid: i32) -> BTreeMap<String, String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let fields = status.lines().filter_map(|line| line.split_once(":\t"));
    fields
        .filter(|(name, _)| matches!(*name, "SigBlk" | "SigIgn" | "SigCgt"))
        .map(|(name, mask)| (name.to_owned(), mask.to_owned()))
        .collect()
}

fn warnings(running: &Running) -> Vec<Line> {
    running.log.filter(|line| line.str("level") == "warn")
}

/// Kills every worker, and waits for others in their places.
#[track_caller]
fn assert_workers_are_replaced(running: &Running, count: usize) {
    let before = running.uwsgi_workers();
    assert_eq!(before.len(), count);
    for worker in &before {
        worker.signal(Signal::SIGKILL);
    }
    until(Duration::from_secs(10), "new workers", || {
        let now = running.uwsgi_workers();
        (now.len() == count && now.iter().all(|worker| !before.contains(worker))).then_some(())
    });
    running.wait_ok("/pid", Duration::from_secs(10));
}

#[test]
fn ignored_children_are_still_replaced() {
    let prelude = "signal.signal(signal.SIGCHLD, signal.SIG_IGN)";
    let section = json!({"wsgi_worker_threads_count": 3});
    let running = Launcher::new(&service(prelude, &section)).start_ready();
    assert_workers_are_replaced(&running, 3);
    let told = warnings(&running);
    assert!(
        told.iter().any(|line| line.message().contains("SIGCHLD")),
        "{told:#?}"
    );
    // In the workers it holds: the kernel reaps for the application.
    let ignored = masks(running.uwsgi_workers()[0].pid)["SigIgn"].clone();
    let bit = 1 << (Signal::SIGCHLD as u32 - 1);
    assert_ne!(u64::from_str_radix(&ignored, 16).unwrap() & bit, 0);
}

#[test]
fn the_master_is_as_without_what_the_application_sets() {
    let section = json!({"wsgi_worker_threads_count": 2});
    let plain = Launcher::new(&service("", &section)).start_ready();
    let everything = "
import faulthandler, time
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    try:
        signal.signal(number, lambda *_: None)
    except OSError:
        pass    # the C library keeps two for itself
faulthandler.enable()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGTERM})
for which in signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF:
    signal.setitimer(which, 1)
";
    let mut running = Launcher::new(&service(everything, &section)).start_ready();
    assert_eq!(
        masks(running.uwsgi_master().pid),
        masks(plain.uwsgi_master().pid)
    );
    assert_workers_are_replaced(&running, 2);
    assert_eq!(running.run_command(&["reload"]).exit.code, Some(0));
    running.get_ok("/pid");
    let exit = running.stop(Duration::from_secs(15));
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert!(exit.took < Duration::from_secs(5), "{exit:?}");
    let told: String = warnings(&running).iter().map(Line::message).collect();
    for name in ["SIGCHLD", "SIGHUP", "SIGINT", "timer"] {
        assert!(told.contains(name), "{name}: {told}");
    }
}

#[test]
fn handlers_run_in_the_workers() {
    let prelude = "
def note(number, frame):
    with open(os.path.join(STATE, signal.Signals(number).name), 'a') as file:
        file.write('x')
for number in signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGCHLD, signal.SIGTERM:
    signal.signal(number, note)
";
    for processes in [2, 1] {
        let section = json!({"wsgi_worker_threads_count": 2, "wsgi_processes": processes});
        let service = service(prelude, &section);
        let mut running = Launcher::new(&service).start_ready();
        for name in ["SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGCHLD"] {
            // uWSGI sets its own a moment after it says that the process is ready.
            until(Duration::from_secs(5), name, || {
                running.get_ok(&format!("/kill/{name}"));
                (service.noted(name) > 0).then_some(())
            });
        }
        // At the end of each process.
        assert_eq!(service.noted("SIGTERM"), 0);
        let exit = running.stop(Duration::from_secs(10));
        assert_eq!(exit.code, Some(0), "{exit:?}");
        assert_eq!(service.noted("SIGTERM"), processes);
    }
}

/// Threads and an exit handler show that a process ends in the way that it is asked to.
#[test]
fn a_request_cannot_take_the_signals_that_end_a_process() {
    let prelude = "
import atexit
def note():
    with open(os.path.join(STATE, 'flushed'), 'a') as file:
        file.write('x')
atexit.register(note)
";
    for how in ["asyncio", "handlers", "mask"] {
        for processes in [2, 1] {
            let section = json!({"wsgi_worker_threads_count": 2, "wsgi_processes": processes});
            let service = service(prelude, &section);
            let mut running = Launcher::new(&service).start_ready();
            for _ in 0..6 {
                running.send_ok(&Request::get(format!("/takes-signals/{how}")));
            }
            let old = running.uwsgi_master();
            assert_eq!(running.run_command(&["reload"]).exit.code, Some(0));
            old.wait_gone(Duration::from_secs(5));
            for _ in 0..6 {
                running.send_ok(&Request::get(format!("/takes-signals/{how}")));
            }
            let exit = running.stop(Duration::from_secs(10));
            assert!(exit.took < Duration::from_secs(4), "{how}: {exit:?}");
            assert_eq!(service.noted("flushed"), 2 * processes, "{how}");
        }
    }
}
