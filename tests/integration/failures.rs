//! An application that fails before the first byte of its response: the client gets 500, the request runs once, the
//! worker lives, and one record tells why.

use std::time::Duration;

use serde_json::{Value, json};

use crate::http::Request;
use crate::launcher::Launcher;
use crate::log::Line;
use crate::running::Running;
use crate::service::{Service, one_process, two_threads};

const FAILING_APP: &str = include_str!("failing.py");

/// A path of the application, and what its record says.
struct Row(&'static str, &'static [&'static str]);

const IDEMPOTENT_AND_NOT: [&str; 4] = ["GET", "PUT", "DELETE", "POST"];

/// Exceptions that reach the server; each is sent with each method.
const EXCEPTIONS: &[Row] = &[
    Row("/view", &["main.py", "RuntimeError: from the view"]),
    Row("/exit", &["main.py", "SystemExit: no more rum"]),
    Row("/teardown", &["main.py", "RuntimeError: from teardown"]),
    Row(
        "/first-chunk",
        &["main.py", "RuntimeError: from the first chunk"],
    ),
    Row("/middleware", &["main.py", "KeyError: 'from middleware'"]),
];

/// Further kinds, sent with GET.
const FAILURES: &[Row] = &[
    Row("/exit-0", &["main.py", "SystemExit"]),
    Row("/interrupt", &["main.py", "KeyboardInterrupt"]),
    Row("/storm", &["main.py", "Storm: from the sea"]),
    Row(
        "/started",
        &["main.py", "RuntimeError: from after start_response"],
    ),
    Row(
        "/empty-chunk",
        &["main.py", "RuntimeError: from after an empty chunk"],
    ),
    Row("/name-of-a-file", &["Error", "header"]),
    Row("/header/not-latin-1", &["Error", "header"]),
    Row("/header/number", &["Error", "header"]),
    Row("/header/none", &["Error", "header"]),
    Row("/header/bytes", &["Error", "header"]),
    Row("/header/line-break", &["Error", "header"]),
    Row("/header/line-feed", &["Error", "header"]),
    Row("/header/zero", &["Error", "header"]),
    Row("/header/space-in-name", &["Error", "header"]),
    Row("/header/line-break-in-name", &["Error", "header"]),
    Row("/header/three", &["Error", "header"]),
    Row("/status/number", &["Error", "status"]),
    Row("/status/none", &["Error", "status"]),
    Row("/status/not-latin-1", &["Error", "status"]),
    Row("/status/line-break", &["Error", "status"]),
    Row("/status/words", &["Error", "status"]),
    Row("/chunk/text", &["Error", "str"]),
    Row("/chunk/number", &["Error", "int"]),
    Row("/chunk/none", &["Error", "None"]),
    Row("/result/none", &["Error", "None"]),
    Row("/result/number", &["Error", "int"]),
    Row("/result/text", &["Error", "str"]),
    Row("/silent", &["Error", "start_response"]),
];

fn with(mut section: Value, request_timeout: u32) -> Service {
    section["request_timeout"] = json!(request_timeout);
    Service::empty().main_py(FAILING_APP).nginx_config(&section)
}

/// All texts of a record, one after the other.
fn texts(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text}\n"),
        Value::Object(fields) => fields.values().map(texts).collect(),
        _ => String::new(),
    }
}

/// Sends one failing request; returns what is wrong with the answer.
fn wrong_answer(service: &Service, running: &Running, method: &'static str, row: &Row) -> String {
    let id = id_of(method, row);
    let pid = running.get_ok("/pid").text();
    let request = Request::new(method, row.0).header("X-Request-ID", &id);
    let answer = running.send(&request);
    let status = answer.map(|answer| answer.status);
    let runs = service.noted(&id);
    let stays = running.get_ok("/pid").text() == pid;
    match status {
        Ok(500) if runs == 1 && stays => String::new(),
        Ok(status) => format!("status {status}, runs {runs}, same worker {stays}"),
        Err(failure) => format!("{failure}, runs {runs}, same worker {stays}"),
    }
}

/// What is wrong with the records of a failed request, when all have been written.
fn wrong_record(running: &Running, method: &str, row: &Row) -> String {
    let id = id_of(method, row);
    let of_request = |line: &Line| line.is_from("app.stderr") && line.str("request_id") == id;
    let records = running.log.filter(of_request);
    let [record] = &records[..] else {
        return format!("{} records of the application", records.len());
    };
    let text = texts(&record.json);
    let says = |word: &str| text.to_lowercase().contains(&word.to_lowercase());
    let missing: Vec<_> = row.1.iter().filter(|word| !says(word)).collect();
    if record.str("level") == "error" && missing.is_empty() && !text.contains("microservice_flask_")
    {
        return String::new();
    }
    format!("without {missing:?} or with frames of the server: {text}")
}

fn id_of(method: &str, row: &Row) -> String {
    format!("{method}{}", row.0.replace('/', "."))
}

