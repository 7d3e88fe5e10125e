//! Requests that wait for a slot: their number, their time limit, and the response beyond these limits.

use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{Request, Response};
use crate::launcher::Launcher;
use crate::load::{background, parallel};
use crate::running::Running;
use crate::service::Service;
use crate::wait::until;

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

/// Requests that every slot hangs in for eight seconds.
fn hang_all_slots(service: &Service, running: &Running, slots: u64) {
    for _ in 0..slots {
        // Its thread ends with the request.
        drop(background(
            running.address,
            Request::get("/delay/8?note=hung").header("Connection", "close"),
        ));
    }
    service.wait_for_notes("hung", slots);
}

/// The deadline is a promise of the documentation: from 0.9 s to 1.4 s for 1 s. The machine may be slower than that, so the
/// upper end has some room.
#[test]
fn every_waiting_request_gets_503_at_queue_timeout_while_every_slot_hangs() {
    let (service, mut running) =
        start(&json!({"wsgi_worker_threads_count": 2, "queue_timeout": 1}));
    hang_all_slots(&service, &running, 2);
    let answers = parallel(24, |i| {
        let request = if i % 2 == 0 {
            Request::get("/delay/0?note=late").header("Accept", "application/json")
        } else {
            // nginx has not sent all of it when it is refused.
            Request::post("/post?note=late", vec![b'x'; 1_500_000])
        };
        let id = format!("late.{i}");
        let request = request.header("X-Request-ID", id.as_str());
        let answer = running
            .send(&request.header("Connection", "close"))
            .unwrap();
        (i, id, answer)
    });
    for (i, id, answer) in answers {
        assert_busy(&answer);
        let took = answer.took.as_secs_f64();
        assert!((0.9..3.0).contains(&took), "{took} s");
        assert_eq!(answer.header("X-Request-ID"), Some(id.as_str()));
        if i % 2 == 0 {
            assert_eq!(answer.json()["request_id"], id);
        }
    }
    assert_eq!(service.noted("late"), 0, "the application has seen one");
    // Counted from nginx's access log, which comes a moment later.
    until(Duration::from_secs(10), "all of them to be counted", || {
        (running.status()["shed"]["queue_timeout"] == 24).then_some(())
    });
    running.stop(Duration::from_secs(30));
    let records = running
        .log
        .filter(|line| line.is_from("nginx.access") && line.str("reason") == "queue_timeout");
    assert_eq!(records.len(), 24);
    for record in records {
        let fields = &record.json;
        assert!(
            fields["upstream_ms"].as_u64() >= Some(900),
            "{}",
            record.text
        );
        assert!(fields.get("worker").is_none() && fields.get("app_ms").is_none());
    }
}

#[test]
fn a_busy_service_sheds_nothing() {
    let (_service, running) = start(&json!({"wsgi_worker_threads_count": 2, "queue_timeout": 20}));
    let answers = delays(&running, 16, "/delay/0.2");
    assert!(answers.iter().all(|answer| answer.status == 200));
}

#[test]
fn a_reload_changes_how_long_and_how_many_may_wait() {
    let (service, running) = start(&json!({"wsgi_worker_threads_count": 1}));
    let section =
        json!({"wsgi_worker_threads_count": 1, "queue_timeout": "300ms", "queue_size": 3});
    let _service = service.nginx_config(&section);
    let reload = running.run_command(&["reload"]);
    reload.assert_code(0);
    let _first = background(
        running.address,
        Request::get("/delay/6").header("Connection", "close"),
    );
    until(Duration::from_secs(10), "the slot is busy", || {
        (running.status()["workers"][0]["state"] == "busy").then_some(())
    });
    let answers = delays(&running, 8, "/delay/0");
    for answer in &answers {
        assert_busy(answer);
    }
    until(Duration::from_secs(10), "all of them to be counted", || {
        let shed = running.status()["shed"].clone();
        (shed["queue_timeout"] == 3 && shed["queue_full"] == 5).then_some(())
    });
}

#[test]
fn those_who_wait_are_counted_and_the_oldest_wait_is_told() {
    let (service, running) = start(&json!({"wsgi_worker_threads_count": 1}));
    hang_all_slots(&service, &running, 1);
    for _ in 0..3 {
        drop(background(
            running.address,
            Request::get("/delay/0").header("Connection", "close"),
        ));
    }
    until(Duration::from_secs(10), "three wait", || {
        let status = running.status();
        let oldest = status["oldest_wait_seconds"].as_f64()?;
        (status["waiting"] == 3 && oldest >= 0.5).then_some(())
    });
    let metrics = running.ask_admin("/metrics").unwrap().text();
    assert!(
        metrics.contains("\nmicroservice_flask_requests_waiting 3\n"),
        "{metrics}"
    );
    assert!(
        !metrics.contains("\nmicroservice_flask_queue_oldest_seconds 0\n"),
        "{metrics}"
    );
    let table = running.run_command(&["status", "--all"]).stdout();
    assert!(
        table.contains("3 of up to 1024 requests waiting, the oldest for"),
        "{table}"
    );
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
