//! Static files: what nginx serves below a static prefix, and what it asks the application for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::http::{Request, Response};
use crate::launcher::Launcher;
use crate::load::parallel;
use crate::running::Running;
use crate::service::Service;

/// Answers what it is asked for with 404, but for one route below a static prefix and one page with a validator.
const APP: &str = r#"
import os

from flask import Flask, make_response, request

STATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "state")
app = Flask(__name__, static_folder=None)


@app.route("/app/api/ping", methods=["GET", "POST"])
def ping():
    return "pong"


@app.route("/tag")
def tag():
    response = make_response("t" * 3000)
    response.mimetype = "text/plain"
    response.set_etag("v1")
    return response.make_conditional(request)


@app.route("/", defaults={"path": ""})
@app.route("/<path:path>")
def other(path):
    with open(os.path.join(STATE, "asked"), "ab", buffering=0) as file:
        file.write(b"x")
    return "the application has no " + path, 404
"#;

/// Files below the two static prefixes.
const FILES: &[(&str, &str)] = &[
    ("static/a.txt", "h\u{e9}llo"),
    ("static/docs/index.html", "docs"),
    ("static/images/a.txt", "image"),
    ("static/.env", "SECRET=1"),
    ("static/.git/config", "SECRET=2"),
    ("static/docs/.htpasswd", "SECRET=3"),
    ("dist/index.html", "index of the page"),
    ("dist/a.js", "js"),
    ("dist/.env", "SECRET=4"),
];

fn service(trusted_proxies: &[&str]) -> Service {
    let section = json!({
        "wsgi_worker_threads_count": 2,
        "static": {"/static/": "static", "/app/": "dist"},
        "trusted_proxies": trusted_proxies,
    });
    let mut service = Service::empty().main_py(APP).nginx_config(&section);
    for (path, text) in FILES {
        service = service.file(&format!("src/{path}"), text);
    }
    service
}

fn location(running: &Running, request: &Request) -> String {
    let answer = running.send(request).unwrap();
    assert_eq!(answer.status, 301, "{request:?}: {}", answer.text());
    answer.header("Location").unwrap_or_default().to_owned()
}

/// The values of each header with this name.
fn all<'a>(answer: &'a Response, name: &str) -> Vec<&'a str> {
    let lines = answer.headers.iter();
    lines
        .filter(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
        .collect()
}

#[test]
fn text_is_utf_8() {
    let mut service = service(&[]);
    let text = ["txt", "html", "css", "js", "csv", "md", "mjs", "xml"];
    for kind in text {
        service = service.file(&format!("src/static/b.{kind}"), "h\u{e9}llo");
    }
    for kind in ["png", "woff2", "zip"] {
        service = service.file(&format!("src/static/b.{kind}"), "not text");
    }
    let running = Launcher::new(&service).start_ready();
    let kind_of = |kind: &str| {
        let answer = running.get_ok(&format!("/static/b.{kind}"));
        answer.header("Content-Type").unwrap().to_lowercase()
    };
    for kind in text {
        let told = kind_of(kind);
        assert!(told.ends_with("; charset=utf-8"), "{kind}: {told}");
        assert_eq!(told.matches("charset").count(), 1, "{kind}: {told}");
    }
    for kind in ["png", "woff2", "zip"] {
        assert!(!kind_of(kind).contains("charset"), "{kind}");
    }
}

#[test]
fn a_range_is_served_and_one_beyond_the_end_is_416() {
    let service = service(&[]);
    let mut running = Launcher::new(&service).start_ready();
    let range = |path: &str, range: &str| {
        let request = Request::get(path).header("Range", range);
        running.send(&request).unwrap()
    };
    let part = range("/app/a.js", "bytes=1-1");
    assert_eq!((part.status, part.text().as_str()), (206, "s"));
    let beyond = range("/app/a.js", "bytes=100-200");
    assert_eq!(beyond.status, 416, "{}", beyond.text());
    assert_eq!(all(&beyond, "Content-Range"), ["bytes */2"]);
    assert_eq!(all(&beyond, "X-Request-ID").len(), 1);
    assert!(!beyond.text().contains("the application"));
    assert_eq!(service.noted("asked"), 0);
    running.stop(Duration::from_secs(15));
    let records = running
        .log
        .filter(|line| line.is_from("nginx.access") && line.json["status"] == 416);
    assert_eq!(records.len(), 1, "{records:#?}");
}

#[test]
fn a_dot_file_is_never_served() {
    let service = service(&[]);
    let running = Launcher::new(&service).start_ready();
    let paths = [
        "/static/.env",
        "/static/.git/config",
        "/static/.git/",
        "/static/.git",
        "/static/docs/.htpasswd",
        "/static/%2eenv",
        "/static/docs/../.env",
        "/static//.env",
        "/app/.env",
        "/app/./.env",
    ];
    for path in paths {
        let answer = running.get(path).unwrap();
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
        assert!(!answer.text().contains("SECRET"), "{path}");
    }
    // Flask's own static route would serve them.
    assert_eq!(service.noted("asked"), 0);
}

