//! The environment reaches the application as it is, and configures neither uWSGI nor nginx.

use serde_json::Value;

use crate::launcher::Launcher;
use crate::log::Line;
use crate::service::Service;

const APP: &str = r#"
import os, subprocess
from flask import Flask

AT_IMPORT = {name: ascii(value) for name, value in os.environ.items()}
app = Flask(__name__)


@app.route("/environment")
def environment():
    child = subprocess.run(["env", "-0"], stdout=subprocess.PIPE).stdout.split(b"\0")
    child = dict(entry.split(b"=", 1) for entry in child if entry)
    return {
        "import": AT_IMPORT,
        "request": {name: ascii(value) for name, value in os.environ.items()},
        "child": {os.fsdecode(name): ascii(os.fsdecode(value)) for name, value in child.items()},
        "debug": app.debug,
    }
"#;

/// Variables that would break, or change, what they must not reach.
const HOSTILE: &[(&str, &str)] = &[
    ("UWSGI_PORT", "tcp://10.0.0.7:3031"),
    ("UWSGI_SERVICE_HOST", "10.0.0.7"),
    ("UWSGI_PORT_3031_TCP_PROTO", "tcp"),
    ("UWSGI_PROCESSES", "9"),
    ("UWSGI_DAEMONIZE", "/dev/null"),
    ("UWSGI_INI", "/nonexistent.ini"),
    ("UWSGI_PLUGINS", "cgi"),
    ("UWSGI_MAX_REQUESTS", "1"),
    ("UWSGI_RELOADS", "3"),
    ("UWSGI_EMPEROR_FD", "0"),
    ("NOTIFY_SOCKET", "/nonexistent/notify"),
    ("LISTEN_FDS", "1"),
    ("LISTEN_PID", "1"),
    ("UPSTART_EVENTS", "socket"),
    ("UPSTART_FDS", "0"),
    ("NGINX", "3;4;"),
    ("NGINX_PORT", "tcp://10.0.0.8:80"),
    ("FLASK_RUN_PORT", "tcp://10.0.0.9:80"),
];

fn service() -> Service {
    Service::with_slots(2).main_py(APP)
}

fn hostile(service: &Service) -> Launcher {
    let launcher = Launcher::new(service);
    HOSTILE.iter().fold(launcher, |launcher, (name, value)| {
        launcher.env(name, *value)
    })
}

fn warns_of(line: &Line, name: &str) -> bool {
    line.str("level") == "warn" && line.str("at") == format!("environment: {name}")
}

#[test]
fn variables_reach_the_application_only() {
    let service = service();
    let running = hostile(&service).start_ready();
    let seen: Value = running.get_ok("/environment").json();
    for place in ["import", "request", "child"] {
        for (name, value) in HOSTILE {
            assert_eq!(seen[place][*name], format!("'{value}'"), "{place} {name}");
        }
        let variables = seen[place].as_object().unwrap();
        let left: Vec<_> = variables
            .keys()
            .filter(|name| name.contains("HIDDEN") || name.contains("ONLY_FOR"))
            .collect();
        assert!(left.is_empty(), "{place} {left:?}");
    }
    assert_eq!(running.uwsgi_workers().len(), 2);
    for name in ["UWSGI_PROCESSES", "UWSGI_MAX_REQUESTS", "NGINX"] {
        running.log.wait_for(name, |line| warns_of(line, name));
    }
    // Kubernetes sets it for a service of this name, and it is no option.
    let kubernetes = running
        .log
        .filter(|line| warns_of(line, "UWSGI_SERVICE_HOST"));
    assert!(kubernetes.is_empty(), "{kubernetes:?}");
}

#[test]
fn a_reload_repeats_the_warnings_and_keeps_the_variables() {
    let service = service();
    let running = hostile(&service).start_ready();
    let warnings = || {
        running
            .log
            .filter(|line| warns_of(line, "UWSGI_PROCESSES"))
            .len()
    };
    running
        .log
        .wait_for("a warning", |line| warns_of(line, "UWSGI_PROCESSES"));
    let before = warnings();
    running.run_command(&["reload"]).assert_code(0);
    assert_eq!(warnings(), before + 1);
    let seen = running.get_ok("/environment").json();
    assert_eq!(seen["request"]["UWSGI_PROCESSES"], "'9'");
}

#[test]
fn check_names_the_variables_with_what_to_use() {
    let service = service();
    let output = hostile(&service)
        .command(&["check"])
        .env("FLASK_DEBUG", "1")
        .env("FLASK_APP", "shop.py")
        .env("PYTHONOPTIMIZE", "1")
        .output();
    output
        .assert_code(0)
        .assert_says("environment: UWSGI_PROCESSES")
        .assert_says("nginx_config.wsgi_processes")
        .assert_says("\"max-requests\" in uwsgi_config")
        .assert_says("environment: NGINX")
        .assert_says("environment: FLASK_DEBUG")
        .assert_says("\"shop.py\" has no effect")
        .assert_says("FLASK_RUN_PORT has no effect")
        .assert_says("environment: PYTHONOPTIMIZE");
}

#[test]
fn a_home_of_python_without_a_library_is_a_problem() {
    let service = service();
    for command in [&["check"][..], &["run", "--production"]] {
        Launcher::new(&service)
            .command(command)
            .env("PYTHONHOME", "/nonexistent")
            .output()
            .assert_code(78)
            .assert_says("environment: PYTHONHOME");
    }
}

#[test]
fn debug_mode_is_the_applications_choice_and_warned_of() {
    let service = service();
    let running = Launcher::new(&service)
        .env("FLASK_DEBUG", "1")
        .start_ready();
    assert_eq!(running.get_ok("/environment").json()["debug"], true);
    running
        .log
        .wait_for("a warning", |line| warns_of(line, "FLASK_DEBUG"));
}

#[test]
fn what_uwsgi_sets_for_itself_does_not_reach_the_application() {
    let running = Launcher::new(&service()).start_ready();
    let seen = running.get_ok("/environment").json();
    let variables = seen["request"].as_object().unwrap();
    let uwsgi: Vec<_> = variables
        .keys()
        .filter(|name| name.starts_with("UWSGI_"))
        .collect();
    assert!(uwsgi.is_empty(), "{uwsgi:?}");
}
