//! No header of a client sets what the server itself tells the application of a request.

use std::fs;

use serde_json::{Map, Value};

use crate::environ::ENVIRONS_APP;
use crate::http::Request;
use crate::launcher::Launcher;
use crate::service::{Service, one_process};

/// A value that is neither a valid request id nor a valid host.
const POSED: &str = "intruder/9";

/// Headers that might be taken for a variable of the environ, or for one that a server passes to another.
const NAMES: &[&str] = &[
    "Remote-Addr",
    "Remote-Port",
    "Remote-User",
    "X-Remote-Addr",
    "X-Real-Ip",
    "Request-Method",
    "Request-Uri",
    "Request-Scheme",
    "Document-Uri",
    "Path-Info",
    "Query-String",
    "Script-Name",
    "Server-Name",
    "Server-Port",
    "Server-Protocol",
    "Https",
    "Http-Host",
    "Http-Cookie",
    "Scheme",
    "X-Scheme",
    "X-Url-Scheme",
    "Wsgi-Url-Scheme",
    "wsgi.url_scheme",
    "Front-End-Https",
    "Uwsgi-Scheme",
    "Uwsgi-Script",
    "Uwsgi-App-Id",
    "Uwsgi-Chdir",
    "Uwsgi-File",
    "Microservice",
    "Microservice-Request",
    "Microservice-Flask",
    "X-Microservice-Request",
    "X-Microservice-Flask",
    "X-Request-Id",
    "X-Request-Start",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Prefix",
    "X-Forwarded-Ssl",
    "X-Forwarded-Scheme",
    "X-Forwarded-Protocol",
    "X-Original-Uri",
    "X-Original-Method",
    "X-Http-Method-Override",
    "Forwarded",
    "Proxy",
    "Traceparent",
    "Tracestate",
    "Content-Lengths",
];

/// Headers that must not arrive at all.
const DROPPED: &[&str] = &[
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_PREFIX",
    "HTTP_X_FORWARDED_SSL",
    "HTTP_X_FORWARDED_SCHEME",
    "HTTP_X_FORWARDED_PROTOCOL",
    "HTTP_FORWARDED",
    "HTTP_PROXY",
    "HTTP_TRACESTATE",
];

/// Headers with these names are the protocol's own: an invalid value makes another request or none.
const PROTOCOL: &[&str] = &[
    "host",
    "connection",
    "upgrade",
    "content-length",
    "content-type",
    "transfer-encoding",
    "te",
    "expect",
];

/// The names that nginx itself passes to the application, as the files tell that the launcher writes.
fn names_that_nginx_passes(service: &Service) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out").display().to_string();
    Launcher::new(service)
        .command(&["render"])
        .after(&["--out", &out])
        .output()
        .assert_code(0);
    let mut names = Vec::new();
    let mut folders = vec![folder.path().join("out")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let words: Vec<_> = text.split_whitespace().collect();
            for pair in words.windows(2) {
                if ["proxy_set_header", "uwsgi_param"].contains(&pair[0]) {
                    names.push(pair[1].trim_start_matches("HTTP_").replace('_', "-"));
                }
            }
        }
    }
    assert!(names.len() > 5, "{names:?}");
    names
}

/// Each name in the spellings that may become the same variable.
fn spellings(name: &str) -> [String; 3] {
    [
        name.to_owned(),
        name.replace('-', "_"),
        name.to_uppercase().replace('-', "_"),
    ]
}

/// What of the second environ is not as in the first, other than the headers that the client may choose.
fn changed(plain: &Map<String, Value>, posed: &Map<String, Value>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (key, value) in plain {
        // These differ from request to request.
        let varies = [
            "REMOTE_PORT",
            "HTTP_X_REQUEST_ID",
            "HTTP_X_REQUEST_START",
            "HTTP_TRACEPARENT",
        ];
        let posed = posed.get(key).cloned().unwrap_or_default();
        if varies.contains(&key.as_str()) {
            if posed.to_string().contains(POSED) || posed.is_null() {
                wrong.push(format!("{key}: {posed}"));
            }
        } else if posed != *value {
            wrong.push(format!("{key}: {posed} instead of {value}"));
        }
    }
    for (key, value) in posed {
        let is_new = !plain.contains_key(key) && !key.starts_with("HTTP_");
        if is_new || DROPPED.contains(&key.as_str()) {
            wrong.push(format!("{key}: {value}"));
        }
    }
    wrong
}

#[track_caller]
fn check(server_conf: &str) {
    let service = Service::empty()
        .main_py(ENVIRONS_APP)
        .nginx_config(&one_process())
        .file("nginx/server.d/a.conf", server_conf);
    let mut names = names_that_nginx_passes(&service);
    names.extend(NAMES.iter().map(|name| (*name).to_owned()));
    names.retain(|name| !PROTOCOL.contains(&name.to_lowercase().as_str()));
    let running = Launcher::new(&service).start_ready();
    let environ = |request: &Request| {
        let answer = running.send_ok(&request.clone().header("Connection", "close"));
        answer.json().as_object().unwrap().clone()
    };
    let plain = environ(&Request::get("/a?b"));
    let mut wrong = Vec::new();
    for name in &names {
        for spelling in spellings(name) {
            let posed = environ(&Request::get("/a?b").header(&spelling, POSED));
            wrong.extend(
                changed(&plain, &posed)
                    .into_iter()
                    .map(|what| format!("{spelling} sets {what}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_header_of_a_client_poses_as_the_servers_own() {
    check("");
}

#[test]
fn no_header_with_underscores_poses_as_the_servers_own() {
    check("underscores_in_headers on;\n");
}

/// nginx accepts spaces after the version, and keeps them in its variable of the protocol.
#[test]
fn no_odd_request_line_moves_what_the_server_passes() {
    let service = Service::empty()
        .main_py(ENVIRONS_APP)
        .nginx_config(&one_process());
    let running = Launcher::new(&service).start_ready();
    let posed = "X-Request-ID: 1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\n";
    for (version, seen) in [
        ("HTTP/1.1", "HTTP/1.1"),
        ("HTTP/1.1 ", "HTTP/1.1"),
        ("HTTP/1.1  ", "HTTP/1.1"),
        ("HTTP/1.1       ", "HTTP/1.1"),
        ("HTTP/1.0 ", "HTTP/1.0"),
        ("HTTP/1.11", "HTTP/1.1"),
    ] {
        let bytes =
            format!("GET /a?b {version}\r\nHost: good.example\r\nConnection: close\r\n{posed}\r\n");
        let answer = running.send_bytes("GET", &bytes).unwrap();
        let environ = answer.json();
        for (name, value) in [
            ("HTTP_HOST", "good.example"),
            ("SERVER_NAME", "good.example"),
            ("REQUEST_URI", "/a?b"),
            ("SERVER_PROTOCOL", seen),
            ("HTTP_X_REQUEST_ID", "1"),
            ("wsgi.url_scheme", "http"),
        ] {
            assert_eq!(environ[name], value, "{version:?} {name}: {environ}");
        }
        assert!(environ.get("HTTPS").is_none(), "{version:?}: {environ}");
    }
}
