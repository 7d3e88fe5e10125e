//! Stopping: a graceful stop answers all in-flight requests, a second signal aborts them, and no process is ever left.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::connection::Connection;
use crate::http::{Request, Target};
use crate::launcher::Launcher;
use crate::load::background;
use crate::service::{Service, importing};
use crate::wait::{pass_time, poll, until};

/// Time between two signals that count as two. The launcher takes signals within 0.2 s for one request, since process
/// managers signal a process and its group at once.
const ASKS_AGAIN: Duration = Duration::from_millis(400);

#[track_caller]
fn assert_in_flight_requests_are_answered(service: &Service, signal: Signal) {
    let mut running = Launcher::new(service).start_ready();
    // Four in the slots and two behind them.
    let requests: Vec<_> = (0..6)
        .map(|_| {
            background(
                running.address,
                Request::get("/delay/1.5?note=begun").header("Connection", "close"),
            )
        })
        .collect();
    service.wait_for_notes("begun", 4);
    running.signal(signal);
    for request in requests {
        assert_eq!(request.join().unwrap().unwrap().status, 200);
    }
    let exit = running.wait_exit(Duration::from_secs(10));
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert_eq!(service.noted("begun"), 6);
    running.assert_nothing_left(Duration::from_secs(2));
}

#[test]
fn term_finishes_in_flight_requests() {
    assert_in_flight_requests_are_answered(&Service::with_slots(4), Signal::SIGTERM);
}

#[test]
fn term_finishes_in_flight_requests_in_threads() {
    assert_in_flight_requests_are_answered(&Service::with_threads(4), Signal::SIGTERM);
}

#[test]
fn int_and_quit_are_graceful_too() {
    assert_in_flight_requests_are_answered(&Service::with_slots(4), Signal::SIGINT);
    assert_in_flight_requests_are_answered(&Service::with_slots(4), Signal::SIGQUIT);
}

#[test]
fn an_idle_service_stops_at_once() {
    let mut running = Launcher::new(&Service::with_slots(4)).start_ready();
    // An idle keep-alive connection must not delay the stop.
    let mut idle =
        Connection::open(&Target::from(running.address), Duration::from_secs(5)).unwrap();
    idle.send(&Request::get("/")).unwrap();
    let exit = running.stop(Duration::from_secs(10));
    assert!(exit.took < Duration::from_secs(5), "{exit:?}");
}

#[test]
fn a_stop_is_visible_to_probes_before_the_last_request_ends() {
    let service = Service::with_slots(2);
    let mut running = Launcher::new(&service).start_ready();
    let request = background(
        running.address,
        Request::get("/delay/3?note=begun").header("Connection", "close"),
    );
    service.wait_for_notes("begun", 1);
    running.signal(Signal::SIGTERM);
    until(
        Duration::from_secs(2),
        "503 on /readyz while it drains",
        || {
            running
                .ask_admin("/readyz")
                .ok()
                .filter(|answer| answer.status == 503)
        },
    );
    assert_eq!(running.ask_admin("/livez").unwrap().status, 200);
    assert_eq!(request.join().unwrap().unwrap().status, 200);
    assert_eq!(running.wait_exit(Duration::from_secs(10)).code, Some(0));
}

#[test]
fn a_second_term_aborts_requests() {
    let service = Service::with_slots(2);
    let mut running = Launcher::new(&service).start_ready();
    let hung = background(running.address, Request::get("/hang?note=hung"));
    service.wait_for_notes("hung", 1);
    running.signal(Signal::SIGTERM);
    running.wait_not_ready(Duration::from_secs(5));
    running.assert_runs();
    pass_time(ASKS_AGAIN);
    running.signal(Signal::SIGTERM);
    let exit = running.wait_exit(Duration::from_secs(8));
    assert!(matches!(exit.code, Some(0 | 75)), "{exit:?}");
    assert_ne!(
        hung.join().unwrap().map(|answer| answer.status).ok(),
        Some(200)
    );
    running.assert_nothing_left(Duration::from_secs(2));
}

#[test]
fn a_third_term_kills() {
    let service = Service::with_slots(2);
    let mut running = Launcher::new(&service).start_ready();
    // This request can only be ended by SIGKILL.
    let _hung = background(
        running.address,
        Request::get("/swallow?note=hung").timeout(Duration::from_secs(10)),
    );
    service.wait_for_notes("hung", 1);
    for _ in 0..3 {
        running.signal(Signal::SIGTERM);
        pass_time(ASKS_AGAIN);
    }
    let exit = running.wait_exit(Duration::from_secs(5));
    assert!(matches!(exit.code, Some(0 | 75)), "{exit:?}");
    running.assert_nothing_left(Duration::from_secs(2));
}

#[test]
fn a_term_repeated_ten_times_a_second_is_more_than_one() {
    let service = Service::with_slots(2);
    let mut running = Launcher::new(&service).start_ready();
    let hang = Request::get("/hang?note=hung").timeout(Duration::from_secs(10));
    let _hung = background(running.address, hang);
    service.wait_for_notes("hung", 1);
    let ended = poll(Duration::from_secs(5), || {
        running.signal(Signal::SIGTERM);
        pass_time(Duration::from_millis(100));
        running.child.try_wait().unwrap()
    });
    assert!(ended.is_some(), "fifty TERM are taken for one");
}

