//! The body of a response is what the application gave, and the connection stays in step after it.

use std::time::Instant;

use serde_json::{Value, json};

use crate::http::{Request, TIMEOUT};
use crate::launcher::Launcher;
use crate::service::{Service, one_process, two_threads};

const APP: &str = r#"
import sys
from wsgiref.util import FileWrapper

PLAIN = [("Content-Type", "text/plain")]
BODIES = {
    "/list": [b"one ", b"two"],
    "/tuple": (b"one ", b"two"),
    "/empty": [],
    "/empty-chunks": [b"", b"", b""],
    "/gaps": [b"", b"one ", b"", b"two", b""],
}


def generate():
    for piece in range(1000):
        yield b"piece %d\n" % piece


def lazy(start_response):
    start_response("200 OK", PLAIN)
    yield b""
    yield b"lazy"


class Closing:
    """An iterable that is neither a list nor a generator."""

    def __getitem__(self, index):
        if index > 1:
            raise IndexError
        return [b"one ", b"two"][index]


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/204":
        start_response("204 No Content", [])
        return [b"body"]
    if path == "/304":
        start_response("304 Not Modified", [("ETag", '"a"')])
        return [b"body"]
    if path == "/own-headers":
        start_response("200 OK", PLAIN + [("Date", "yesterday"), ("Server", "mine"), ("Connection", "upgrade")])
        return [b"body"]
    if path == "/long":
        start_response("200 OK", PLAIN + [("Content-Length", "3")])
        return [b"abc", b"def"]
    if path == "/write":
        write = start_response("200 OK", PLAIN)
        write(b"one ")
        return [b"two"]
    if path == "/replaced":
        start_response("200 OK", PLAIN)
        try:
            raise ValueError
        except ValueError:
            start_response("500 Oops", PLAIN, sys.exc_info())
        return [b"replaced"]
    if path == "/lazy":
        return lazy(start_response)
    if path == "/file":
        start_response("200 OK", PLAIN)
        return environ.get("wsgi.file_wrapper", FileWrapper)(open(__file__, "rb"))
    if path == "/cookies":
        start_response("200 OK", PLAIN + [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Empty", "")])
        return [b"cookies"]
    if path == "/latin-1":
        start_response("200 OK", PLAIN + [("X-Name", "caf\xe9"), ("X-Tab", "a\tb")])
        return [b"latin-1"]
    if path == "/length":
        start_response("200 OK", PLAIN + [("Content-Length", "7")])
        return [b"one ", b"two"]
    start_response("200 OK", PLAIN)
    if path == "/stream":
        return generate()
    if path == "/getitem":
        return Closing()
    return BODIES[path]
"#;

fn service(section: &Value) -> Service {
    Service::empty().main_py(APP).nginx_config(section)
}

fn pieces() -> String {
    let pieces: Vec<_> = (0..1000).map(|piece| format!("piece {piece}\n")).collect();
    pieces.concat()
}

/// Sends each request twice on one connection.
#[track_caller]
fn check(section: &Value) {
    let running = Launcher::new(&service(section)).start_ready();
    let pieces = pieces();
    let rows = [
        ("GET", "/list", 200, "one two"),
        ("GET", "/tuple", 200, "one two"),
        ("GET", "/length", 200, "one two"),
        ("GET", "/gaps", 200, "one two"),
        ("GET", "/getitem", 200, "one two"),
        ("GET", "/write", 200, "one two"),
        ("GET", "/empty", 200, ""),
        ("GET", "/empty-chunks", 200, ""),
        ("GET", "/lazy", 200, "lazy"),
        ("GET", "/stream", 200, &pieces),
        ("GET", "/file", 200, APP),
        ("GET", "/replaced", 500, "replaced"),
        ("GET", "/204", 204, ""),
        ("GET", "/304", 304, ""),
        ("GET", "/long", 200, "abc"),
        ("HEAD", "/list", 200, ""),
        ("HEAD", "/length", 200, ""),
        ("HEAD", "/write", 200, ""),
        ("HEAD", "/stream", 200, ""),
        ("HEAD", "/file", 200, ""),
    ];
    let mut connection = running.connect();
    for (method, path, status, body) in rows {
        for _ in 0..2 {
            let answer = connection.send(&Request::new(method, path)).unwrap();
            assert_eq!(
                (answer.status, answer.text().as_str()),
                (status, body),
                "{method} {path}"
            );
            if !connection.is_reusable() {
                // A server may close, but may not send more than the response.
                assert!(
                    connection
                        .read_until_closed(Instant::now() + TIMEOUT)
                        .unwrap()
                        .is_empty()
                );
                connection = running.connect();
            }
        }
    }
}

#[test]
fn each_kind_of_body_arrives_with_a_process() {
    check(&one_process());
}

#[test]
fn each_kind_of_body_arrives_with_a_process_without_a_timeout() {
    let mut section = one_process();
    section["request_timeout"] = json!(0);
    check(&section);
}

#[test]
fn each_kind_of_body_arrives_with_threads() {
    check(&two_threads());
}

#[test]
fn an_old_client_gets_streams_without_chunks() {
    let running = Launcher::new(&service(&one_process())).start_ready();
    let answer = running
        .send_bytes("GET", "GET /stream HTTP/1.0\r\n\r\n")
        .unwrap();
    assert_eq!(answer.header("Transfer-Encoding"), None);
    assert_eq!(answer.text(), pieces());
}

#[test]
fn a_compressed_stream_is_whole() {
    let running = Launcher::new(&service(&one_process())).start_ready();
    let request = Request::get("/stream").header("Accept-Encoding", "gzip");
    let answer = running.send_ok(&request);
    assert_eq!(answer.header("Content-Encoding"), Some("gzip"));
    // The last four bytes are the length of what was compressed (RFC 1952).
    let length = u32::try_from(pieces().len()).unwrap().to_le_bytes();
    assert!(answer.body.ends_with(&length), "{:?}", answer.body);
}

#[test]
fn headers_arrive_as_the_application_gave_them() {
    let running = Launcher::new(&service(&one_process())).start_ready();
    let answer = running.get_ok("/cookies");
    let cookies: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "Set-Cookie")
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    let text = running.get_ok("/latin-1");
    assert_eq!(text.header("X-Tab"), Some("a\tb"));
    // One byte, which is not UTF-8.
    assert_eq!(text.header("X-Name"), Some("caf\u{fffd}"));
}

#[test]
fn the_headers_of_the_server_are_there_once() {
    let service = Service::empty().main_py(APP).nginx_config(&one_process());
    let running = Launcher::new(&service).start_ready();
    for path in ["/list", "/own-headers"] {
        let answer = running.send(&Request::get(path)).unwrap();
        let all = |wanted: &str| {
            let headers = answer.headers.iter();
            headers
                .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(all("Server"), ["nginx"], "{path}");
        assert_eq!(all("Date").len(), 1, "{path}");
        assert!(all("Date")[0].ends_with(" GMT"), "{path}");
        assert_eq!(all("Connection"), ["keep-alive"], "{path}");
    }
}
