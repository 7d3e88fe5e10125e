//! Which host a request is for: the application sees one, whatever target and Host header say.

use std::time::Instant;

use serde_json::json;

use crate::environ::ENVIRONS_APP;
use crate::http::TIMEOUT;
use crate::launcher::Launcher;
use crate::running::Running;
use crate::service::{Service, one_process};

/// A location of the service's own that asks the application, for paths below /own/.
const OWN: &str =
    "location /own/ { include proxy.conf; rewrite ^ $uri break; proxy_pass http://application; }\n";

fn start() -> Running {
    let service = Service::empty()
        .main_py(ENVIRONS_APP)
        .nginx_config(&one_process())
        .file("nginx/server.d/a.conf", OWN);
    Launcher::new(&service).start_ready()
}

/// The request line and header lines, and what the application sees as `HTTP_HOST` and `SERVER_NAME`.
type Row = (&'static str, &'static str, &'static str);

const ROWS: &[Row] = &[
    ("GET / HTTP/1.1\r\nHost: good", "good", "good"),
    (
        "GET / HTTP/1.1\r\nHost: Good.Example:8080",
        "Good.Example:8080",
        "good.example",
    ),
    (
        "GET / HTTP/1.1\r\nHost: under_score:80",
        "under_score:80",
        "under_score",
    ),
    (
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:80",
        "127.0.0.1:80",
        "127.0.0.1",
    ),
    (
        "GET / HTTP/1.1\r\nHost: [2001:db8::1]:8443",
        "[2001:db8::1]:8443",
        "[2001:db8::1]",
    ),
    ("GET / HTTP/1.1\r\nHost: good.", "good.", "good"),
    ("GET / HTTP/1.0\r\nHost: good:81", "good:81", "good"),
    // The path is no target in absolute form.
    ("GET //evil/ HTTP/1.1\r\nHost: good", "good", "good"),
    ("GET /http://evil/ HTTP/1.1\r\nHost: good", "good", "good"),
    ("GET /?http://evil/ HTTP/1.1\r\nHost: good", "good", "good"),
    // The target wins.
    (
        "GET http://target/ HTTP/1.1\r\nHost: evil",
        "target",
        "target",
    ),
    (
        "GET http://target:8080/a?b HTTP/1.1\r\nHost: evil",
        "target:8080",
        "target",
    ),
    (
        "GET http://target/a HTTP/1.1\r\nHost: evil:8080",
        "target",
        "target",
    ),
    (
        "GET http://target HTTP/1.1\r\nHost: evil",
        "target",
        "target",
    ),
    (
        "GET http://target:81 HTTP/1.1\r\nHost: evil",
        "target:81",
        "target",
    ),
    (
        "GET http://target?a=http://evil/ HTTP/1.1\r\nHost: evil",
        "target",
        "target",
    ),
    (
        "GET http://target/http://evil/ HTTP/1.1\r\nHost: evil",
        "target",
        "target",
    ),
    (
        "GET HTTP://Target/ HTTP/1.1\r\nHost: evil",
        "Target",
        "target",
    ),
    (
        "GET  http://target/ HTTP/1.1\r\nHost: evil",
        "target",
        "target",
    ),
    (
        "\r\nGET http://target/ HTTP/1.1\r\nHost: evil",
        "target",
        "target",
    ),
    (
        "GET http://target/ HTTP/1.1 \r\nHost: evil",
        "target",
        "target",
    ),
    (
        "M-SEARCH http://target/ HTTP/1.1\r\nHost: evil",
        "target",
        "target",
    ),
    (
        "GET http://[2001:db8::1]:81/ HTTP/1.1\r\nHost: evil",
        "[2001:db8::1]:81",
        "[2001:db8::1]",
    ),
    ("GET http://target/ HTTP/1.0", "target", "target"),
    (
        "GET http://target:81/ HTTP/1.0\r\nHost: evil",
        "target:81",
        "target",
    ),
    (
        "GET http://target/own/a HTTP/1.1\r\nHost: evil",
        "target",
        "target",
    ),
    (
        "GET http://target/ HTTP/1.1\r\nHost: evil\r\nX-Forwarded-Host: worse",
        "target",
        "target",
    ),
];

#[test]
fn the_application_sees_the_host_of_the_target() {
    let running = start();
    let mut wrong = Vec::new();
    for (lines, host, name) in ROWS {
        let request = format!("{lines}\r\nConnection: close\r\n\r\n");
        let answer = running.send_bytes("GET", &request).unwrap();
        if answer.status != 200 {
            wrong.push(format!("{lines:?}: {}", answer.status));
            continue;
        }
        let environ = answer.json();
        let seen = (&environ["HTTP_HOST"], &environ["SERVER_NAME"]);
        if seen != (&json!(host), &json!(name)) {
            wrong.push(format!("{lines:?}: {seen:?}"));
        }
        if environ.to_string().contains("evil\"") {
            wrong.push(format!("{lines:?}: {environ}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const REFUSED: &[&str] = &[
    "GET / HTTP/1.1",
    "GET / HTTP/1.1\r\nHost: good\r\nHost: evil",
    "GET / HTTP/1.1\r\nHost: good\r\nHost: good",
    "GET http://target/ HTTP/1.1\r\nHost: good\r\nHost: evil",
    "GET http://target/ HTTP/1.1",
    "GET / HTTP/1.1\r\nHost: good evil",
    "GET / HTTP/1.1\r\nHost: good,evil",
    "GET / HTTP/1.1\r\nHost: good, evil",
    "GET / HTTP/1.1\r\nHost: good/evil",
    "GET / HTTP/1.1\r\nHost: good?evil",
    "GET / HTTP/1.1\r\nHost: good#evil",
    "GET / HTTP/1.1\r\nHost: good@evil",
    "GET / HTTP/1.1\r\nHost: good:80@evil",
    "GET / HTTP/1.1\r\nHost: good\\evil",
    "GET / HTTP/1.1\r\nHost: good:evil",
    "GET / HTTP/1.1\r\nHost: good:80:81",
    "GET / HTTP/1.1\r\nHost: :80",
    "GET / HTTP/1.1\r\nHost: good:000080",
    "GET / HTTP/1.1\r\nHost: good..evil",
    "GET / HTTP/1.1\r\nHost: .good",
    "GET / HTTP/1.1\r\nHost: <script>",
    "GET / HTTP/1.1\r\nHost: \"good\"",
    "GET / HTTP/1.1\r\nHost: go%6fd",
    "GET / HTTP/1.1\r\nHost: g\u{f6}\u{f6}d",
    "GET / HTTP/1.1\r\nHost: http://good",
    "GET / HTTP/1.1\r\nHost: [2001:db8::1",
    "GET / HTTP/1.1\r\nHost: [2001:db8::1]evil",
    "GET / HTTP/1.1\r\nHost: 2001:db8::1",
    "GET / HTTP/1.1\r\nHost : good",
    "GET / HTTP/1.1\r\nHost: good\r\n evil",
    "GET / HTTP/1.0\r\nHost: good evil",
    // Targets that are none of HTTP's (RFC 9112, 3.2), or another server's (RFC 9110, 7.4).
    "GET http:///a HTTP/1.1\r\nHost: good",
    "GET http:/a HTTP/1.1\r\nHost: good",
    "GET http://user@target/ HTTP/1.1\r\nHost: good",
    "GET http://target:evil/ HTTP/1.1\r\nHost: good",
    "GET http://target:000080/ HTTP/1.1\r\nHost: good",
    "GET http://.target/ HTTP/1.1\r\nHost: good",
    "GET http://target#evil HTTP/1.1\r\nHost: good",
    "GET http://target\\evil/ HTTP/1.1\r\nHost: good",
    "GET http://target%2fevil/ HTTP/1.1\r\nHost: good",
    "GET ftp://target/ HTTP/1.1\r\nHost: good",
    "GET x://target/ HTTP/1.1\r\nHost: good",
    "GET httpx://target/ HTTP/1.1\r\nHost: good",
    "GET https://target/ HTTP/1.1\r\nHost: good",
    "GET target/a HTTP/1.1\r\nHost: good",
    "GET * HTTP/1.1\r\nHost: good",
    "CONNECT target:80 HTTP/1.1\r\nHost: target:80",
    "GET /own/a HTTP/1.1\r\nHost: good@evil",
];

#[test]
fn a_host_that_cannot_be_is_refused() {
    let mut running = start();
    let mut wrong = Vec::new();
    for lines in REFUSED {
        let request = format!("{lines}\r\nConnection: close\r\nX-Request-ID: r\r\n\r\n");
        let answer = running.send_bytes("GET", &request).unwrap();
        if answer.status != 400 || answer.text().starts_with('{') {
            wrong.push(format!("{lines:?}: {} {}", answer.status, answer.text()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    running.stop(TIMEOUT);
    assert!(!running.log.contains("\"app_ms\""));
}

/// A proxy that has ended TLS may pass on what it got.
#[test]
fn a_trusted_proxy_may_name_a_target_with_https() {
    let service = Service::empty()
        .main_py(ENVIRONS_APP)
        .nginx_config(&json!({"wsgi_worker_threads_count": 1, "trusted_proxies": ["127.0.0.1"]}));
    let running = Launcher::new(&service).start_ready();
    let request = "GET https://target:8443/ HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n\r\n";
    let answer = running.send_bytes("GET", request).unwrap();
    assert_eq!(answer.json()["HTTP_HOST"], "target:8443");
}

/// nginx takes a request line without a version for HTTP/0.9, whose answers have no head.
#[test]
fn http_0_9_does_not_reach_the_application() {
    let mut running = start();
    for bytes in [
        "GET /\r\n",
        "GET / \r\n",
        "GET /\n",
        "GET /own/a\r\n",
        "GET /?a=b\r\n",
        "GET http://target/\r\n",
        "GET /\r\nHost: good\r\n\r\n",
        "\r\nGET /\r\n",
    ] {
        let deadline = Instant::now() + TIMEOUT;
        let mut connection = running.connect();
        connection.write(bytes.as_bytes(), deadline).unwrap();
        let answer = connection.read_until_closed(deadline).unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{bytes:?}: {answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{bytes:?}: {answer}");
    }
    let answer = running
        .send_bytes("GET", "GET / HTTP/0.9\r\nHost: good\r\n\r\n")
        .unwrap();
    assert_eq!(answer.status, 400);
    running.stop(TIMEOUT);
    assert!(!running.log.contains("\"app_ms\""));
    let refused = running.log.filter(|line| line.is_from("nginx.access"));
    assert_eq!(refused.len(), 9, "{refused:#?}");
}
