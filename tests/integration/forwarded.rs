//! Proxies in front: of X-Forwarded-* headers, the entry counts that the trusted proxy has appended.

use serde_json::{Value, json};

use crate::http::Request;
use crate::launcher::Launcher;
use crate::running::Running;
use crate::service::{PROBE_APP, Service};

/// What many services do themselves when they are behind one proxy.
const WITH_PROXY_FIX: &str = "\n\nfrom werkzeug.middleware.proxy_fix import ProxyFix\n\
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)\n";

const FOR: &str = "X-Forwarded-For";
const HOST: &str = "X-Forwarded-Host";
const PROTO: &str = "X-Forwarded-Proto";

/// Header lines, and the URL and the client that the application sees.
struct Row(
    &'static [(&'static str, &'static str)],
    &'static str,
    &'static str,
);

const ROWS: &[Row] = &[
    Row(&[], "http://localhost/headers", "127.0.0.1"),
    Row(
        &[
            (FOR, "203.0.113.7"),
            (HOST, "www.example.com"),
            (PROTO, "https"),
        ],
        "https://www.example.com/headers",
        "203.0.113.7",
    ),
    Row(
        &[(HOST, "evil.example, www.example.com")],
        "http://www.example.com/headers",
        "127.0.0.1",
    ),
    Row(
        &[(HOST, "evil.example,other.example ,www.example.com:8443")],
        "http://www.example.com:8443/headers",
        "127.0.0.1",
    ),
    Row(
        &[(HOST, "evil.example"), (HOST, "www.example.com")],
        "http://www.example.com/headers",
        "127.0.0.1",
    ),
    Row(
        &[
            (HOST, "evil.example, worse.example"),
            (HOST, "worst.example, [2001:db8::1]:8443"),
        ],
        "http://[2001:db8::1]:8443/headers",
        "127.0.0.1",
    ),
    Row(
        &[(PROTO, "https, http")],
        "http://localhost/headers",
        "127.0.0.1",
    ),
    Row(
        &[(PROTO, "http,https")],
        "https://localhost/headers",
        "127.0.0.1",
    ),
    Row(
        &[(PROTO, "https"), (PROTO, "http")],
        "http://localhost/headers",
        "127.0.0.1",
    ),
    Row(
        &[(PROTO, "http"), (PROTO, "http, https")],
        "https://localhost/headers",
        "127.0.0.1",
    ),
    Row(
        &[(FOR, "203.0.113.6, 198.51.100.7")],
        "http://localhost/headers",
        "198.51.100.7",
    ),
    Row(
        &[(FOR, "203.0.113.6"), (FOR, "198.51.100.7")],
        "http://localhost/headers",
        "198.51.100.7",
    ),
    Row(
        &[
            (FOR, "203.0.113.6, 198.51.100.7"),
            (HOST, "evil.example, www.example.com"),
            (PROTO, "http, https"),
        ],
        "https://www.example.com/headers",
        "198.51.100.7",
    ),
];

fn start(main_py: &str, trusted_proxies: &[&str]) -> Running {
    let section = json!({"wsgi_worker_threads_count": 1, "trusted_proxies": trusted_proxies});
    let service = Service::new().main_py(main_py).nginx_config(&section);
    Launcher::new(&service).start_ready()
}

fn ask(running: &Running, lines: &[(&str, &str)]) -> Value {
    let mut request = Request::get("/headers").header("Connection", "close");
    for (name, value) in lines {
        request = request.header(name, *value);
    }
    running.send_ok(&request).json()
}

#[track_caller]
fn check(main_py: &str) {
    let running = start(main_py, &["127.0.0.1"]);
    let mut wrong = Vec::new();
    for Row(lines, url, client) in ROWS {
        let seen = ask(&running, lines);
        if seen["url"] != *url || seen["remote_addr"] != *client {
            wrong.push(format!(
                "{lines:?}: {} from {}, not {url} from {client}",
                seen["url"], seen["remote_addr"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_last_entry_of_a_trusted_proxy_counts() {
    check(PROBE_APP);
}

#[test]
fn a_service_with_a_proxy_fix_of_its_own_sees_the_same() {
    check(&format!("{PROBE_APP}{WITH_PROXY_FIX}"));
}

#[test]
fn the_application_gets_one_entry_of_host_and_proto() {
    let running = start(PROBE_APP, &["127.0.0.1"]);
    let lines = [
        (HOST, "evil.example"),
        (HOST, "www.example.com"),
        (PROTO, "http, https"),
    ];
    let environ = &ask(&running, &lines)["environ"];
    assert_eq!(environ["HTTP_X_FORWARDED_HOST"], "www.example.com");
    assert_eq!(environ["HTTP_X_FORWARDED_PROTO"], "https");
    assert_eq!(environ["HTTP_HOST"], "www.example.com");
    assert_eq!(environ["REQUEST_SCHEME"], "https");
    assert_eq!(environ["HTTPS"], "on");
}

#[test]
fn without_a_trusted_proxy_each_line_is_dropped() {
    // A proxy that is not the client's address is not trusted either.
    for trusted in [&[][..], &["198.51.100.0/24"][..]] {
        let running = start(PROBE_APP, trusted);
        for Row(lines, _, _) in ROWS {
            let seen = ask(&running, lines);
            assert_eq!(seen["url"], "http://localhost/headers", "{lines:?}");
            assert_eq!(seen["remote_addr"], "127.0.0.1", "{lines:?}");
            let environ = seen["environ"].as_object().unwrap();
            let forwarded: Vec<_> = environ
                .keys()
                .filter(|key| key.contains("FORWARDED"))
                .collect();
            assert!(forwarded.is_empty(), "{lines:?}: {forwarded:?}");
        }
    }
}
