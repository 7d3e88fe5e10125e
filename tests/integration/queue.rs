//! Requests that wait for a slot: their number, their time limit, and the response beyond these limits.

use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{Request, Response};
use crate::launcher::Launcher;
use crate::load::{background, parallel};
use crate::running::Running;
use crate::service::Service;

fn start(section: &Value) -> (Service, Running) {
    let service = Service::new().nginx_config(section);
    let running = Launcher::new(&service).start_ready();
    (service, running)
}

fn delays(running: &Running, count: usize, path: &str) -> Vec<Response> {
    parallel(count, |_| running.get(path).unwrap())
}

#[track_caller]
fn assert_busy(answer: &Response) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    let after = answer
        .header("Retry-After")
        .unwrap_or_else(|| panic!("no Retry-After: {:?}", answer.headers));
    assert!(
        after.parse::<u32>().is_ok_and(|seconds| seconds >= 1),
        "Retry-After: {after}"
    );
    assert!(answer.header("X-Request-ID").is_some());
}

#[test]
fn requests_beyond_queue_size_get_503_at_once() {
    let (service, running) = start(&json!({"wsgi_worker_threads_count": 2, "queue_size": 4}));
    let answers = delays(&running, 12, "/delay/2?note=served");
    let (served, busy): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((served.len(), busy.len()), (6, 6));
    for answer in busy {
        assert_busy(answer);
        assert!(
            answer.took < Duration::from_secs(2),
            "shed after {:?}",
            answer.took
        );
    }
    assert_eq!(service.noted("served"), 6);
}

#[test]
fn a_full_queue_is_never_a_502() {
    let (_service, running) = start(&json!({"wsgi_worker_threads_count": 2, "queue_size": 8}));
    let answers = delays(&running, 120, "/delay/0.1");
    let odd: Vec<_> = answers
        .iter()
        .map(|answer| answer.status)
        .filter(|status| ![200, 503].contains(status))
        .collect();
    assert!(odd.is_empty(), "{odd:?}");
    assert!(answers.iter().filter(|answer| answer.status == 200).count() >= 10);
}

#[test]
fn a_wait_beyond_queue_timeout_is_503() {
    let (service, running) =
        start(&json!({"wsgi_worker_threads_count": 1, "queue_timeout": "500ms"}));
    let first = background(
        running.address,
        Request::get("/delay/2?note=first").header("Connection", "close"),
    );
    service.wait_for_notes("first", 1);
    let late = running.get("/delay/0?note=late").unwrap();
    assert_busy(&late);
    assert_eq!(
        service.noted("late"),
        0,
        "the application has seen a request that was shed"
    );
    assert_eq!(first.join().unwrap().unwrap().status, 200);
    running.get_ok("/");
}

#[test]
fn the_503_is_json_when_accepted() {
    let (service, running) = start(&json!({"wsgi_worker_threads_count": 1, "queue_size": 1}));
    let slow = Request::get("/delay/3?note=slow").header("Connection", "close");
    let _first = background(running.address, slow.clone());
    service.wait_for_notes("slow", 1);
    let answers = parallel(6, |i| {
        let request = Request::get("/delay/0").header("Accept", "application/json");
        running
            .send(
                &request
                    .header("X-Request-ID", format!("busy.{i}"))
                    .header("Connection", "close"),
            )
            .unwrap()
    });
    let busy: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 503)
        .collect();
    assert_eq!(busy.len(), 5);
    for answer in busy {
        let id = answer.header("X-Request-ID").unwrap();
        assert_eq!(answer.json()["request_id"], id);
    }
}

#[test]
fn the_wait_is_logged() {
    let (_service, running) = start(&json!({"wsgi_worker_threads_count": 2}));
    let seen = running.get_ok("/headers").json();
    let start = seen["environ"]["HTTP_X_REQUEST_START"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(start.chars().any(|c| c.is_ascii_digit()), "{seen}");
    // Clients cannot set it.
    let forged = running
        .send_ok(&Request::get("/headers").header("X-Request-Start", "t=1"))
        .json();
    assert_ne!(forged["environ"]["HTTP_X_REQUEST_START"], "t=1");
}
