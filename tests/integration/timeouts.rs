//! Requests that take too long: the response, the log record, and the worker afterwards.

use std::time::Duration;

use serde_json::json;

use crate::http::Request;
use crate::launcher::Launcher;
use crate::log::Line;
use crate::running::Running;
use crate::service::{PROBE_APP, Service};
use crate::wait::until;

const T: Duration = Duration::from_secs(1);

fn service() -> Service {
    let section = json!({"wsgi_worker_threads_count": 2, "request_timeout": "1s"});
    Service::new().nginx_config(&section)
}

fn hang(id: &str) -> Request {
    Request::get("/hang?secret=rum")
        .header("X-Request-ID", id)
        .header("Connection", "close")
}

/// Records of the launcher or the application that name a request.
fn records(running: &Running, id: &str) -> Vec<Line> {
    running
        .log
        .filter(|line| !line.is_from("nginx.access") && line.text.contains(id))
}

#[test]
fn the_client_gets_504_in_the_accepted_format() {
    let running = Launcher::new(&service()).start_ready();
    let html = running
        .send(&hang("html.1").header("Accept", "text/html"))
        .unwrap();
    assert_eq!(html.status, 504);
    assert_eq!(html.header("X-Request-ID"), Some("html.1"));
    assert!(
        html.header("Content-Type")
            .is_some_and(|kind| kind.starts_with("text/html"))
    );
    assert!(html.text().contains("html.1"), "{}", html.text());
    let json = running
        .send(&hang("json.1").header("Accept", "application/json"))
        .unwrap();
    assert_eq!(json.status, 504);
    assert!(
        json.header("Content-Type")
            .is_some_and(|kind| kind.starts_with("application/json"))
    );
    assert_eq!(json.json()["request_id"], "json.1");
}

#[test]
fn the_operator_gets_one_record_with_the_stack() {
    let running = Launcher::new(&service()).start_ready();
    assert_eq!(running.send(&hang("record.1")).unwrap().status, 504);
    running.log.wait_for("a record of the timeout", |line| {
        !line.is_from("nginx.access") && line.text.contains("record.1")
    });
    // Another request, so that all records of the first one have been written.
    running.get_ok("/");
    let records = records(&running, "record.1");
    assert_eq!(records.len(), 1, "{records:#?}");
    let text = &records[0].text;
    for part in ["GET", "/hang", "in hang", "main.py"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert!(!text.contains("secret"), "the query string is told: {text}");
}

#[test]
fn a_worker_is_replaced_after_a_timeout() {
    let running = Launcher::new(&service()).start_ready();
    let before = running.uwsgi_workers();
    assert_eq!(running.send(&hang("retire.1")).unwrap().status, 504);
    until(
        Duration::from_secs(10),
        "two workers, one of them new",
        || {
            let now = running.uwsgi_workers();
            let kept = now.iter().filter(|worker| before.contains(worker)).count();
            (now.len() == 2 && kept == 1).then_some(())
        },
    );
}

#[test]
fn a_stream_that_stalls_is_ended_too() {
    let running = Launcher::new(&service()).start_ready();
    let stalled = Request::get("/stream-hang")
        .header("Connection", "close")
        .timeout(T * 10);
    // The status has been sent already: the response is cut, and the client can see it.
    let answer = running.send(&stalled);
    assert!(answer.is_err(), "{answer:?}");
    let ended = |line: &Line| line.is_from("app.stderr") && line.text.contains("/stream-hang");
    let record = running.log.wait_for("a record of the timeout", ended);
    assert!(record.text.contains("its response had begun and is cut"));
    assert!(!running.log.contains("Traceback"), "one record is enough");
}

#[test]
fn zero_means_no_limit() {
    let section = json!({"wsgi_worker_threads_count": 2, "request_timeout": 0});
    let running = Launcher::new(&Service::new().nginx_config(&section)).start_ready();
    assert_eq!(running.get_ok("/delay/3").status, 200);
}

#[test]
fn requests_that_end_in_time_are_not_interrupted() {
    let running = Launcher::new(&service()).start_ready();
    for _ in 0..5 {
        running.get_ok("/delay/0.8");
    }
    // The timer of a request that has ended must not interrupt the next one.
    for _ in 0..10 {
        running.get_ok("/delay/0.3");
    }
}

#[test]
fn a_service_that_uses_sigalrm_gets_a_warning() {
    let alarmed = format!(
        "{PROBE_APP}\n\n@app.route('/alarm')\ndef alarm():\n    signal.signal(signal.SIGALRM, lambda *_: None)\n    \
         time.sleep(3600)\n"
    );
    let service = service().main_py(&alarmed);
    let running = Launcher::new(&service).start_ready();
    let answer = running
        .send(&Request::get("/alarm").header("Connection", "close"))
        .unwrap();
    assert_eq!(answer.status, 504);
    assert!(
        answer.took < T + Duration::from_secs(6),
        "{:?}",
        answer.took
    );
    running
        .log
        .wait_for("a word about SIGALRM", |line| line.text.contains("SIGALRM"));
}
