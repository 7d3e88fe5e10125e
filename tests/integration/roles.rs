//! `status --json` says which generation each child belongs to, in each phase of a reload and after a crash of nginx.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::http::Request;
use crate::launcher::Launcher;
use crate::load::background;
use crate::running::Running;
use crate::service::Service;
use crate::wait::poll;

/// Import number n continues when the test writes `state/go-n`. The master imports, so there is one import for each uWSGI.
const IMPORTS_WAIT: &str = "\
import os, time
STATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'state')
with open(os.path.join(STATE, 'imports'), 'ab', buffering=0) as file:
    file.write(b'x')
    number = file.tell()
while not os.path.exists(os.path.join(STATE, 'go-%d' % number)):
    time.sleep(0.01)
";

/// All children as "name: role, state".
fn roles(status: &Value) -> BTreeSet<String> {
    let children = status["children"].as_array().unwrap();
    let text = |child: &Value, key: &str| child[key].as_str().unwrap().to_owned();
    children
        .iter()
        .map(|child| {
            let (name, role, state) = (
                text(child, "name"),
                text(child, "role"),
                text(child, "state"),
            );
            format!("{name}: {role}, {state}")
        })
        .collect()
}

/// Waits until the status shows exactly these children, and asserts its phase.
#[track_caller]
fn wait_for_roles(running: &Running, phase: &str, expected: &[&str]) -> Value {
    let expected: BTreeSet<String> = expected.iter().map(|role| (*role).to_owned()).collect();
    let mut last = Value::Null;
    let found = poll(Duration::from_secs(15), || {
        last = running.status();
        (roles(&last) == expected).then_some(())
    });
    assert!(found.is_some(), "never {expected:?}, but {last}");
    assert_eq!(last["phase"], phase, "{last}");
    last
}

#[test]
fn each_phase_of_a_reload_shows_the_roles() {
    let section = json!({"wsgi_worker_threads_count": 2, "health_check_path": "/version"});
    let service = Service::new()
        .nginx_config(&section)
        .with_prelude(IMPORTS_WAIT)
        .file("state/go-1", "");
    let running = Launcher::new(&service).start_ready();
    let serving = ["uwsgi: serving, running", "nginx: serving, running"];
    let before = wait_for_roles(&running, "ready", &serving);
    assert_eq!(before["generation"], 1);
    let long = background(
        running.address,
        Request::get("/until/answered?note=long").header("Connection", "close"),
    );
    service.wait_for_notes("long", 1);
    // Another nginx is needed too.
    service.write("nginx/server.d/a.conf", "# new\n");
    let reload = background(
        running.control_socket().as_path(),
        Request::new("POST", "/reload"),
    );

    let [uwsgi, nginx] = serving;
    let canary = [
        uwsgi,
        nginx,
        "uwsgi (canary): canary, starting",
        "uwsgi: candidate, idle",
        "nginx: candidate, idle",
    ];
    let status = wait_for_roles(&running, "reloading", &canary);
    assert_eq!(status["generation"], 1);

    service.write("state/go-2", "");
    let candidates = [
        uwsgi,
        nginx,
        "uwsgi: candidate, starting",
        "nginx: candidate, running",
    ];
    let status = wait_for_roles(&running, "reloading", &candidates);
    assert_eq!(status["generation"], 1);
    running.get_ok("/");

    service.write("state/go-3", "");
    assert_eq!(reload.join().unwrap().unwrap().status, 200);
    let retiring = [
        uwsgi,
        nginx,
        "uwsgi: retiring, stopping",
        "nginx: retiring, stopping",
    ];
    let status = wait_for_roles(&running, "ready", &retiring);
    assert_eq!(status["generation"], 2);

    service.write("state/answered", "");
    assert_eq!(long.join().unwrap().unwrap().text(), "done");
    wait_for_roles(&running, "ready", &serving);
}

#[test]
fn survivors_of_a_crashed_nginx_are_shown_until_their_last_request_ends() {
    let service = Service::with_slots(2);
    let running = Launcher::new(&service).start_ready();
    let long = background(
        running.address,
        Request::get("/until/answered?note=long").header("Connection", "close"),
    );
    service.wait_for_notes("long", 1);
    running.nginx_master().signal(Signal::SIGKILL);
    let serving = ["uwsgi: serving, running", "nginx: serving, running"];
    let [uwsgi, nginx] = serving;
    let survivors = [uwsgi, nginx, "nginx: survivors, stopping"];
    let status = wait_for_roles(&running, "ready", &survivors);
    assert_eq!(status["restarts"], 1, "{status}");

    service.write("state/answered", "");
    assert_eq!(long.join().unwrap().unwrap().text(), "done");
    wait_for_roles(&running, "ready", &serving);
}
