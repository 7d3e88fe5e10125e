//! What the launcher knows of a running service: one report, the same figures in every view, each count exact.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::http::{Request, get};
use crate::launcher::Launcher;
use crate::load::{background, parallel};
use crate::running::Running;
use crate::service::Service;
use crate::wait::until;

const SOON: Duration = Duration::from_secs(20);
/// Requests of each client.
const EACH: usize = 250;

/// The value of a metric without or with labels.
fn metric(running: &Running, name: &str) -> Option<f64> {
    let text = running.ask_admin("/metrics").unwrap().text();
    let name = format!("microservice_flask_{name} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&name))?;
    value.parse().ok()
}

#[track_caller]
pub(crate) fn assert_metric(running: &Running, name: &str, expected: f64) {
    let value = metric(running, name);
    let is_it = value.is_some_and(|value| (value - expected).abs() < 1e-9);
    assert!(is_it, "{name} is {value:?}, not {expected}");
}

pub(crate) fn by_socket(running: &Running) -> Value {
    get(running.control_socket().as_path(), "/status")
        .unwrap()
        .json()
}

fn requests_in(status: &Value) -> usize {
    let workers = status["workers"].as_array().unwrap();
    let serving = workers
        .iter()
        .map(|worker| worker["serving"].as_array().unwrap().len());
    serving.sum()
}

#[test]
fn all_views_show_the_same_while_requests_hang_and_others_wait() {
    let section = json!({"wsgi_worker_threads_count": 2, "health_check_path": "/version"});
    let service = Service::new().nginx_config(&section);
    let running = Launcher::new(&service).start_ready();
    let hang = |name: &str| {
        let request = Request::get(format!("/until/go?note={name}")).header("X-Request-ID", name);
        let client = background(running.address, request.timeout(Duration::from_secs(100)));
        service.wait_for_notes(name, 1);
        client
    };
    let _hung = [hang("first"), hang("second")];
    let waiting: Vec<_> = (0..7)
        .map(|_| {
            let request = Request::get("/pid").timeout(Duration::from_secs(100));
            background(running.address, request)
        })
        .collect();
    let status = until(SOON, "two are served and seven wait", || {
        let status = by_socket(&running);
        (status["waiting"] == 7 && requests_in(&status) == 2).then_some(status)
    });
    assert_eq!(status["phase"], "ready", "{status}");
    let by_port = running.ask_admin("/status").unwrap().json();
    assert_eq!((&by_port["waiting"], requests_in(&by_port)), (&json!(7), 2));
    for (name, expected) in [
        ("slots", 2.0),
        ("slots_busy", 2.0),
        ("requests_waiting", 7.0),
        ("clients_writing", 9.0),
        ("ready", 1.0),
    ] {
        assert_metric(&running, name, expected);
    }
    assert!(metric(&running, "queue_oldest_seconds").is_some_and(|seconds| seconds > 0.0));
    let text = running.run_command(&["status"]).assert_code(0).stdout();
    assert!(
        text.contains("probe is busy: all 2 slots are taken, 7 wait, the oldest for"),
        "{text}"
    );
    assert!(text.contains("2/2 busy   queue 7 (oldest"), "{text}");
    for request in ["GET /until/go  first", "GET /until/go  second"] {
        assert!(text.contains(request), "{text}");
    }

    // No probe waits for what hangs.
    for path in ["/livez", "/readyz", "/healthcheck"] {
        let answer = running.ask_admin(path).unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    service.write("state/go", "");
    for client in waiting {
        assert_eq!(client.join().unwrap().unwrap().status, 200);
    }
    // Nine clients, and no health check among them.
    until(SOON, "all answers are counted", || {
        (metric(
            &running,
            "http_requests_total{method=\"GET\",status=\"200\"}",
        ) == Some(9.0))
        .then_some(())
    });
    for histogram in ["http_request_duration", "queue_wait", "app_duration"] {
        assert_metric(&running, &format!("{histogram}_seconds_count"), 9.0);
    }
}

#[test]
fn counters_are_exact_while_workers_die_and_reloads_come() {
    let running = Launcher::new(&Service::with_slots(4)).start_ready();
    let answers = parallel(5, |client| {
        if client == 4 {
            for _ in 0..2 {
                running.run_command(&["reload"]).assert_code(0);
                let worker = until(SOON, "a worker", || {
                    running.uwsgi_workers().into_iter().next()
                });
                worker.signal(Signal::SIGKILL);
            }
            return Vec::new();
        }
        (0..EACH)
            .map(|_| running.get("/version").unwrap().status)
            .collect()
    });
    let answers: Vec<u16> = answers.into_iter().flatten().collect();
    let all = u64::try_from(answers.len()).unwrap();
    assert_eq!(
        answers.iter().filter(|status| **status == 200).count(),
        4 * EACH
    );
    let status = until(SOON, "all are counted", || {
        let status = by_socket(&running);
        (status["traffic"]["requests"].as_u64() >= Some(all)).then_some(status)
    });
    assert_eq!(
        status["traffic"]["answers"],
        json!({"GET 200": all}),
        "{status}"
    );
    assert_eq!(status["traffic"]["duration"]["count"], all);
    let buckets = status["traffic"]["duration"]["buckets"].as_array().unwrap();
    assert_eq!(
        buckets.last().unwrap()[1],
        all,
        "none took a minute: {buckets:?}"
    );
}

#[test]
fn a_reload_tells_what_the_old_generation_still_does_and_who_asked() {
    let service = Service::with_slots(2);
    let running = Launcher::new(&service).start_ready();
    let request = Request::get("/until/go?note=old").timeout(Duration::from_secs(100));
    let client = background(running.address, request);
    service.wait_for_notes("old", 1);
    running.signal(Signal::SIGHUP);
    let status = until(SOON, "the reload is over", || {
        let status = by_socket(&running);
        status["reloads"]["last"].is_object().then_some(status)
    });
    assert_eq!(
        status["reloads"]["last"]["asked_by"], "a signal (HUP)",
        "{status}"
    );
    until(SOON, "the old generation's request is told", || {
        let status = by_socket(&running);
        let told = status["finishing"][0]["serving"][0]["path"] == "/until/go";
        (told && status["generation"] == 2 && requests_in(&status) == 0).then_some(())
    });
    running
        .run_command(&["status"])
        .assert_says("old generation: 1 request under way, the oldest GET /until/go for ");
    running
        .run_command(&["status", "--stacks"])
        .assert_code(0)
        .assert_says(", of an old generation\n  GET /until/go for ");
    service.write("state/go", "");
    assert_eq!(client.join().unwrap().unwrap().status, 200);
    until(SOON, "nothing of it is told any more", || {
        (by_socket(&running)["finishing"] == json!([])).then_some(())
    });
}

#[test]
fn a_main_process_that_is_gone_has_no_workers_in_the_report() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    running.uwsgi_master().signal(Signal::SIGKILL);
    let second = until(SOON, "another main process", || {
        let status = by_socket(&running);
        let is_new = status["ready"] == true && status["restarts"] == 1;
        is_new.then(|| running.uwsgi_master())
    });
    // After a second crash the next start waits for half a second.
    second.signal(Signal::SIGKILL);
    until(SOON, "none is told", || {
        let status = by_socket(&running);
        let gone = status["ready"] == false && status["workers"] == json!([]);
        gone.then_some(())
    });
}
