//! The launcher's HTTP interface: whatever a client sends, it gets one complete answer or none, and only a POST to the
//! path of a command, on the control socket, is a command.

use microservice_flask::internals::control::{self, ClientCommand, WORKERS};
use microservice_flask::internals::sys::runtime;

const STATUS: &str = r#"{"name": "service", "version": "1.0.0", "phase": "ready", "ready": true, "reason": null, "pid": 1,
"started_at": "2026-11-24T10:00:00Z", "uptime_seconds": 5.5, "generation": 1, "config_file": null,
"listen": ["0.0.0.0:8080"], "plan": {"slots": 4, "processes": 2, "threads": 2, "queue": 1024, "nginx_workers": 1},
"children": [], "restarts": 0}"#;

/// What the launcher's answers may have; hyper adds the last four.
const HEADERS: [&str; 12] = [
    "content-type",
    "cache-control",
    "x-content-type-options",
    "cross-origin-resource-policy",
    "allow",
    "content-security-policy",
    "referrer-policy",
    "x-accel-buffering",
    "content-length",
    "transfer-encoding",
    "connection",
    "date",
];

pub(crate) fn check(data: &[u8]) {
    let Some((first, request)) = data.split_first() else {
        return;
    };
    let control_socket = first & 1 == 1;
    let exchange = runtime::block_on(control::exchange(STATUS, request, control_socket));
    let exchange = exchange.expect("a runtime").expect("no error");
    commands(request, control_socket, &exchange.commands);
    answer(request, &exchange.answer);
    whole_requests(first & 2 == 2, request);
}

/// Every whole request has an answer.
fn whole_requests(get: bool, path: &[u8]) {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.%?".contains(byte);
    let path: Vec<u8> = path.iter().copied().filter(allowed).collect();
    let method: &[u8] = if get { b"GET /" } else { b"POST /" };
    let request = [method, &path, b" HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat();
    let exchange = runtime::block_on(control::exchange(STATUS, &request, true));
    let exchange = exchange.expect("a runtime").expect("no error");
    assert!(!exchange.answer.is_empty());
    commands(&request, true, &exchange.commands);
    answer(&request, &exchange.answer);
}

fn commands(request: &[u8], control_socket: bool, commands: &[ClientCommand]) {
    assert!(control_socket || commands.is_empty());
    let request = String::from_utf8_lossy(request);
    let line = request.trim_start_matches(['\r', '\n']);
    let line = line.lines().next().unwrap_or_default();
    match commands {
        [] => {}
        [command] => {
            let path = match command {
                ClientCommand::Reload => "/reload",
                ClientCommand::RestartWorker(pid) => {
                    assert_eq!(*pid, WORKERS[0], "the other one is dead");
                    "/workers/1/restart"
                }
            };
            let rest = line.strip_prefix("POST ").expect("a POST");
            let target = rest.split(' ').next().unwrap_or_default();
            let target = target.split(['?', '#']).next().unwrap_or_default();
            assert!(target.ends_with(path), "{target}");
        }
        more => panic!("one request, and {} commands", more.len()),
    }
}

fn answer(request: &[u8], answer: &[u8]) {
    if answer.is_empty() {
        return;
    }
    let text = std::str::from_utf8(answer).expect("UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.get(2..5));
    let status = status.expect("a status line");
    let known = [
        "200", "400", "403", "404", "405", "409", "414", "421", "431", "503",
    ];
    assert!(known.contains(&status), "{first}");
    let mut length = None;
    let mut kind = "";
    for line in lines {
        let (name, value) = line.split_once(": ").expect("a header");
        assert!(HEADERS.contains(&name), "{line}");
        match name {
            "content-length" => length = value.parse::<usize>().ok(),
            "content-type" => kind = value,
            _ => {}
        }
    }
    let is_head = request.trim_ascii_start().starts_with(b"HEAD ");
    if kind == "text/event-stream" {
        events(body);
    } else if !(is_head && body.is_empty()) {
        assert_eq!(length.unwrap_or(0), body.len(), "{text}");
    }
    match kind {
        "application/json" if !is_head => {
            serde_json::from_str::<serde::de::IgnoredAny>(body).expect("JSON");
        }
        // Chunks end with CR LF.
        "text/event-stream" => {
            assert!(!body.contains(|c: char| c.is_control() && c != '\n' && c != '\r'));
        }
        _ => assert!(!body.contains(|c: char| c.is_control() && c != '\n')),
    }
}

/// The stream ends with the client, and so at any place. Each event that has begun is one of the launcher's.
fn events(body: &str) {
    let is_size = |line: &str| line.bytes().all(|byte| byte.is_ascii_hexdigit());
    for line in body.split('\n').map(|line| line.trim_end_matches('\r')) {
        let event = ["data: {", "retry: ", ": "];
        assert!(
            is_size(line) || event.iter().any(|begin| line.starts_with(begin)),
            "{line}"
        );
    }
}
