//! The environ of a request is PEP 3333's.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{Request, Response};
use crate::launcher::Launcher;
use crate::running::Running;
use crate::service::{Service, one_process, two_threads};

pub(crate) const ENVIRONS_APP: &str = include_str!("environs.py");

fn start(section: &Value) -> Running {
    let service = Service::empty().main_py(ENVIRONS_APP);
    Launcher::new(&service.nginx_config(section)).start_ready()
}

/// The environ of a request that is sent as these lines, to which the end of the head is added.
#[track_caller]
fn environ(running: &Running, lines: &[&str]) -> Value {
    let text = format!("{}\r\n\r\n", lines.join("\r\n"));
    let answer = running.send_bytes("GET", &text).unwrap();
    assert_eq!(answer.status, 200, "{lines:?}: {}", answer.text());
    answer.json()
}

#[track_caller]
fn check(running: &Running, lines: &[&str], expected: &[(&str, Value)]) {
    let environ = environ(running, lines);
    for (key, value) in expected {
        assert_eq!(
            environ.get(*key).unwrap_or(&Value::Null),
            value,
            "{key} of {lines:?}: {environ:#}"
        );
    }
}

#[test]
fn each_variable_of_pep_3333_is_there() {
    let running = start(&one_process());
    let host = format!("Host: localhost:{}", running.address.port());
    check(
        &running,
        &["GET /a/b?c=d%20e&f HTTP/1.1", &host],
        &[
            ("type", json!("dict")),
            ("bytes", json!([])),
            ("REQUEST_METHOD", json!("GET")),
            ("SCRIPT_NAME", json!("")),
            ("PATH_INFO", json!("/a/b")),
            ("QUERY_STRING", json!("c=d%20e&f")),
            ("REQUEST_URI", json!("/a/b?c=d%20e&f")),
            ("SERVER_PORT", json!(running.address.port().to_string())),
            ("SERVER_PROTOCOL", json!("HTTP/1.1")),
            ("REMOTE_ADDR", json!("127.0.0.1")),
            ("REQUEST_SCHEME", json!("http")),
            ("HTTPS", Value::Null),
            (
                "HTTP_HOST",
                json!(format!("localhost:{}", running.address.port())),
            ),
            ("wsgi.version", json!([1, 0])),
            ("wsgi.url_scheme", json!("http")),
            ("wsgi.run_once", json!(false)),
            (
                "wsgi.input",
                json!(["read", "readline", "readlines", "__iter__"]),
            ),
            ("wsgi.errors", json!(["flush", "write", "writelines"])),
        ],
    );
    let environ = environ(&running, &["GET / HTTP/1.1", "Host: a"]);
    for key in ["SERVER_NAME", "REMOTE_PORT"] {
        assert_ne!(environ[key].as_str().unwrap_or_default(), "", "{environ:#}");
    }
    // A query that is not there may be absent or empty.
    assert!(matches!(environ["QUERY_STRING"].as_str(), None | Some("")));
}

#[test]
fn the_port_of_the_client_is_its_own() {
    let running = start(&one_process());
    let mut connection = running.connect();
    let answer = connection.send(&Request::get("/")).unwrap();
    let port = connection.local_port().to_string();
    assert_eq!(answer.json()["REMOTE_PORT"], port);
}

#[test]
fn content_headers_are_there_once() {
    let running = start(&one_process());
    let request = Request::post("/", "a=b").header("Content-Type", "text/x-rum; charset=utf-8");
    for answer in [
        running.send_ok(&request),
        running.send_ok(&Request::get("/")),
    ] {
        let environ = answer.json();
        for key in ["HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"] {
            assert_eq!(environ.get(key), None, "{environ:#}");
        }
    }
    let environ = running.send_ok(&request).json();
    assert_eq!(environ["CONTENT_TYPE"], "text/x-rum; charset=utf-8");
    assert_eq!(environ["CONTENT_LENGTH"], "3");
    let environ = running.send_ok(&Request::get("/")).json();
    for key in ["CONTENT_TYPE", "CONTENT_LENGTH"] {
        // Absent or empty (PEP 3333): a number of bytes that are not there would be wrong.
        assert!(matches!(environ[key].as_str(), None | Some("" | "0")));
    }
}

#[test]
fn a_chunked_body_has_a_length_and_no_coding() {
    let running = start(&one_process());
    let request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5\r\nhello\r\n0\r\n\r\n";
    let environ = running.send_bytes("POST", request).unwrap().json();
    assert_eq!(environ["CONTENT_LENGTH"], "5");
    assert_eq!(environ.get("HTTP_TRANSFER_ENCODING"), None);
}

#[test]
fn without_a_host_the_server_has_the_address_of_the_connection() {
    let running = start(&one_process());
    check(
        &running,
        &["GET / HTTP/1.0"],
        &[
            ("HTTP_HOST", Value::Null),
            ("SERVER_NAME", json!("127.0.0.1")),
            ("SERVER_PORT", json!(running.address.port().to_string())),
            ("SERVER_PROTOCOL", json!("HTTP/1.0")),
            ("SCRIPT_NAME", json!("")),
        ],
    );
}

