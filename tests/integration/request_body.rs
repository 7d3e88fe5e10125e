//! `wsgi.input`: what an application reads of a request's body, by PEP 3333.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::{Request, TIMEOUT};
use crate::launcher::Launcher;
use crate::running::Running;
use crate::service::{Service, one_process, two_threads};

/// Evaluates the expression of a header with the body as `body`.
const READING_APP: &str = r#"
import hashlib


def app(environ, start_response):
    names = {"body": environ["wsgi.input"], "hashlib": hashlib}
    answer = eval(environ["HTTP_X_READ"], names)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr(answer).encode()]
"#;

/// Reads of the body [`LINES`], and what they return.
const READS: &[(&str, &str)] = &[
    ("body.read()", r"b'ab\ncdef\n\ng'"),
    ("body.read(-1)", r"b'ab\ncdef\n\ng'"),
    ("body.read(0)", "b''"),
    ("body.read(4)", r"b'ab\nc'"),
    (
        "[body.read(4), body.read(4), body.read(100), body.read(1), body.read()]",
        r"[b'ab\nc', b'def\n', b'\ng', b'', b'']",
    ),
    ("body.readline()", r"b'ab\n'"),
    ("body.readline(0)", "b''"),
    ("body.readline(2)", "b'ab'"),
    ("body.readline(3)", r"b'ab\n'"),
    ("body.readline(100)", r"b'ab\n'"),
    (
        "[body.readline(2), body.readline(2), body.readline(2), body.readline()]",
        r"[b'ab', b'\n', b'cd', b'ef\n']",
    ),
    (
        "[body.readline() for line in range(6)]",
        r"[b'ab\n', b'cdef\n', b'\n', b'g', b'', b'']",
    ),
    ("body.readlines()", r"[b'ab\n', b'cdef\n', b'\n', b'g']"),
    ("list(body)", r"[b'ab\n', b'cdef\n', b'\n', b'g']"),
    (
        "[next(iter(body)), body.read(2), body.readline(), body.readlines()]",
        r"[b'ab\n', b'cd', b'ef\n', [b'\n', b'g']]",
    ),
    (
        "[body.read(), body.readline(), list(body)]",
        r"[b'ab\ncdef\n\ng', b'', []]",
    ),
];
const LINES: &str = "ab\ncdef\n\ng";

fn service(section: &Value) -> Service {
    Service::empty().main_py(READING_APP).nginx_config(section)
}

fn read(running: &Running, expression: &str, body: impl Into<Vec<u8>>) -> String {
    let request = Request::post("/", body).header("X-Read", expression);
    running.send_ok(&request).text()
}

#[track_caller]
fn check_reads(section: &Value) {
    let running = Launcher::new(&service(section)).start_ready();
    let mut wrong = Vec::new();
    for (expression, expected) in READS {
        let got = read(&running, expression, LINES);
        if got != *expected {
            wrong.push(format!("{expression} is {got}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn reads_keep_their_limits_with_a_process() {
    check_reads(&one_process());
}

#[test]
fn reads_keep_their_limits_with_threads() {
    let mut section = two_threads();
    section["request_timeout"] = json!(0);
    check_reads(&section);
}

/// Bytes of which no two blocks are equal.
fn bytes(size: usize) -> Vec<u8> {
    (0_u32..)
        .flat_map(|number| number.to_string().into_bytes())
        .take(size)
        .collect()
}

#[test]
fn bodies_of_each_size_arrive_whole_in_each_way_to_read() {
    let running = Launcher::new(&service(&two_threads())).start_ready();
    for size in [0, 1, 8191, 8192, 8193, 70_000, 3_000_000] {
        let body = bytes(size);
        let sum = "hashlib.sha256(body.read()).hexdigest()";
        let whole = read(&running, sum, body.clone());
        for pieces in [
            "hashlib.sha256(b''.join(iter(lambda: body.read(1000), b''))).hexdigest()",
            "hashlib.sha256(b''.join(iter(lambda: body.readline(777), b''))).hexdigest()",
            "hashlib.sha256(b''.join(body)).hexdigest()",
            "hashlib.sha256(b''.join(body.readlines())).hexdigest()",
        ] {
            let got = read(&running, pieces, body.clone());
            assert_eq!(got, whole, "{size} bytes by {pieces}");
        }
        let length = read(&running, "len(body.read())", body.clone());
        assert_eq!(length, size.to_string());
        let last: Vec<u8> = body[size.saturating_sub(4)..].to_vec();
        let expected = format!("b'{}'", String::from_utf8(last).unwrap());
        assert_eq!(read(&running, "body.read()[-4:]", body), expected, "{size}");
    }
}

#[test]
fn a_long_line_is_one_line() {
    let running = Launcher::new(&service(&one_process())).start_ready();
    let body = [&bytes(100_000)[..], b"\nlast"].concat();
    let lengths = read(&running, "[len(line) for line in body]", body.clone());
    assert_eq!(lengths, "[100001, 4]");
    let limited = "[len(body.readline(70000)), len(body.readline(70000)), body.readline()]";
    assert_eq!(read(&running, limited, body), "[70000, 30001, b'last']");
}

#[test]
fn a_request_without_a_body_reads_as_empty_at_once() {
    let running = Launcher::new(&service(&one_process())).start_ready();
    for method in ["GET", "POST"] {
        let all = "[body.read(), body.read(5), body.readline(), body.readlines(), list(body)]";
        let request = Request::new(method, "/").header("X-Read", all);
        let answer = running.send_ok(&request.timeout(Duration::from_secs(5)));
        assert_eq!(answer.text(), "[b'', b'', b'', [], []]", "{method}");
    }
}

#[test]
fn chunked_bodies_arrive_whole() {
    let running = Launcher::new(&service(&one_process())).start_ready();
    let deadline = Instant::now() + TIMEOUT;
    for size in [5, 8192, 100_000] {
        let mut connection = running.connect();
        let head = "POST / HTTP/1.1\r\nHost: a\r\nX-Read: body.read() == b'x' * len\r\n\
                    Transfer-Encoding: Chunked\r\nTrailer: X-Sum\r\n\r\n"
            .replace("len", &size.to_string());
        connection.write(head.as_bytes(), deadline).unwrap();
        let half = "x".repeat(size / 2);
        let rest = "x".repeat(size - size / 2);
        let chunks = format!(
            "{:x};name=value\r\n{half}\r\n{:x}\r\n{rest}\r\n0\r\nX-Sum: 1\r\n\r\n",
            half.len(),
            rest.len()
        );
        connection.write(chunks.as_bytes(), deadline).unwrap();
        let answer = connection.read_response("POST", deadline).unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "True"));
    }
}

#[test]
fn a_body_that_comes_slowly_arrives() {
    let mut section = one_process();
    section["request_timeout"] = json!(1);
    let running = Launcher::new(&service(&section)).start_ready();
    let mut connection = running.connect();
    let deadline = Instant::now() + TIMEOUT;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nX-Read: body.read()\r\nContent-Length: 6\r\n\
                Expect: 100-continue\r\n\r\n";
    connection.write(head.as_bytes(), deadline).unwrap();
    let go_on = connection.read_response("HEAD", deadline).unwrap();
    assert_eq!(go_on.status, 100);
    // Longer than request_timeout, which begins when the application starts.
    for byte in ["a", "b", "c", "d", "e", "f"] {
        crate::wait::pass_time(Duration::from_millis(250));
        connection.write(byte.as_bytes(), deadline).unwrap();
    }
    let answer = connection.read_response("POST", deadline).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "b'abcdef'"));
}
