//! W3C's trace context: whose is believed, what the application gets, and that all records of a request have its trace id.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::Request;
use crate::launcher::Launcher;
use crate::running::Running;
use crate::service::Service;

/// Answers with what it gets of the trace. Below /fail/ it prints a traceback first and then fails.
const APP: &str = "import json, sys, traceback

def app(environ, start_response):
    path = environ['PATH_INFO']
    print('out', path)
    print('err', path, file=sys.stderr)
    if path.startswith('/fail/'):
        try:
            1 / 0
        except ZeroDivisionError:
            traceback.print_exc()
        raise RuntimeError('failed ' + path)
    start_response('200 OK', [('Content-Type', 'application/json')])
    names = 'HTTP_TRACEPARENT', 'HTTP_TRACESTATE'
    return [json.dumps([environ.get(name) for name in names]).encode()]
";

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const STATE: &str = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";

/// What follows TRACE, with the version before it.
const VALID: &[(&str, &str)] = &[
    ("00-", "-00f067aa0ba902b7-01"),
    ("00-", "-00f067aa0ba902b7-00"),
    ("00-", "-00f067aa0ba902b7-ff"),
    ("01-", "-00f067aa0ba902b7-01"),
    ("fe-", "-00f067aa0ba902b7-01-what the future will be"),
    ("cc-", "-00f067aa0ba902b7-01-"),
];

const INVALID: &[&str] = &[
    "203.0.113.9",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
    "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7-01",
    "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
    "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
    "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "zz-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01, 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
];

fn start(section: &Value, sampler: &[(&str, &str)]) -> Running {
    let service = Service::empty()
        .main_py(APP)
        .nginx_config(section)
        .file("src/static/a.txt", "a")
        .file(
            "nginx/server.d/a.conf",
            "location /own/ { include proxy.conf; rewrite ^ $uri break; proxy_pass http://application; }\n",
        );
    let launcher = sampler
        .iter()
        .fold(Launcher::new(&service), |launcher, (name, value)| {
            launcher.env(name, *value)
        });
    launcher.start_ready()
}

fn request(path: &str, headers: &[(&str, &str)]) -> Request {
    headers.iter().fold(
        Request::get(path).header("Connection", "close"),
        |request, (name, value)| request.header(name, *value),
    )
}

/// traceparent and tracestate as the application gets them.
#[track_caller]
fn context(running: &Running, path: &str, headers: &[(&str, &str)]) -> (String, Value) {
    let seen = running.send_ok(&request(path, headers)).json();
    let traceparent = seen[0].as_str().unwrap_or_else(|| panic!("{path}: {seen}"));
    (traceparent.to_owned(), seen[1].clone())
}

/// Asserts that this is a new traceparent; returns its trace id and flags.
#[track_caller]
fn assert_new(traceparent: &str) -> (String, String) {
    let fields: Vec<_> = traceparent.split('-').collect();
    let [version, trace, parent, flags] = fields[..] else {
        panic!("{traceparent}");
    };
    assert_eq!((version, parent), ("00", "0000000000000001"));
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    assert!(trace.len() == 32 && trace.bytes().all(is_hex), "{trace}");
    assert_ne!(trace, TRACE);
    (trace.to_owned(), flags.to_owned())
}

/// The trace ids of all records of these sources whose message contains a text.
fn traces(running: &Running, sources: &[&str], text: &str) -> Vec<String> {
    let records = running.log.filter(|line| {
        sources.iter().any(|source| line.is_from(source)) && line.message().contains(text)
    });
    let ids = records.iter().map(|line| line.str("trace_id").to_owned());
    ids.collect()
}

