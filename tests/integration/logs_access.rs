//! Which requests have access records, and their request ids.

use std::time::Duration;

use serde_json::{Value, json};

use crate::http::Request;
use crate::launcher::Launcher;
use crate::running::Running;
use crate::service::Service;

fn config(access: &str) -> Value {
    json!({
        "use_nginx": true,
        "nginx_config": {"wsgi_worker_threads_count": 2, "request_timeout": 4},
        "log_config": {"access": access},
    })
}

/// One request of each kind; the slow one takes more than half of the request_timeout.
fn send_one_request_of_each_kind(running: &Running) {
    for path in ["/", "/delay/2.2", "/no-such-page", "/boom"] {
        let request = Request::get(path).header("Connection", "close");
        running.send(&request).unwrap();
    }
}

/// The paths of all access records of a launcher that has ended.
fn paths(running: &Running) -> Vec<String> {
    let records = running.log.filter(|line| line.is_from("nginx.access"));
    let paths = records.iter().map(|line| line.str("path").to_owned());
    paths.collect()
}

#[track_caller]
fn check(access: &str, expected: &[&str]) {
    let service = Service::new().config(&config(access));
    let mut running = Launcher::new(&service).start_ready();
    send_one_request_of_each_kind(&running);
    running.stop(Duration::from_secs(15));
    let mut paths = paths(&running);
    paths.sort();
    assert_eq!(paths, expected);
    // The application's output is logged in any case.
    assert!(running.log.contains("the probe was asked to fail"));
}

#[test]
fn all_requests() {
    check("all", &["/", "/boom", "/delay/2.2", "/no-such-page"]);
}

#[test]
fn failed_and_slow_requests() {
    check("errors", &["/boom", "/delay/2.2", "/no-such-page"]);
}

#[test]
fn none() {
    check("off", &[]);
}

#[test]
fn a_reload_changes_the_selection() {
    let service = Service::new().config(&config("off"));
    let mut running = Launcher::new(&service).start_ready();
    running.get_ok("/version?before");
    service.write("config/config.json", &config("all").to_string());
    running.run_command(&["reload"]).assert_code(0);
    running.get_ok("/pid");
    running.stop(Duration::from_secs(15));
    assert_eq!(paths(&running), ["/pid"]);
}

#[test]
fn a_refused_reload_changes_nothing() {
    let service = Service::new().config(&config("off"));
    let mut running = Launcher::new(&service).start_ready();
    service.write("config/config.json", &config("everything").to_string());
    let refused = running.run_command(&["reload"]);
    refused.assert_code(78).assert_says("/log_config/access");
    running.get_ok("/pid");
    running.stop(Duration::from_secs(15));
    assert!(paths(&running).is_empty(), "{:?}", paths(&running));
}

#[test]
fn health_checks_are_not_logged() {
    let section = json!({"wsgi_worker_threads_count": 2, "health_check_path": "/version"});
    let mut running = Launcher::new(&Service::new().nginx_config(&section)).start_ready();
    running.get_ok("/version");
    running.run_command(&["healthcheck"]).assert_code(0);
    running.get_ok("/pid");
    running.stop(Duration::from_secs(15));
    assert_eq!(paths(&running), ["/pid"]);
}

#[test]
fn response_and_records_of_a_request_have_the_same_id() {
    let mut running = Launcher::new(&Service::with_slots(2)).start_ready();
    let answer = running.get_ok("/tell/7");
    let id = answer.header("X-Request-ID").unwrap().to_owned();
    assert!(!id.is_empty());
    running.stop(Duration::from_secs(15));
    for source in ["app.stdout", "app.stderr", "nginx.access"] {
        let of_request =
            |line: &crate::log::Line| line.is_from(source) && line.str("request_id") == id;
        assert_eq!(running.log.filter(of_request).len(), 1, "{source}");
    }
}
