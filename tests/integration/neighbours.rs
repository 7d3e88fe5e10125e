//! What the admin address tells those who reach it, and whom it does not answer: it has no login.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::{Request, Response, Target, get};
use crate::launcher::Launcher;
use crate::load::background;
use crate::running::Running;
use crate::service::{PROBE_APP, Service};
use crate::wait::until;

const PATHS: [&str; 7] = [
    "/livez",
    "/readyz",
    "/status",
    "/metrics",
    "/healthcheck",
    "/",
    "/no-such-page",
];

/// A service with errors, a warning, and a request under way whose id and path hold `secret`.
fn with_secrets(admin_details: bool) -> (Service, Running) {
    let service = Service::new()
        .nginx_config(&json!({
            "wsgi_worker_threads_count": 2,
            "admin_details": admin_details,
            "health_check_path": "/version?token=secret",
        }))
        .with_prelude("import threading, time\nthreading.Thread(target=time.sleep, args=(99,), name='secret', daemon=True).start()\n");
    let running = Launcher::new(&service).start_ready();
    // The request fails on purpose; only its record matters.
    let _ = running.send(&Request::get("/boom").header("X-Request-ID", "secret-of-boom"));
    running.log.wait_for("the traceback", |line| {
        line.message().contains("ValueError")
    });
    (service, running)
}

fn hang(service: &Service, running: &Running) -> impl Sized {
    let request = Request::get("/until/answered?note=secret").header("X-Request-ID", "secret-id");
    let client = background(running.address, request);
    service.wait_for_notes("secret", 1);
    client
}

fn request_of(status: &Value) -> Option<Value> {
    let workers = status["workers"].as_array().unwrap();
    let mut requests = workers
        .iter()
        .flat_map(|worker| worker["serving"].as_array().unwrap());
    requests.find(|request| request["method"] == "GET").cloned()
}

#[test]
fn no_answer_of_the_admin_address_has_details() {
    let (service, running) = with_secrets(false);
    let _hung = hang(&service, &running);
    let folders = [service.root(), running.runtime()].map(|path| path.display().to_string());
    for path in PATHS {
        let answer = running.ask_admin(path).unwrap();
        let text = format!("{:?}\n{}", answer.headers, answer.text());
        for word in ["secret", "boom", "until", "Traceback", "ValueError"]
            .into_iter()
            .chain(folders.iter().map(String::as_str))
        {
            assert!(!text.contains(word), "{path} tells {word}:\n{text}");
        }
    }
    let by_port = running.ask_admin("/status").unwrap().json();
    assert_eq!(by_port["details"], false);
    let left_out = by_port["left_out"].as_str().unwrap();
    assert!(left_out.contains("control.sock"), "{left_out}");
    let request = request_of(&by_port).expect("a request under way");
    assert_eq!(
        (&request["path"], &request["request_id"]),
        (&json!(""), &json!(""))
    );
    let health = running.ask_admin("/healthcheck").unwrap().json();
    assert_eq!(health["reason"], "ready, and /version answers");

    let whole = get(running.control_socket().as_path(), "/status")
        .unwrap()
        .json();
    assert_eq!(
        (&whole["details"], &whole["left_out"]),
        (&json!(true), &Value::Null)
    );
    let request = request_of(&whole).expect("a request under way");
    assert_eq!(request["path"], "/until/answered");
    assert!(whole["warnings"].to_string().contains("secret"), "{whole}");
    assert_eq!(
        whole["last_errors"].as_array().map(Vec::is_empty),
        Some(false)
    );
    service.write("state/answered", "");
}

#[test]
fn not_ready_reasons_have_no_paths_of_the_host() {
    let folder = crate::fakes::fake("nginx", "never-ready");
    let service = Service::with_slots(2);
    let running = Launcher::new(&service).path_before(folder.path()).start();
    let socket = running.control_socket();
    let whole = until(Duration::from_secs(20), "the reason with a path", || {
        let text = get(socket.as_path(), "/readyz").ok()?.text();
        text.contains(&running.runtime().display().to_string())
            .then_some(text)
    });
    for path in ["/readyz", "/status", "/healthcheck"] {
        let text = running.ask_admin(path).unwrap().text();
        assert!(text.contains("nginx is starting"), "{path}: {text}");
        let tells = text.contains(&running.runtime().display().to_string());
        assert!(!tells, "{path}: {text}\n{whole}");
    }
}

