//! Workers that end and requests that are refused, each on purpose: they stand by their causes in the status, on the page,
//! in the metrics and in the log.

use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{Request, get};
use crate::launcher::Launcher;
use crate::load::parallel;
use crate::memory_group::MemoryGroup;
use crate::running::Running;
use crate::service::{PROBE_APP, Service};
use crate::telemetry::{assert_metric, by_socket};
use crate::wait::until;
use crate::worker_deaths::wait_for_states;

const SOON: Duration = Duration::from_secs(20);
/// Enough for the launcher, nginx and two workers, also during a reload.
const MEBIBYTES: u64 = 250;

/// A route that takes more memory than that, in a call that no timeout interrupts.
const EATER: &str = "
@app.route('/eat', methods=['POST'])
def eat():
    return b'x' * 2**29
";

/// Two requests fail in the application, one crashes its worker, one is killed for memory where `is_oom`, three time out,
/// and three find the queue full. Then one reload is committed, and one is rolled back.
fn do_the_worst(running: &Running, service: &Service, is_oom: bool) {
    let status_of = |path: &str| running.get(path).unwrap().status;
    assert_eq!([status_of("/boom"), status_of("/boom")], [500; 2]);
    // nginx repeats no POST, so each ends one worker.
    let post = |path: &str| running.send(&Request::post(path, "")).unwrap().status;
    assert_eq!(post("/segv"), 502);
    if is_oom {
        assert_eq!(post("/eat"), 502);
    }
    // Both slots are free again.
    wait_for_states(running, &["idle"; 2]);
    let answers = parallel(6, |_| status_of("/hang"));
    let count = |status| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!((count(503), count(504)), (3, 3), "{answers:?}");
    // The last worker that has timed out has a successor, of which no report is asked for: the reload ends it all the same.
    let successors = 4 + usize::from(is_oom);
    until(SOON, "all successors", || {
        (running.log.count("Respawned uWSGI worker") == successors).then_some(())
    });
    running.run_command(&["reload"]).assert_code(0);
    service.write("src/main.py", "broken syntax(");
    running.run_command(&["reload"]).assert_code(75);
}

#[track_caller]
fn assert_parts(view: &str, text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{view} without {part}:\n{text}");
    }
}

fn assert_status(status: &Value, oom: u64) {
    let traffic = &status["traffic"];
    for (what, value, expected) in [
        (
            "exits",
            &status["worker_exits"],
            json!({"asked": 0, "crash": 1, "oom": oom, "recycled": 0, "reload": 2, "timeout": 3}),
        ),
        ("full", &status["shed"]["queue_full"], json!(3)),
        ("kills", &status["resources"]["oom_kills"], json!(oom)),
        ("timeouts", &traffic["timeouts"], json!(3)),
        (
            "errors",
            &traffic["since_start"]["server_errors"],
            json!(9 + oom),
        ),
        (
            "answers",
            &traffic["answers"],
            json!({"GET 500": 2, "GET 503": 3, "GET 504": 3, "POST 502": 1 + oom}),
        ),
        (
            "reloads",
            &status["reloads"]["outcomes"],
            json!({"committed": 1, "invalid": 0, "refused": 0, "rolled_back": 1}),
        ),
        (
            "asked by",
            &status["reloads"]["last"]["asked_by"],
            json!("the command reload"),
        ),
    ] {
        assert_eq!(*value, expected, "{what}: {status}");
    }
    let list = |name: &str| status[name].as_array().unwrap().clone();
    let numbers: Vec<Value> = list("generations")
        .iter()
        .map(|one| one["number"].clone())
        .collect();
    assert_eq!(numbers, [1, 2]);
    let errors = list("errors");
    let boom = errors.iter().find(|group| group["kind"] == "ValueError");
    let boom = boom.unwrap_or_else(|| panic!("{errors:?}"));
    let (count, request) = (&boom["count"], &boom["request"]);
    assert_eq!((count, request), (&json!(2), &json!("GET /boom")));
    let place = boom["place"].as_str().unwrap();
    assert!(place.starts_with("src/main.py:"), "{boom}");
    let slow = list("slow_requests");
    let timed_out =
        |request: &&Value| request["path"] == "/hang" && request["reason"] == "request_timeout";
    assert_eq!(slow.iter().filter(timed_out).count(), 3, "{slow:?}");
}

fn assert_texts(running: &Running, oom: u64) {
    let named = if oom > 0 { ", oom 1" } else { "" };
    let ended = format!("ended workers since the start: crash 1{named}, reload 2, timeout 3");
    let brief = running.run_command(&["status"]).stdout();
    let refused = "requests since the start: refused queue_full 3, timed out 3";
    assert_parts("status", &brief, &[refused, &ended]);

    let named = if oom > 0 { "1 oom, " } else { "" };
    let ended =
        format!("processes that have ended since the start: 1 crash, {named}2 reload, 3 timeout");
    let parts = [
        "probe has a problem: ",
        "refused since the start: 3 queue_full",
        &ended,
        "timed out 3, given to a second worker 0, cut 0",
        "x2 app.stderr ValueError src/main.py:",
        "rolled back, by the command reload",
    ];
    let all = running.run_command(&["status", "--all"]).stdout();
    assert_parts("status --all", &all, &parts);
}

