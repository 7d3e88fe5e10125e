//! The end of a worker: threads, executors and exit handlers of the application get their time, and a limit.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::http::Request;
use crate::launcher::Launcher;
use crate::load::background;
use crate::log::Line;
use crate::running::{Exit, Running};
use crate::service::Service;
use crate::wait::until;

/// Writes one byte into a file for each call.
const NOTE: &str = "
import atexit, os, threading, time
from concurrent.futures import ThreadPoolExecutor
NOTES = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'state')
def write(name):
    with open(os.path.join(NOTES, name), 'a') as file:
        file.write('x')
";

/// The probe, and `/work/SECONDS`, which leaves that much to do for a thread of an executor; `/forever` starts a thread
/// that never ends.
const WORK: &str = "
POOL = ThreadPoolExecutor(1)
def job(seconds):
    time.sleep(seconds)
    write('job')
@app.route('/work/<float:seconds>')
def work(seconds):
    POOL.submit(job, seconds)
    return str(os.getpid())
def forever():
    while True:
        time.sleep(0.1)
@app.route('/forever')
def run_forever():
    threading.Thread(target=forever, name='the-ticker').start()
    return str(os.getpid())
";

fn service(prelude: &str, section: &Value, options: &Value) -> Service {
    let service = Service::new().with_prelude(&format!("{NOTE}{prelude}"));
    let main = std::fs::read_to_string(service.root().join("src/main.py")).unwrap();
    service.main_py(&format!("{main}\n{WORK}")).config(&json!({
        "use_nginx": true, "nginx_config": section, "uwsgi_config": options,
    }))
}

fn slots(n: u32, stop_timeout: u32) -> Value {
    json!({"wsgi_worker_threads_count": n, "stop_timeout": stop_timeout, "worker_exit_timeout": 1})
}

const SLOW_EXIT: &str = "atexit.register(lambda: (time.sleep(7), write('flushed')))";

#[track_caller]
fn assert_stopped(exit: &Exit, running: &Running) {
    assert_eq!(exit.code, Some(0), "{exit:?}\n{}", running.log.tail(20));
    running.assert_nothing_left(Duration::from_secs(2));
}

#[test]
fn exit_handlers_may_take_what_is_left_of_the_stop() {
    let service = service(SLOW_EXIT, &slots(2, 30), &json!({}));
    let mut running = Launcher::new(&service).start_ready();
    let exit = running.stop(Duration::from_secs(20));
    assert_stopped(&exit, &running);
    assert_eq!(service.noted("flushed"), 2);
    // What takes long is said.
    let told = running
        .log
        .filter(|line| line.text.contains("exit handlers"));
    assert!(!told.is_empty(), "{}", running.log.tail(20));
}

#[test]
fn jobs_of_executors_are_finished_at_a_stop() {
    let service = service("", &slots(2, 30), &json!({}));
    let mut running = Launcher::new(&service).start_ready();
    running.get_ok("/work/6.0");
    let exit = running.stop(Duration::from_secs(20));
    assert_stopped(&exit, &running);
    assert_eq!(service.noted("job"), 1);
}

#[test]
fn jobs_and_exit_handlers_are_finished_at_a_reload() {
    let section =
        json!({"wsgi_worker_threads_count": 2, "request_timeout": 1, "worker_exit_timeout": 1});
    let service = service(SLOW_EXIT, &section, &json!({}));
    let running = Launcher::new(&service).start_ready();
    running.get_ok("/work/3.0");
    let old = running.uwsgi_master();
    assert_eq!(running.run_command(&["reload"]).exit.code, Some(0));
    running.get_ok("/pid");
    old.wait_gone(Duration::from_secs(25));
    assert_eq!((service.noted("job"), service.noted("flushed")), (1, 2));
}