#[test]
fn admin_details_are_given_by_key_and_a_reload_changes_it() {
    let (service, running) = with_secrets(true);
    let whole = running.ask_admin("/status").unwrap().json();
    assert_eq!(whole["details"], true);
    assert!(whole["last_errors"].to_string().contains("boom"), "{whole}");
    assert!(whole["config_file"].is_string(), "{whole}");
    let section = json!({"use_nginx": true, "nginx_config": {"wsgi_worker_threads_count": 2}});
    service.write("config/config.json", &section.to_string());
    running.run_command(&["reload"]).assert_code(0);
    let outline = running.ask_admin("/status").unwrap().json();
    assert_eq!(outline["details"], false);
    assert_eq!(outline["last_errors"], json!([]));
    assert_eq!(outline["config_file"], Value::Null);
}

fn ask(target: impl Into<Target>, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::get(path).header("Connection", "close");
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    request.send(target.into()).unwrap()
}

#[test]
fn web_pages_are_not_answered() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    let admin = running.admin.unwrap();
    for path in PATHS {
        let rebound = ask(admin, path, &[("Host", "evil.example")]);
        assert_eq!(rebound.status, 421, "{path}");
        assert!(rebound.text().contains("localhost"), "{}", rebound.text());
        let foreign = ask(admin, path, &[("Origin", "http://evil.example")]);
        assert_eq!(foreign.status, 403, "{path}");
        let fetched = ask(admin, path, &[("Sec-Fetch-Site", "cross-site")]);
        assert_eq!(fetched.status, 403, "{path}");
    }
    let (host, own) = (admin.to_string(), format!("http://{admin}"));
    for headers in [
        &[("Host", "localhost")][..],
        &[("Host", "10.1.2.3:9180")],
        &[
            ("Host", &host),
            ("Origin", &own),
            ("Sec-Fetch-Site", "same-origin"),
        ],
    ] {
        let answer = ask(admin, "/readyz", headers);
        assert_eq!(answer.status, 200, "{headers:?}: {}", answer.text());
        let header = |name| answer.header(name).map(str::to_owned);
        assert_eq!(header("X-Content-Type-Options").as_deref(), Some("nosniff"));
        let policy = header("Cross-Origin-Resource-Policy");
        assert_eq!(policy.as_deref(), Some("same-origin"));
        assert_eq!(header("Access-Control-Allow-Origin"), None);
    }
    let socket = running.control_socket();
    let from_page = ask(socket.as_path(), "/status", &[("Origin", "http://x")]);
    assert_eq!(from_page.status, 403);
}

/// As many as the server has connections, each waiting for a health path that hangs.
#[test]
fn health_checks_leave_room_for_probes_and_are_one_request() {
    let section = json!({"wsgi_worker_threads_count": 2, "health_check_path": "/health"});
    let service = Service::new().nginx_config(&section).main_py(&format!(
        "{PROBE_APP}\n\n@app.route('/health')\ndef health():\n    note('asked')\n    if noted('sick'): time.sleep(6)\n    return 'ok'\n"
    ));
    let running = Launcher::new(&service).start_ready();
    let admin = running.admin.unwrap();
    let before = service.noted("asked");
    service.write("state/sick", "x");
    let started = Instant::now();
    let checks: Vec<_> = (0..80)
        .map(|_| {
            let request = Request::get("/healthcheck").header("Connection", "close");
            background(admin, request)
        })
        .collect();
    until(Duration::from_secs(5), "the health path is asked", || {
        (service.noted("asked") > before).then_some(())
    });
    for path in ["/livez", "/readyz"] {
        let answer = running.ask_admin(path).unwrap();
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.took < Duration::from_secs(2), "{:?}", answer.took);
    }
    assert!(
        started.elapsed() < Duration::from_secs(6),
        "too late to tell"
    );
    let codes: Vec<u16> = checks
        .into_iter()
        .map(|check| check.join().unwrap().unwrap().status)
        .collect();
    let passed = codes.iter().filter(|code| **code == 200).count();
    let refused = codes.iter().filter(|code| **code == 503).count();
    assert!(passed >= 32, "{codes:?}");
    assert_eq!(passed + refused, 80, "{codes:?}");
    assert_eq!(service.noted("asked"), before + 1, "one check for all");
}