/// The page of the admin address has the counts; that of the control socket has the requests too.
fn assert_pages(running: &Running, oom: u64) {
    let named = if oom > 0 { ", oom 1" } else { "" };
    let ended = format!("<dd>crash 1{named}, reload 2, timeout 3</dd>");
    let counts = [
        "<dt>Refused by the product</dt><dd>queue full 3</dd>",
        "<dt>Timed out</dt><dd>3</dd>",
        &ended,
        "GET 503: 3, GET 504: 3, POST 502: ",
        "<strong>rolled back</strong>",
    ];
    let public = running.ask_admin("/").unwrap().text();
    assert_parts("page", &public, &counts);
    let whole = get(running.control_socket().as_path(), "/").unwrap().text();
    assert_parts("page of the control socket", &whole, &counts);
    let of_requests = [
        "504 request_timeout</td>",
        "<b>ValueError</b> the probe was asked to fail",
        "got Segmentation Fault",
    ];
    assert_parts("page of the control socket", &whole, &of_requests);
    if oom > 0 {
        let killed = ["Out of memory: the kernel has killed worker "];
        assert_parts("page of the control socket", &whole, &killed);
        assert_parts("page", &public, &["killed for memory: 1"]);
    }
}

fn assert_metrics(running: &Running, oom: u32) {
    for (name, expected) in [
        ("worker_exits_total{cause=\"crash\"}", 1),
        ("worker_exits_total{cause=\"oom\"}", oom),
        ("worker_exits_total{cause=\"timeout\"}", 3),
        ("worker_exits_total{cause=\"reload\"}", 2),
        ("worker_exits_total{cause=\"recycled\"}", 0),
        ("oom_kills_total", oom),
        ("requests_shed_total{cause=\"queue_full\"}", 3),
        ("requests_shed_total{cause=\"queue_timeout\"}", 0),
        ("request_timeouts_total", 3),
        ("reloads_total{outcome=\"rolled_back\"}", 1),
        ("reload_last_success", 0),
        ("http_requests_total{method=\"GET\",status=\"504\"}", 3),
    ] {
        assert_metric(running, name, expected.into());
    }
}

fn assert_log(running: &Running, oom: usize) {
    let answered = |path: &str, status: u16, reason: &str| {
        let records = running.log.filter(|line| {
            let is_it = line.str("path") == path && line.json["status"] == status;
            line.is_from("nginx.access") && is_it && line.str("reason") == reason
        });
        records.len()
    };
    assert_eq!(answered("/boom", 500, ""), 2);
    assert_eq!(answered("/segv", 502, "worker_died"), 1);
    assert_eq!(answered("/eat", 502, "worker_died"), oom);
    assert_eq!(answered("/hang", 503, "queue_full"), 3);
    assert_eq!(answered("/hang", 504, "request_timeout"), 3);
    for (source, words, count) in [
        ("uwsgi", "got Segmentation Fault", 1),
        (
            "launcher",
            "Out of memory: the kernel has killed worker",
            oom,
        ),
        ("app.stderr", "Request timed out after ", 3),
    ] {
        let is_it =
            |line: &crate::log::Line| line.is_from(source) && line.message().contains(words);
        assert_eq!(running.log.filter(is_it).len(), count, "{words}");
    }
}

#[test]
fn each_end_and_each_refusal_stands_by_its_cause_in_every_view() {
    let section = json!({"wsgi_worker_threads_count": 2, "request_timeout": 2, "queue_size": 1});
    let text = format!("{PROBE_APP}{EATER}");
    let service = Service::new().main_py(&text).nginx_config(&section);
    let group = MemoryGroup::new(MEBIBYTES);
    let enter = group.as_ref().map(MemoryGroup::enter);
    let words: Vec<&str> = enter.iter().flatten().map(String::as_str).collect();
    let running = Launcher::new(&service).through(&words).start_ready();
    let oom = u32::from(group.is_some());
    do_the_worst(&running, &service, group.is_some());
    let status = until(SOON, "everything is counted", || {
        let status = by_socket(&running);
        let all = u64::from(9 + oom);
        let done = status["worker_exits"]["timeout"] == 3 && status["traffic"]["requests"] == all;
        done.then_some(status)
    });
    assert_status(&status, oom.into());
    assert_texts(&running, oom.into());
    assert_pages(&running, oom.into());
    assert_metrics(&running, oom);
    assert_log(&running, usize::from(group.is_some()));
}