/// uWSGI cancels threads that have served, and takes their requests for unfinished then.
#[test]
fn exit_handlers_run_at_a_reload_whichever_threads_have_served() {
    let section = json!({"wsgi_worker_threads_count": 4, "wsgi_processes": 1});
    let prelude = "atexit.register(write, 'flushed')";
    let service = service(prelude, &section, &json!({}));
    let running = Launcher::new(&service).start_ready();
    for round in 1..=3 {
        let served: Vec<_> = [0.6, 0.9, 1.2, 1.5]
            .map(|seconds| Request::get(format!("/delay/{seconds}?note=begun")))
            .map(|request| background(running.address, request))
            .into();
        service.wait_for_notes("begun", round * 4);
        let old = running.uwsgi_master();
        assert_eq!(running.run_command(&["reload"]).exit.code, Some(0));
        for answer in served {
            assert_eq!(answer.join().unwrap().unwrap().status, 200);
        }
        old.wait_gone(Duration::from_secs(10));
        assert_eq!(service.noted("flushed"), round);
    }
}

#[test]
fn what_outlasts_the_stop_is_cut_and_the_exit_code_tells() {
    let service = service("", &slots(2, 3), &json!({}));
    let mut running = Launcher::new(&service).start_ready();
    running.get_ok("/forever");
    running.signal(Signal::SIGTERM);
    let exit = running.wait_exit(Duration::from_secs(10));
    assert_eq!(exit.code, Some(75), "{exit:?}");
    assert!(exit.took >= Duration::from_millis(2900), "{exit:?}");
    let last = running.log.last().unwrap();
    assert!(last.message().contains("threads"), "{last:?}");
    let told = running.log.filter(|line| line.text.contains("the-ticker"));
    assert!(!told.is_empty(), "{}", running.log.tail(20));
    running.assert_nothing_left(Duration::from_secs(2));
}

/// A signal that comes while a worker leaves must not end its exit handlers, whichever thread takes it.
#[test]
fn a_stop_does_not_cut_a_worker_that_is_already_leaving() {
    let prelude = "
atexit.register(lambda: (time.sleep(2), write('flushed')))
";
    let section =
        json!({"wsgi_worker_threads_count": 1, "stop_timeout": 20, "worker_exit_timeout": 10});
    let options = json!({"max-requests": 3, "min-worker-lifetime": 0});
    let service = service(prelude, &section, &options);
    let main = std::fs::read_to_string(service.root().join("src/main.py")).unwrap();
    let route = "@app.route('/daemon')\ndef daemon():\n    threading.Thread(target=forever, daemon=True).start()\n    return str(os.getpid())\n";
    let service = service.main_py(&format!("{main}\n{route}"));
    let mut running = Launcher::new(&service).start_ready();
    for _ in 0..3 {
        running.get_ok("/daemon");
    }
    until(Duration::from_secs(2), "the worker leaves", || {
        let named = running.children_named("uwsgi-ending");
        (!named.is_empty()).then_some(())
    });
    let exit = running.stop(Duration::from_secs(10));
    assert_stopped(&exit, &running);
    assert_eq!(service.noted("flushed"), 1);
}

/// It has not even begun with its exit handlers.
#[test]
fn a_worker_that_does_nothing_to_end_is_killed_and_the_exit_code_tells() {
    let service = service("", &slots(2, 30), &json!({}));
    let mut running = Launcher::new(&service).start_ready();
    let worker = running.uwsgi_workers().remove(0);
    worker.signal(Signal::SIGSTOP);
    running.signal(Signal::SIGTERM);
    let exit = running.wait_exit(Duration::from_secs(15));
    assert_eq!(exit.code, Some(75), "{exit:?}");
    let told = running.log.filter(|line| {
        line.message().contains("nothing to end") && line.text.contains(&worker.pid.to_string())
    });
    assert_eq!(told.len(), 1, "{}", running.log.tail(10));
    running.assert_nothing_left(Duration::from_secs(2));
}

#[test]
fn a_request_that_timed_out_at_the_stop_leaves_time_for_exit_handlers() {
    let section = json!({
        "wsgi_worker_threads_count": 1, "stop_timeout": 30, "request_timeout": 1, "worker_exit_timeout": 1,
    });
    let service = service(SLOW_EXIT, &section, &json!({}));
    let mut running = Launcher::new(&service).start_ready();
    let hung = background(running.address, Request::get("/hang?note=hung"));
    service.wait_for_notes("hung", 1);
    let exit = running.stop(Duration::from_secs(25));
    assert_eq!(hung.join().unwrap().unwrap().status, 504);
    assert_stopped(&exit, &running);
    assert_eq!(service.noted("flushed"), 1);
}

