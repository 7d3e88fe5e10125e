//! What the application still does at a stop although no client waits for it: it is finished, too, with the same limit.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::http::Target;
use crate::launcher::Launcher;
use crate::running::Running;
use crate::service::Service;
use crate::wait::{pass_time, until};

/// Work after a complete response, in a request, and at the end of a process.
const LATE: &str = "
import atexit, os, time
STATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'state')
def write(name):
    with open(os.path.join(STATE, name), 'a') as file:
        file.write('x')
atexit.register(write, 'exit')
";
const ROUTES: &str = "
@app.route('/late')
def late():
    response = Response('complete')
    def after():
        write('after')
        time.sleep(2)
        write('done')
    response.call_on_close(after)
    return response

@app.route('/work')
def work():
    write('work')
    time.sleep(2)
    write('done')
    return 'done'
";

fn service(section: &Value) -> Service {
    let service = Service::new().with_prelude(LATE);
    let main = std::fs::read_to_string(service.root().join("src/main.py")).unwrap();
    service
        .main_py(&format!("{main}\n{ROUTES}"))
        .nginx_config(section)
}

/// Sends a request and leaves.
fn ask_and_leave(running: &Running, path: &str) {
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    let mut client =
        Connection::open(&Target::from(running.address), Duration::from_secs(5)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.write(request.as_bytes(), deadline).unwrap();
    // nginx notices who has left only when the application has the request.
    pass_time(Duration::from_millis(300));
}

/// A service in which a request hangs whose client has left.
fn with_a_hung_request(section: &Value, path: &str) -> Running {
    let service = service(section);
    let running = Launcher::new(&service).start_ready();
    ask_and_leave(&running, &format!("{path}?note=hung"));
    service.wait_for_notes("hung", 1);
    running
}

#[track_caller]
fn assert_finished(section: &Value, processes: u64) {
    let late = service(section);
    let mut running = Launcher::new(&late).start_ready();
    running.get_ok("/late");
    late.wait_for_notes("after", 1);
    running.stop(Duration::from_secs(15));
    assert_eq!((late.noted("done"), late.noted("exit")), (1, processes));

    let left = service(section);
    let mut running = Launcher::new(&left).start_ready();
    ask_and_leave(&running, "/work");
    left.wait_for_notes("work", 1);
    running.stop(Duration::from_secs(15));
    assert_eq!((left.noted("done"), left.noted("exit")), (1, processes));
}

#[test]
fn processes_finish_it_before_their_exit_handlers_run() {
    assert_finished(&json!({"wsgi_worker_threads_count": 2}), 2);
}

#[test]
fn threads_finish_it_before_the_exit_handlers_run() {
    assert_finished(
        &json!({"wsgi_worker_threads_count": 2, "wsgi_processes": 1}),
        1,
    );
}

/// Nobody waits for the answer, and nothing has begun.
#[test]
fn what_still_waits_is_not_begun() {
    let service = service(&json!({"wsgi_worker_threads_count": 1}));
    let mut running = Launcher::new(&service).start_ready();
    for _ in 0..5 {
        ask_and_leave(&running, "/work");
    }
    running.stop(Duration::from_secs(10));
    let begun = service.noted("work");
    assert!(begun < 5, "{begun}");
    assert_eq!(begun, service.noted("done"));
}

#[test]
fn a_second_term_cuts_it() {
    let mut running = with_a_hung_request(&json!({"wsgi_worker_threads_count": 2}), "/hang");
    running.signal(Signal::SIGTERM);
    until(Duration::from_secs(10), "nginx has ended", || {
        running.children_named("nginx").is_empty().then_some(())
    });
    // It waits for the request: without it, it would have ended by now.
    pass_time(Duration::from_millis(500));
    running.assert_runs();
    running.signal(Signal::SIGTERM);
    let exit = running.wait_exit(Duration::from_secs(4));
    assert_eq!(exit.code, Some(0), "{exit:?}");
    running.assert_nothing_left(Duration::from_secs(2));
}

#[test]
fn the_stop_has_its_limit_and_says_what_it_waited_for() {
    let mut running = with_a_hung_request(
        &json!({"wsgi_worker_threads_count": 2, "stop_timeout": 3}),
        "/hang",
    );
    running.signal(Signal::SIGTERM);
    let exit = running.wait_exit(Duration::from_secs(8));
    assert_eq!(exit.code, Some(75), "{exit:?}");
    for told in ["these requests will be cut", "GET /hang ("] {
        assert!(
            running.log.contains(told),
            "no {told:?}:\n{}",
            running.log.tail(20)
        );
    }
    let last = running.log.last().unwrap();
    assert!(last.message().contains("uwsgi had not ended"), "{last:?}");
    running.assert_nothing_left(Duration::from_secs(2));
}

/// By the request timeout, as long as the service stops.
#[test]
fn a_request_that_cannot_be_interrupted_is_ended_in_its_time() {
    let mut running = with_a_hung_request(
        &json!({"wsgi_worker_threads_count": 2, "request_timeout": 1}),
        "/c-hang",
    );
    running.stop(Duration::from_secs(12));
    let killed = running
        .log
        .filter(|line| line.text.contains("could not be interrupted"));
    assert_eq!(killed.len(), 1, "{}", running.log.tail(20));
    // What is true of a service that serves is none of a stop's business.
    let errors = running
        .log
        .filter(|line| line.is_from("launcher") && line.str("level") == "warn");
    assert!(errors.is_empty(), "{errors:#?}");
}
