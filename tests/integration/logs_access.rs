//! Which requests have access records, and their request ids.

use std::time::Duration;

use serde_json::{Value, json};

use crate::http::Request;
use crate::launcher::Launcher;
use crate::load::background;
use crate::log::Line;
use crate::running::Running;
use crate::service::Service;
use crate::wait::{pass_time, until};

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

/// Answers 200, or what the client asks for.
const ANSWERS_APP: &str = "def app(environ, start_response):
    start_response(environ.get('HTTP_X_STATUS', '200 OK'), [('Content-Type', 'text/plain')])
    return [b'ok']
";

/// Anybody may ask for the path of the health check, and try something there.
#[test]
fn what_is_no_plain_health_check_is_logged() {
    let section = json!({"wsgi_worker_threads_count": 1, "health_check_path": "/health"});
    let service = Service::empty().main_py(ANSWERS_APP).nginx_config(&section);
    let mut running = Launcher::new(&service).start_ready();
    let ask = |lines: &str| {
        let bytes = format!("{lines}\r\nHost: a\r\nConnection: close\r\n\r\n");
        running.send_bytes("HEAD", &bytes).unwrap();
    };
    for plain in [
        "GET /health HTTP/1.1",
        "GET /health HTTP/1.0",
        "HEAD /health HTTP/1.1",
        "GET /health HTTP/1.1\r\nX-Status: 204 No Content",
        "GET /health HTTP/1.1\r\nX-Status: 302 Found",
    ] {
        ask(plain);
    }
    let logged = [
        "POST /health HTTP/1.1\r\nContent-Length: 0",
        "DELETE /health HTTP/1.1",
        "GETS /health HTTP/1.1",
        "GET /health?a HTTP/1.1",
        "GET /health? HTTP/1.1",
        "GET /health/ HTTP/1.1",
        "GET //health HTTP/1.1",
        "GET /a/../health HTTP/1.1",
        "GET /%68ealth HTTP/1.1",
        "GET /HEALTH HTTP/1.1",
        "GET  /health HTTP/1.1",
        "GET http://a/health HTTP/1.1",
        "GET /health HTTP/1.1\r\nContent-Length: 0",
        "GET /health HTTP/1.1\r\nX-Status: 404 Not Found",
        "GET /health HTTP/1.1\r\nX-Status: 500 No",
        "HEAD /health HTTP/1.1\r\nX-Status: 503 No",
    ];
    for odd in logged {
        ask(odd);
    }
    running.stop(Duration::from_secs(15));
    assert_eq!(paths(&running).len(), logged.len(), "{:?}", paths(&running));
}

#[test]
fn response_and_records_of_a_request_have_the_same_id() {
    let mut running = Launcher::new(&Service::with_slots(2)).start_ready();
    let answer = running.get_ok("/tell/7");
    let id = answer.header("X-Request-ID").unwrap().to_owned();
    assert!(!id.is_empty());
    running.stop(Duration::from_secs(15));
    for source in ["app.stdout", "app.stderr", "nginx.access"] {
        let of_request = |line: &Line| line.is_from(source) && line.str("request_id") == id;
        assert_eq!(running.log.filter(of_request).len(), 1, "{source}");
    }
}

/// The access records of a launcher that has ended, by path.
fn records_of(running: &Running, path: &str) -> Vec<Line> {
    running
        .log
        .filter(|line| line.is_from("nginx.access") && line.str("path") == path)
}

#[test]
fn each_method_is_in_the_record() {
    let mut running = Launcher::new(&Service::with_slots(1)).start_ready();
    let methods = [
        "PROPFIND",
        "M-SEARCH",
        "VERSION-CONTROL",
        "BASELINE-CONTROL",
        "PATCH",
        "OPTIONS",
        "HEAD",
    ];
    for (method, path) in (methods.iter().map(|method| (method, "/")))
        // An error page is made by another request of nginx itself.
        .chain([(&"M-SEARCH", "/..")])
    {
        let request = Request::new(method, path).header("Connection", "close");
        running.send(&request).unwrap();
    }
    running.stop(Duration::from_secs(15));
    let records = running.log.filter(|line| line.is_from("nginx.access"));
    // nginx's workers write when they have answered, each for itself: the order may differ.
    let mut told: Vec<_> = records.iter().map(|line| line.str("method")).collect();
    let mut sent = [&methods[..], &["M-SEARCH"]].concat();
    told.sort_unstable();
    sent.sort_unstable();
    assert_eq!(told, sent);
    for record in &records {
        assert!(record.message().starts_with(record.str("method")));
    }
}