/// Sends each row to one service, and compares its answers, and its records when it has ended.
#[track_caller]
fn check(service: &Service) {
    let mut running = Launcher::new(service).start_ready();
    let each_method = EXCEPTIONS
        .iter()
        .flat_map(|row| IDEMPOTENT_AND_NOT.map(|method| (method, row)));
    let requests: Vec<_> = each_method
        .chain(FAILURES.iter().map(|row| ("GET", row)))
        .collect();
    let answers: Vec<_> = requests
        .iter()
        .map(|(method, row)| wrong_answer(service, &running, method, row))
        .collect();
    running.stop(Duration::from_secs(15));
    let mut wrong = Vec::new();
    for ((method, row), answer) in requests.into_iter().zip(answers) {
        for fault in [answer, wrong_record(&running, method, row)] {
            if !fault.is_empty() {
                wrong.push(format!("{method} {}: {fault}", row.0));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_kind_is_500_once_with_a_process() {
    check(&with(one_process(), 60));
}

#[test]
fn each_kind_is_500_once_with_a_process_without_a_timeout() {
    check(&with(one_process(), 0));
}

#[test]
fn each_kind_is_500_once_with_threads() {
    check(&with(two_threads(), 60));
}

#[test]
fn each_kind_is_500_once_with_threads_without_a_timeout() {
    check(&with(two_threads(), 0));
}

#[test]
fn the_answer_is_in_the_accepted_format() {
    let running = Launcher::new(&with(one_process(), 60)).start_ready();
    let ask = |path: &str, accept: &str, id: &str| {
        let request = Request::get(path)
            .header("Accept", accept)
            .header("X-Request-ID", id);
        running.send(&request).unwrap()
    };
    for path in ["/view", "/middleware", "/header/number", "/result/none"] {
        let html = ask(path, "text/html", "html.1");
        assert_eq!(html.status, 500, "{path}");
        assert_eq!(html.header("X-Request-ID"), Some("html.1"), "{path}");
        let kind = html.header("Content-Type").unwrap_or_default();
        assert!(kind.starts_with("text/html"), "{path}: {kind}");
        assert!(html.text().contains("html.1"), "{path}: {}", html.text());
        assert_eq!(html.header("X-Name"), None, "{path}");
        let json = ask(path, "application/json", "json.1");
        let expected =
            json!({"status": 500, "error": "Internal Server Error", "request_id": "json.1"});
        assert_eq!((json.status, json.json()), (500, expected), "{path}");
        let kind = json.header("Content-Type").unwrap_or_default();
        assert!(kind.starts_with("application/json"), "{path}: {kind}");
    }
}

#[test]
fn a_failing_head_request_has_no_body() {
    let running = Launcher::new(&with(one_process(), 60)).start_ready();
    let mut connection = running.connect();
    let head = connection.send(&Request::new("HEAD", "/middleware").header("X-Request-ID", "head"));
    assert_eq!(head.unwrap().status, 500);
    // The connection is in step.
    assert_eq!(connection.send(&Request::get("/pid")).unwrap().status, 200);
}

#[test]
fn debug_mode_makes_no_difference() {
    let service = Service::empty()
        .main_py(
            "import os\nfrom flask import Flask\napp = Flask(__name__)\n\
             @app.route('/pid')\ndef pid():\n    return str(os.getpid())\n\
             @app.route('/boom')\ndef boom():\n    raise ValueError('in debug mode')\n",
        )
        .nginx_config(&json!({"wsgi_worker_threads_count": 1}));
    let mut running = Launcher::new(&service)
        .env("FLASK_DEBUG", "1")
        .start_ready();
    let pid = running.get_ok("/pid").text();
    let boom = Request::get("/boom").header("X-Request-ID", "debug.1");
    assert_eq!(running.send(&boom).unwrap().status, 500);
    assert_eq!(running.get_ok("/pid").text(), pid);
    running.stop(Duration::from_secs(15));
    let told = |line: &Line| texts(&line.json).contains("ValueError: in debug mode");
    assert_eq!(running.log.filter(told).len(), 1);
}

#[test]
fn a_failure_after_a_whole_response_is_logged_and_changes_nothing() {
    for model in [one_process(), two_threads()] {
        let service = with(model, 60);
        let mut running = Launcher::new(&service).start_ready();
        let pid = running.get_ok("/pid").text();
        let close = Request::get("/close").header("X-Request-ID", "close.1");
        assert_eq!(running.send_ok(&close).text(), "whole");
        assert_eq!(running.get_ok("/pid").text(), pid);
        running.stop(Duration::from_secs(15));
        let records = running.log.filter(|line| {
            line.is_from("app.stderr") && texts(&line.json).contains("RuntimeError: from close")
        });
        assert_eq!(records.len(), 1, "{records:#?}");
        assert_eq!(records[0].str("request_id"), "close.1");
        assert_eq!(service.noted("close.1"), 1);
    }
}
