//! Which requests are in the log, and how they are told apart.

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
fn ask_everything(running: &Running) {
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
    ask_everything(&running);
    running.stop(Duration::from_secs(15));
    let mut paths = paths(&running);
    paths.sort();
    assert_eq!(paths, expected);
    // What the application says is not an access record.
    assert!(running.log.contains("the probe was asked to fail"));
}

#[test]
fn all_of_them() {
    check("all", &["/", "/boom", "/delay/2.2", "/no-such-page"]);
}

#[test]
fn those_that_failed_or_were_slow() {
    check("errors", &["/boom", "/delay/2.2", "/no-such-page"]);
}

#[test]
fn none() {
    check("off", &[]);
}

#[test]
fn a_reload_chooses_anew() {
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
fn health_checks_are_kept_out() {
    let section = json!({"wsgi_worker_threads_count": 2, "health_check_path": "/version"});
    let mut running = Launcher::new(&Service::new().nginx_config(&section)).start_ready();
    running.get_ok("/version");
    running.run_command(&["healthcheck"]).assert_code(0);
    running.get_ok("/pid");
    running.stop(Duration::from_secs(15));
    assert_eq!(paths(&running), ["/pid"]);
}

#[test]
fn one_id_for_the_answer_and_every_record_of_a_request() {
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