#[test]
fn a_trusted_sender_names_the_trace_of_all_records() {
    let section = json!({
        "wsgi_worker_threads_count": 4, "wsgi_processes": 2, "trusted_proxies": ["127.0.0.1"],
    });
    let mut running = start(&section, &[]);
    let mut expected = Vec::new();
    for (number, (version, rest)) in VALID.iter().enumerate() {
        let sent = format!("{version}{TRACE}{rest}");
        let path = format!("/valid/{number}.");
        let headers = [("Traceparent", sent.as_str()), ("TraceState", STATE)];
        let got = context(&running, &path, &headers);
        assert_eq!(got, (sent, json!(STATE)));
        expected.push((path, TRACE.to_owned()));
    }
    for (number, sent) in INVALID.iter().enumerate() {
        let path = format!("/invalid/{number}.");
        let headers = [("traceparent", *sent), ("tracestate", STATE)];
        let (traceparent, state) = context(&running, &path, &headers);
        let (trace, flags) = assert_new(&traceparent);
        assert_eq!((flags.as_str(), state), ("01", Value::Null), "{sent}");
        expected.push((path, trace));
    }
    // nginx before 1.23 shows only the first of two lines; a newer one joins them, which is invalid.
    let valid = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let twice = [("traceparent", valid.as_str()); 2];
    let (traceparent, _) = context(&running, "/twice/0.", &twice);
    let trace = traceparent.split('-').nth(1).unwrap().to_owned();
    if traceparent != valid {
        assert_new(&traceparent);
    }
    expected.push(("/twice/0.".to_owned(), trace));
    let (traceparent, _) = context(&running, "/own/0.", &[("tracestate", STATE)]);
    expected.push(("/own/0.".to_owned(), assert_new(&traceparent).0));
    // The ids of request and trace are apart when the client names one of them.
    let failing = [("traceparent", valid.as_str()), ("X-Request-ID", "rum-7")];
    let answer = running.send(&request("/fail/0.", &failing)).unwrap();
    assert_eq!(answer.status, 500);
    running.get_ok("/static/a.txt");
    running.send_bytes("GET", "garbage\r\n\r\n").unwrap();
    running.stop(Duration::from_secs(15));
    for (path, trace) in &expected {
        for source in ["nginx.access", "app.stdout", "app.stderr"] {
            let seen = traces(&running, &[source], path);
            assert_eq!(seen, [trace.as_str()], "{path} in {source}");
        }
    }
    let kinds = [
        ("nginx.access", "GET /fail/0. 500"),
        ("app.stdout", "out /fail/0."),
        ("app.stderr", "err /fail/0."),
        ("app.stderr", "ZeroDivisionError"),
        ("app.stderr", "GET /fail/0. failed: RuntimeError"),
    ];
    for (source, text) in kinds {
        assert_eq!(traces(&running, &[source], text), [TRACE], "{text}");
    }
    let failed =
        |line: &crate::log::Line| line.str("trace_id") == TRACE && line.text.contains("fail");
    for line in running.log.filter(failed) {
        assert_eq!(line.str("request_id"), "rum-7", "{}", line.text);
    }
    for text in ["/static/a.txt", "garbage"] {
        let seen = traces(&running, &["nginx.access"], text);
        assert!(seen.len() == 1 && seen[0].len() == 32, "{text}: {seen:?}");
    }
}

/// The flags of new traces are what OpenTelemetry's variables say of those that begin in the application.
#[test]
fn a_stranger_cannot_choose_a_trace() {
    let section = json!({"wsgi_worker_threads_count": 2, "trusted_proxies": ["198.51.100.0/24"]});
    let sampler = [
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.5"),
    ];
    let mut running = start(&section, &sampler);
    let posed = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let headers = [
        ("traceparent", posed.as_str()),
        ("tracestate", STATE),
        ("X-Forwarded-For", "198.51.100.7"),
        ("X-Request-ID", TRACE),
    ];
    let (mut ids, mut all_flags) = (BTreeSet::new(), BTreeSet::new());
    for number in 0..64 {
        let path = ["/", "/own/"][number % 2];
        let headers = &headers[..if number < 8 { 4 } else { 0 }];
        let (traceparent, state) = context(&running, path, headers);
        let (trace, flags) = assert_new(&traceparent);
        assert_eq!(state, Value::Null);
        ids.insert(trace);
        all_flags.insert(flags);
    }
    assert_eq!(ids.len(), 64);
    // All 64 are the same once in 2^63 runs.
    assert_eq!(all_flags, ["00", "01"].map(str::to_owned).into());
    running.stop(Duration::from_secs(15));
    let logged = traces(&running, &["nginx.access"], "GET");
    assert_eq!(logged.into_iter().collect::<BTreeSet<_>>(), ids);
    let posed = running.log.filter(|line| line.str("request_id") == TRACE);
    // Access record and two lines of the application.
    assert_eq!(posed.len(), 3 * 8);
    for line in posed {
        assert!(ids.contains(line.str("trace_id")), "{}", line.text);
    }
}