#[test]
fn paths_are_decoded_and_the_uri_is_as_sent() {
    let running = start(&one_process());
    for (uri, path) in [
        ("/", "/"),
        ("/a%2Fb", "/a/b"),
        ("/a%3Fb?c", "/a?b"),
        ("/a%25b", "/a%b"),
        ("/%E2%82%AC", "/\u{e2}\u{82}\u{ac}"),
        ("/a;x=1/b", "/a;x=1/b"),
        ("/a+b%2Bc", "/a+b+c"),
        ("/a%20b", "/a b"),
        ("/a/../b", "/b"),
        ("/a/./b", "/a/b"),
        ("/a/%2e%2e/b", "/b"),
        ("//a", "//a"),
        ("/a//b///c", "/a//b///c"),
        ("/a/", "/a/"),
    ] {
        check(
            &running,
            &[&format!("GET {uri} HTTP/1.1"), "Host: a"],
            &[
                ("PATH_INFO", json!(path)),
                ("REQUEST_URI", json!(uri)),
                ("SCRIPT_NAME", json!("")),
            ],
        );
    }
    for uri in ["/../b", "/a%00b", "/a%zz"] {
        let answer = running.get(uri).unwrap();
        assert_eq!(answer.status, 400, "{uri}");
    }
}

#[test]
fn methods_arrive_as_sent() {
    let running = start(&one_process());
    for method in ["PROPFIND", "PURGE", "OPTIONS", "PATCH", "M-SEARCH"] {
        let line = format!("{method} /x HTTP/1.1");
        check(
            &running,
            &[&line, "Host: a"],
            &[("REQUEST_METHOD", json!(method))],
        );
    }
    let status = |method: &'static str| {
        running
            .send(&Request::new(method, "/").header("Connection", "close"))
            .map(|answer: Response| answer.status)
            .unwrap()
    };
    assert_eq!(status("get"), 400);
    assert_eq!(status("TRACE"), 405);
}

#[test]
fn repeated_headers_are_joined() {
    let running = start(&one_process());
    check(
        &running,
        &[
            "GET / HTTP/1.1",
            "Host: a",
            "Cookie: a=1",
            "X-Tag: one",
            "Cookie: b=2",
            "X-Tag: two",
            "X-Tag: three, four",
            "Accept: text/html",
            "Accept: application/json",
        ],
        &[
            ("HTTP_COOKIE", json!("a=1; b=2")),
            ("HTTP_X_TAG", json!("one, two, three, four")),
            ("HTTP_ACCEPT", json!("text/html, application/json")),
        ],
    );
}

#[test]
fn header_values_are_latin_1_text() {
    let running = start(&one_process());
    check(
        &running,
        &["GET / HTTP/1.1", "Host: a", "X-Name: \u{e9}", "X-Empty:"],
        &[
            ("HTTP_X_NAME", json!("\u{c3}\u{a9}")),
            ("HTTP_X_EMPTY", json!("")),
        ],
    );
}

#[test]
fn the_worker_model_is_told() {
    let two_processes = json!({"wsgi_worker_threads_count": 2});
    let both = json!({"wsgi_worker_threads_count": 4, "wsgi_processes": 2});
    for (section, threads, processes) in [
        (two_processes, false, true),
        (two_threads(), true, false),
        (both, true, true),
        (one_process(), false, false),
    ] {
        let running = start(&section);
        let environ = running.get_ok("/").json();
        assert_eq!(environ["wsgi.multithread"], threads, "{section}");
        assert_eq!(environ["wsgi.multiprocess"], processes, "{section}");
    }
}

/// The example service, with the checks of Python's own library around it.
fn validated_example() -> Service {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("example-rum-counter/src");
    let main = fs::read_to_string(source.join("main.py")).unwrap();
    let checked = "\n\n@app.post(\"/echo\")\ndef echo():\n    from flask import request\n    \
                   return request.get_data()\n\n\nfrom wsgiref.validate import validator\n\
                   app.wsgi_app = validator(app.wsgi_app)\n";
    let index = fs::read_to_string(source.join("templates/index.html")).unwrap();
    Service::empty()
        .main_py(&format!("{main}{checked}"))
        .file("src/templates/index.html", &index)
}

#[test]
fn the_validator_of_the_standard_library_finds_nothing() {
    for mut section in [one_process(), two_threads()] {
        for request_timeout in [0, 60] {
            section["request_timeout"] = json!(request_timeout);
            let service = validated_example().nginx_config(&section);
            let database = service.root().join("state/rum.db").display().to_string();
            let mut running = Launcher::new(&service)
                .env("RUM_DB", database)
                .start_ready();
            for path in ["/", "/report", "/delay/0", "/report?a=b"] {
                running.get_ok(path);
            }
            let drink = Request::post("/drink/jack/3", "");
            assert_eq!(running.send_ok(&drink).json()["total"], 3);
            let echo = Request::post("/echo", "a body").header("Content-Type", "text/plain");
            assert_eq!(running.send_ok(&echo).text(), "a body");
            let head = Request::new("HEAD", "/report");
            assert_eq!(running.send(&head).unwrap().status, 200);
            assert_eq!(running.get("/no-such-page").unwrap().status, 404);
            running.stop(Duration::from_secs(15));
            for complaint in ["AssertionError", "WSGIWarning"] {
                assert!(!running.log.contains(complaint), "{section}");
            }
        }
    }
}
