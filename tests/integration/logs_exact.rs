//! Every line is logged exactly once, also during reloads, kills and the stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::account::{SOURCES, assert_logged_once, counted, tell};
use crate::http::Request;
use crate::launcher::Launcher;
use crate::load::Clients;
use crate::load::Load;
use crate::running::Running;
use crate::service::Service;
use crate::wait::until;

const CLIENTS: usize = 8;

/// Sends all requests, and runs the action in parallel when so many have been answered.
#[track_caller]
fn log_numbers_while(
    running: &Running,
    method: &'static str,
    count: usize,
    when: usize,
    act: impl FnOnce() + Send,
) -> Vec<usize> {
    let reached = AtomicBool::new(false);
    thread::scope(|scope| {
        let acting = scope.spawn(|| {
            until(Duration::from_secs(60), "enough requests", || {
                reached.load(Ordering::Relaxed).then_some(())
            });
            act();
        });
        let told = tell(running, method, CLIENTS, 0..count, |sent| {
            if sent == when {
                reached.store(true, Ordering::Relaxed);
            }
        });
        acting.join().unwrap();
        told
    })
}

#[test]
fn twenty_thousand_requests_are_in_the_log_once() {
    const REQUESTS: usize = 20_000;
    let mut running = Launcher::new(&Service::with_slots(4)).start_ready();
    let told = tell(&running, "GET", CLIENTS, 0..REQUESTS, |_| {});
    assert_eq!(told.len(), REQUESTS);
    running.stop(Duration::from_secs(15));
    assert_logged_once(&running.log, 0..REQUESTS);
    for source in SOURCES {
        assert_eq!(counted(&running.log, source).len(), REQUESTS, "{source}");
    }
}

#[test]
fn a_reload_loses_no_line() {
    const REQUESTS: usize = 6_000;
    let service = Service::with_slots(4);
    let mut running = Launcher::new(&service).start_ready();
    let told = log_numbers_while(&running, "GET", REQUESTS, REQUESTS / 6, || {
        // Another nginx too, beside another uWSGI.
        let section = json!({"wsgi_worker_threads_count": 4, "gzip": false});
        let config = json!({"use_nginx": true, "nginx_config": section});
        service.write("config/config.json", &config.to_string());
        running.run_command(&["reload"]).assert_code(0);
    });
    assert_eq!(told.len(), REQUESTS);
    running.stop(Duration::from_secs(15));
    assert_logged_once(&running.log, 0..REQUESTS);
}

#[test]
fn output_before_a_kill_is_logged() {
    const REQUESTS: usize = 4_000;
    let mut running = Launcher::new(&Service::with_slots(4)).start_ready();
    let master = running.uwsgi_master();
    // No request is retried, so none prints twice.
    let told = log_numbers_while(&running, "POST", REQUESTS, REQUESTS / 4, || {
        master.signal(Signal::SIGKILL);
    });
    // Those in the four workers, and no others.
    assert!(told.len() >= REQUESTS - 4, "{} answered", told.len());
    running.stop(Duration::from_secs(15));
    assert_logged_once(&running.log, told);
    // Requests that were killed are not logged twice either, and each has its access record.
    for source in SOURCES {
        let counts = counted(&running.log, source);
        assert!(counts.values().all(|count| *count == 1), "{source}");
    }
    assert_eq!(counted(&running.log, "nginx.access").len(), REQUESTS);
}

#[test]
fn output_just_before_the_end_is_logged() {
    const REQUESTS: usize = 400;
    let mut running = Launcher::new(&Service::with_slots(4)).start_ready();
    let told = tell(&running, "GET", CLIENTS, 0..REQUESTS, |sent| {
        if sent == REQUESTS {
            running.signal(Signal::SIGTERM);
        }
    });
    assert_eq!(told.len(), REQUESTS);
    let exit = running.wait_exit(Duration::from_secs(15));
    assert_eq!(exit.code, Some(0));
    assert_logged_once(&running.log, 0..REQUESTS);
}

#[test]
fn output_during_the_stop_is_logged() {
    let service = Service::with_slots(4);
    let mut running = Launcher::new(&service).start_ready();
    let request = Request::get("/print/50");
    let load = Load::start(running.address, CLIENTS, Clients::KeepAlive, &request);
    load.wait_for_requests(50, Duration::from_secs(20));
    running.signal(Signal::SIGTERM);
    let exit = running.wait_exit(Duration::from_secs(15));
    assert_eq!(exit.code, Some(0));
    let outcome = load.stop();
    let answered = outcome.sent() - outcome.failed();
    for line in [0, 49] {
        let text = format!("printed {line}");
        let found = running
            .log
            .filter(|line| line.is_from("app.stdout") && line.message() == text);
        assert_eq!(found.len(), answered, "{text}");
    }
}