#[test]
fn a_folder_without_an_index_and_a_missing_file_are_asked_of_the_application() {
    let service = service(&[]);
    let mut running = Launcher::new(&service).start_ready();
    for (asked, path) in (1..).zip([
        "/static/images/",
        "/static/",
        "/static/missing.txt",
        "/static/missing/a.txt",
        "/app/missing.js",
    ]) {
        let answer = running.get(path).unwrap();
        assert_eq!(answer.status, 404, "{path}");
        let from = answer.text();
        assert!(
            from.starts_with("the application has no "),
            "{path}: {from}"
        );
        assert_eq!(service.noted("asked"), asked, "{path}");
    }
    assert_eq!(running.get_ok("/app/").text(), "index of the page");
    assert_eq!(running.get_ok("/static/docs/").text(), "docs");
    running.stop(Duration::from_secs(15));
    let errors = running.log.filter(|line| {
        line.is_from("nginx.error") && !["info", "notice"].contains(&line.str("level"))
    });
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn a_folder_without_its_slash_keeps_the_clients_host_port_and_scheme() {
    let running = Launcher::new(&service(&["127.0.0.1"])).start_ready();
    let folder = |query: &str| Request::get(format!("/static/docs{query}"));
    // A relative Location is right in each case.
    let to = location(&running, &folder("").header("Host", "localhost:8888"));
    assert!(
        ["/static/docs/", "http://localhost:8888/static/docs/"].contains(&to.as_str()),
        "behind a mapped port: {to}"
    );
    let https = folder("?a=b")
        .header("Host", "www.example.com")
        .header("X-Forwarded-Proto", "https");
    let to = location(&running, &https);
    assert!(
        [
            "/static/docs/?a=b",
            "https://www.example.com/static/docs/?a=b"
        ]
        .contains(&to.as_str()),
        "behind a proxy with TLS: {to}"
    );
    let hosted = folder("")
        .header("X-Forwarded-Host", "www.example.com:8443")
        .header("X-Forwarded-Proto", "https");
    let to = location(&running, &hosted);
    assert!(
        ["/static/docs/", "https://www.example.com:8443/static/docs/"].contains(&to.as_str()),
        "behind a proxy with another host: {to}"
    );
    let untrusted = Launcher::new(&service(&[])).start_ready();
    let to = location(
        &untrusted,
        &folder("").header("X-Forwarded-Host", "evil.example"),
    );
    assert!(!to.contains("evil"), "{to}");
}

#[test]
fn validators_work_behind_compression() {
    let script = "console.log(1);".repeat(300);
    let service = service(&[]).file("src/static/b.js", &script);
    let running = Launcher::new(&service).start_ready();
    for path in ["/static/b.js", "/tag"] {
        let gzip = Request::get(path).header("Accept-Encoding", "gzip");
        let answer = running.send_ok(&gzip);
        assert_eq!(answer.header("Content-Encoding"), Some("gzip"), "{path}");
        assert_eq!(answer.header("Vary"), Some("Accept-Encoding"), "{path}");
        let tag = answer.header("ETag").unwrap();
        assert!(tag.starts_with("W/"), "{path}: {tag}");
        let again = gzip.header("If-None-Match", tag);
        assert_eq!(running.send(&again).unwrap().status, 304, "{path}");
    }
}

/// Requests, and what is expected of their answers.
type Case = (fn() -> Request, fn(&Response) -> bool);

const WHILE_DRAINING: &[Case] = &[
    (
        || Request::get("/app/"),
        |answer| answer.status == 200 && answer.text() == "index of the page",
    ),
    (
        || Request::get("/app/a.js"),
        |answer| answer.status == 200 && answer.text() == "js",
    ),
    (
        || Request::get("/app/api/ping"),
        |answer| answer.status == 200 && answer.text() == "pong",
    ),
    (
        || Request::post("/app/api/ping", "a"),
        |answer| answer.status == 200 && answer.text() == "pong",
    ),
    (
        || Request::get("/static/a.txt"),
        |answer| {
            let kind = answer.header("Content-Type").unwrap_or_default();
            answer.status == 200 && kind.to_lowercase() == "text/plain; charset=utf-8"
        },
    ),
    (
        || Request::get("/app/a.js").header("Range", "bytes=100-200"),
        |answer| answer.status == 416 && all(answer, "Content-Range") == ["bytes */2"],
    ),
    (
        || Request::get("/static/.env"),
        |answer| answer.status == 404 && !answer.text().contains("SECRET"),
    ),
    (
        || Request::get("/static/images/"),
        |answer| answer.status == 404 && answer.text().starts_with("the application"),
    ),
    (
        || Request::get("/static/docs").header("Host", "localhost:8888"),
        |answer| {
            let to = answer.header("Location").unwrap_or_default();
            answer.status == 301
                && ["/static/docs/", "http://localhost:8888/static/docs/"].contains(&to)
        },
    ),
];

#[test]
fn the_same_is_served_while_the_service_drains() {
    let running = Launcher::new(&service(&[])).start_ready();
    // The last thread sends the signal when each of the others has had an answer.
    let clients = WHILE_DRAINING.len();
    let ready = std::sync::Barrier::new(clients + 1);
    let silent = AtomicUsize::new(0);
    let wrong = parallel(clients + 1, |i| {
        let Some((request, is_right)) = WHILE_DRAINING.get(i) else {
            ready.wait();
            running.signal(Signal::SIGTERM);
            return Vec::new();
        };
        let request = request()
            .header("Connection", "close")
            .timeout(Duration::from_secs(3));
        let mut wrong = Vec::new();
        let mut ask = || {
            let answer = running.send(&request).ok()?;
            if !is_right(&answer) {
                let head = (answer.status, answer.headers.clone());
                wrong.push(format!("{request:?}: {head:?} {}", answer.text()));
            }
            Some(())
        };
        ask();
        ready.wait();
        let end = Instant::now() + Duration::from_secs(20);
        let mut answers = 0;
        // Until the service does not listen any more.
        while Instant::now() < end && ask().is_some() {
            answers += 1;
        }
        if answers == 0 {
            silent.fetch_add(1, Ordering::Relaxed);
        }
        // One of each kind tells enough.
        wrong.truncate(1);
        wrong
    });
    let wrong = wrong.concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // On a loaded machine a thread may come when the service does not listen any more.
    let silent = silent.into_inner();
    assert!(silent <= clients / 2, "{silent} of {clients} had no answer");
}