/// What is sent, the status, and what the record tells of it.
const BAD_REQUESTS: &[(&str, &[u16], &str, &[&str])] = &[
    (
        "GET /future?secret=rum HTTP/9.9\r\n\r\n",
        &[400, 505],
        "GET",
        &["/future"],
    ),
    (
        "DELETE /../up?secret=rum HTTP/1.1\r\nHost: a\r\n\r\n",
        &[400],
        "DELETE",
        &["/../up"],
    ),
    (
        "GET /no-host?secret=rum HTTP/1.1\r\n\r\n",
        &[400],
        "GET",
        &["/no-host"],
    ),
    (
        "POST /two-lengths HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        &[400],
        "POST",
        &["/two-lengths"],
    ),
    ("garbage line\r\n\r\n", &[400], "", &["garbage"]),
    ("get /lower-case HTTP/1.1\r\n\r\n", &[400], "", &["get"]),
    ("\u{16}\u{3}\u{1} TLS\r\n\r\n", &[400], "", &["\u{16}"]),
];

#[test]
fn what_came_of_a_bad_request_is_in_its_record() {
    let mut running = Launcher::new(&Service::with_slots(1)).start_ready();
    for (bytes, statuses, _, _) in BAD_REQUESTS {
        let answer = running.send_bytes("GET", bytes).unwrap();
        assert!(statuses.contains(&answer.status), "{bytes:?}");
    }
    running.stop(Duration::from_secs(15));
    let records = running.log.filter(|line| line.is_from("nginx.access"));
    assert_eq!(records.len(), BAD_REQUESTS.len(), "{records:#?}");
    let tells = |record: &Line, statuses: &[u16], method: &str, words: &[&str]| {
        let fields = record.json.as_object().unwrap().values();
        let texts: Vec<_> = fields.filter_map(Value::as_str).collect();
        let says = |word: &&str| texts.iter().any(|text| text.contains(word));
        statuses
            .iter()
            .any(|status| record.json["status"] == *status)
            && (method.is_empty() || record.str("method") == method)
            && words.iter().all(says)
    };
    for (bytes, statuses, method, words) in BAD_REQUESTS {
        let told = records
            .iter()
            .filter(|record| tells(record, statuses, method, words));
        assert_eq!(told.count(), 1, "{bytes:?}: {records:#?}");
    }
    assert!(!running.log.contains("secret"));
}

#[test]
fn the_wait_the_work_and_the_worker_are_told_apart() {
    let service = Service::with_slots(1).file("src/static/a.txt", "a");
    let mut running = Launcher::new(&service).start_ready();
    let first = background(
        running.address,
        Request::get("/until/go?note=first").header("Connection", "close"),
    );
    service.wait_for_notes("first", 1);
    let second = background(
        running.address,
        Request::get("/delay/0.3").header("Connection", "close"),
    );
    // The second one waits for the only slot for this time at least, once it is sent.
    until(Duration::from_secs(10), "a request waits", || {
        (running.status()["waiting"].as_u64()? > 0).then_some(())
    });
    pass_time(Duration::from_millis(400));
    service.write("state/go", "");
    for request in [first, second] {
        assert_eq!(request.join().unwrap().unwrap().status, 200);
    }
    running.get_ok("/static/a.txt");
    running.stop(Duration::from_secs(15));
    let record = |path: &str| records_of(&running, path).pop().unwrap().json;
    let number = |record: &Value, key: &str| {
        record[key]
            .as_f64()
            .unwrap_or_else(|| panic!("no {key}: {record}"))
    };
    let (first, second) = (record("/until/go"), record("/delay/0.3"));
    assert!(number(&first, "queue_ms") < 400.0, "{first}");
    assert!(number(&first, "app_ms") >= 400.0, "{first}");
    assert!(number(&second, "queue_ms") >= 400.0, "{second}");
    let app = number(&second, "app_ms");
    assert!(app >= 300.0, "{second}");
    assert!(app < number(&second, "duration_ms") - 300.0, "{second}");
    for record in [first, second] {
        assert_eq!(record["worker"], 1, "{record}");
        assert_eq!(record.get("reason"), None, "{record}");
    }
    let file = record("/static/a.txt");
    for key in ["queue_ms", "app_ms", "worker", "reason"] {
        assert_eq!(file.get(key), None, "{file}");
    }
}

#[test]
fn what_the_record_is_made_of_does_not_reach_the_client() {
    let running = Launcher::new(&Service::with_slots(1)).start_ready();
    for path in ["/", "/boom", "/stream/3"] {
        let answer = running.get(path).unwrap();
        let known = [
            "server",
            "date",
            "content-type",
            "content-length",
            "transfer-encoding",
            "connection",
            "vary",
            "x-request-id",
        ];
        for (name, _) in &answer.headers {
            let name = name.to_lowercase();
            assert!(known.contains(&name.as_str()), "{path}: {name}");
        }
    }
}