#[test]
fn a_hung_request_cannot_outlast_the_stop_timeout() {
    let section = json!({"wsgi_worker_threads_count": 2, "stop_timeout": 2});
    let service = Service::new().nginx_config(&section);
    let mut running = Launcher::new(&service).start_ready();
    let _hung = background(
        running.address,
        Request::get("/c-hang?note=hung").timeout(Duration::from_secs(10)),
    );
    service.wait_for_notes("hung", 1);
    running.signal(Signal::SIGTERM);
    let exit = running.wait_exit(Duration::from_secs(8));
    // 75 means that SIGKILL was needed.
    assert_eq!(exit.code, Some(75), "{exit:?}");
    running.assert_nothing_left(Duration::from_secs(2));
    for told in [
        "The stop waits for requests under way.",
        "these requests will be cut",
        "GET /c-hang (",
        "Stopped by force after 2 s (stop_timeout): nginx had not ended, which waits for requests under way",
    ] {
        assert!(
            running.log.contains(told),
            "no {told:?}:\n{}",
            running.log.tail(30)
        );
    }
}

fn slow_import() -> Service {
    Service::with_slots(2).with_prelude(&importing("time.sleep(120)"))
}

#[test]
fn a_term_before_the_handlers_are_installed_is_handled() {
    // A pending signal stays pending across exec, as for a PID 1 that is stopped before it has installed its handlers.
    let pending = "import os, signal, sys\n\
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n\
        os.kill(os.getpid(), signal.SIGTERM)\n\
        os.execv(sys.argv[1], sys.argv[1:])\n";
    let mut running = Launcher::new(&Service::with_slots(2))
        .through(&["/usr/bin/python3", "-c", pending])
        .start();
    let exit = running.wait_exit(Duration::from_secs(15));
    assert_eq!(exit.code, Some(0), "{exit:?}\n{}", running.log.tail(30));
    running.assert_nothing_left(Duration::from_secs(2));
}

#[test]
fn term_during_a_slow_import_stops_at_once() {
    let service = slow_import();
    let mut running = Launcher::new(&service).start();
    service.wait_for_notes("importing", 1);
    running.signal(Signal::SIGTERM);
    let exit = running.wait_exit(Duration::from_secs(5));
    assert_eq!(exit.code, Some(0), "{exit:?}");
    running.assert_nothing_left(Duration::from_secs(2));
}

#[test]
fn term_at_any_moment_of_the_start_stops() {
    // Observable moments of the start; uWSGI loses signals in some of them.
    let service = Service::with_slots(4);
    for children in [0, 1, 2, 4, 6] {
        let mut running = Launcher::new(&service).start();
        until(Duration::from_secs(20), "the start has come so far", || {
            (running.family().len() > children).then_some(())
        });
        running.signal(Signal::SIGTERM);
        let exit = running.wait_exit(Duration::from_secs(10));
        // Before the launcher has installed its handlers, TERM kills it like any program.
        let obeyed = exit.code == Some(0) || (children == 0 && exit.signal == Some(15));
        assert!(
            obeyed,
            "{children} children: {exit:?}\n{}",
            running.log.tail(30)
        );
        running.assert_nothing_left(Duration::from_secs(2));
    }
}

#[test]
fn term_at_the_moment_of_readiness_stops() {
    let service = Service::with_slots(17);
    for _ in 0..3 {
        let mut running = Launcher::new(&service).start_ready();
        running.stop(Duration::from_secs(10));
    }
}

#[test]
fn no_process_survives_a_killed_launcher() {
    for service in [Service::with_slots(3), Service::with_threads(3)] {
        let mut running = Launcher::new(&service).start_ready();
        // Busy workers are the most likely survivors.
        let _busy: Vec<_> = ["/hang?note=busy", "/c-hang?note=busy"]
            .into_iter()
            .map(|path| {
                background(
                    running.address,
                    Request::get(path).timeout(Duration::from_secs(10)),
                )
            })
            .collect();
        service.wait_for_notes("busy", 2);
        running.signal(Signal::SIGKILL);
        assert_eq!(running.wait_exit(Duration::from_secs(2)).signal, Some(9));
        running.assert_nothing_left(Duration::from_secs(2));
    }
}

#[test]
fn no_process_survives_a_launcher_killed_while_starting() {
    let service = slow_import();
    let mut running = Launcher::new(&service).start();
    service.wait_for_notes("importing", 1);
    running.signal(Signal::SIGKILL);
    running.wait_exit(Duration::from_secs(2));
    running.assert_nothing_left(Duration::from_secs(2));
}

#[test]
fn a_service_can_restart_in_the_same_folder() {
    let service = Service::with_slots(2);
    let mut first = Launcher::new(&service).start_ready();
    first.signal(Signal::SIGKILL);
    first.wait_exit(Duration::from_secs(2));
    first.assert_nothing_left(Duration::from_secs(2));
    // Sockets and files of the killed launcher are still there.
    let address = first.address.to_string();
    let mut second = Launcher::new(&service)
        .runtime_dir(first.runtime())
        .listen(&address)
        .start();
    second.wait_ready();
    assert_eq!(first.get_ok("/").text(), "probe\n");
}