/// Asks until a worker with the ticker has served its requests, and returns the pid of that worker.
fn recycle_a_worker(running: &Running, path: &str) -> i32 {
    let pid: i32 = running.get_ok(path).text().parse().unwrap();
    until(Duration::from_secs(10), "the worker leaves", || {
        running.get_ok("/pid");
        let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        (comm.trim() != "uwsgi").then_some(())
    });
    pid
}

#[track_caller]
fn assert_slot_comes_back(prelude: &str, path: &str, said: &str) {
    let options = json!({"max-requests": 5, "min-worker-lifetime": 1});
    let service = service(prelude, &slots(2, 10), &options);
    let running = Launcher::new(&service).start_ready();
    let pid = recycle_a_worker(&running, path);
    until(Duration::from_secs(4), "a new worker in its place", || {
        let workers = running.uwsgi_workers();
        let gone = workers.iter().all(|worker| worker.pid != pid);
        (gone && workers.len() == 2).then_some(())
    });
    let line = running.log.wait_for("why it was ended", |line| {
        line.text.contains("worker_exit_timeout") && line.text.contains(&pid.to_string())
    });
    assert!(line.text.contains(said), "{line:?}");
    assert_eq!(line.str("level"), "warn", "{line:?}");
    // It is no crash.
    let crashes = running.log.filter(|line| line.str("level") == "error");
    assert!(crashes.is_empty(), "{crashes:#?}");
}

#[test]
fn a_thread_holds_a_slot_for_a_limited_time() {
    assert_slot_comes_back("", "/forever", "the-ticker");
}

#[test]
fn an_exit_handler_holds_a_slot_for_a_limited_time() {
    let prelude = "atexit.register(time.sleep, 600)";
    assert_slot_comes_back(prelude, "/pid", "exit handlers");
}

#[test]
fn an_exit_handler_that_hangs_in_c_holds_a_slot_for_a_limited_time() {
    let options = json!({"max-requests": 5, "min-worker-lifetime": 1});
    // The conversion keeps Python's lock, so that no other thread can run.
    let hang = "atexit.register(lambda: int('9' * 3_000_000))";
    let unlimited = "import sys\nif hasattr(sys, 'set_int_max_str_digits'):\n    sys.set_int_max_str_digits(0)\n";
    let service = service(&format!("{unlimited}{hang}"), &slots(2, 10), &options);
    let running = Launcher::new(&service).start_ready();
    let pid = recycle_a_worker(&running, "/pid");
    until(Duration::from_secs(5), "a new worker in its place", || {
        let workers = running.uwsgi_workers();
        (workers.iter().all(|worker| worker.pid != pid) && workers.len() == 2).then_some(())
    });
}

#[test]
fn a_worker_that_ends_quickly_says_nothing() {
    let prelude = "atexit.register(write, 'flushed')";
    let options = json!({"max-requests": 3, "min-worker-lifetime": 0});
    let service = service(prelude, &slots(2, 10), &options);
    let mut running = Launcher::new(&service).start_ready();
    for _ in 0..12 {
        running.get_ok("/pid");
    }
    let exit = running.stop(Duration::from_secs(10));
    assert_stopped(&exit, &running);
    assert!(
        service.noted("flushed") >= 4,
        "{}",
        service.noted("flushed")
    );
    let told = running
        .log
        .filter(|line: &Line| line.str("level") == "warn");
    assert!(told.is_empty(), "{told:#?}");
}

#[test]
fn a_temporary_folder_of_the_import_lives_as_long_as_the_service() {
    let prelude = "import tempfile\nFOLDER = tempfile.TemporaryDirectory()";
    let options = json!({"max-requests": 3, "min-worker-lifetime": 0});
    let service = service(prelude, &slots(2, 10), &options);
    let main = std::fs::read_to_string(service.root().join("src/main.py")).unwrap();
    let route = "@app.route('/folder')\ndef folder():\n    assert os.path.isdir(FOLDER.name)\n    return FOLDER.name\n";
    let service = service.main_py(&format!("{main}\n{route}"));
    let mut running = Launcher::new(&service).start_ready();
    for _ in 0..12 {
        running.get_ok("/folder");
    }
    let folder = running.get_ok("/folder").text();
    running.stop(Duration::from_secs(10));
    assert!(!std::path::Path::new(&folder).exists(), "{folder}");
}
