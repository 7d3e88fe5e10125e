//! A service with options of uWSGI, from its start to its end: it serves, loses a worker, is reloaded and stops as one
//! without them.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::http::Request;
use crate::launcher::Launcher;
use crate::load::{Clients, Load, parallel};
use crate::log::Line;
use crate::running::Running;
use crate::service::{PROBE_APP, Service};
use crate::wait::until;

const SOON: Duration = Duration::from_secs(15);
const SLOTS: usize = 2;
const REQUESTS_OF_A_SLOT: usize = 10;

/// The probe, and a path that evaluates the body of the request.
const ASKED: &str = "
import uwsgi
@app.route('/ask', methods=['POST'])
def ask():
    return repr(eval(request.get_data(as_text=True)))
";

/// A program for a mule.
const MULE: &str = "
import os, time
open(os.path.dirname(__file__) + '/../state/mule', 'w').write('x')
while True:
    time.sleep(1)
";

/// What shows that an option has its effect.
enum Effect {
    /// This expression of Python has this value in a worker.
    Value(&'static str, &'static str),
    /// The answer to a GET of this path has this in its status and headers.
    Answer(&'static str, &'static str),
    /// The application notes this name.
    Note(&'static str),
    /// The log says this.
    Said(&'static str),
}

/// An option of uWSGI, and how it is tried.
pub(crate) struct Tried {
    name: &'static str,
    value: Value,
    effects: Vec<Effect>,
}

/// `STATE` in a value is the folder that the probe may write to, `SRC` that of its code.
pub(crate) fn option(name: &'static str, value: impl Into<Value>) -> Tried {
    Tried {
        name,
        value: value.into(),
        effects: Vec::new(),
    }
}

impl Tried {
    /// This expression then has this value.
    pub(crate) fn gives(mut self, expression: &'static str, value: &'static str) -> Self {
        self.effects.push(Effect::Value(expression, value));
        self
    }

    /// The status and the headers of the answer to a GET of this path have this text.
    pub(crate) fn answers(mut self, path: &'static str, text: &'static str) -> Self {
        self.effects.push(Effect::Answer(path, text));
        self
    }

    /// The application, or what it has started, then writes a file of this name.
    pub(crate) fn notes(mut self, name: &'static str) -> Self {
        self.effects.push(Effect::Note(name));
        self
    }

    /// The log says this.
    pub(crate) fn says(mut self, text: &'static str) -> Self {
        self.effects.push(Effect::Said(text));
        self
    }
}

/// How the slots are served.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum By {
    Processes,
    Threads,
}

/// The whole life of a service with these options; `application` is added to the probe.
#[track_caller]
pub(crate) fn live(by: By, options: &[Tried], application: &str) {
    let service = service(by, options, application);
    let mut running = Launcher::new(&service).start_ready();
    serve(&running);
    let processes = if by == By::Processes { "2" } else { "1" };
    assert_eq!(ask(&running, "uwsgi.numproc"), processes);
    for option in options {
        let seen = option.effects.iter();
        seen.for_each(|effect| assert_seen(&running, &service, option.name, effect));
    }
    lose_a_worker(&mut running);
    reload(&running);
    serve(&running);
    running.stop(Duration::from_secs(5));
    let bad = running.log.filter(is_unexpected);
    assert!(bad.is_empty(), "{bad:#?}");
}

fn service(by: By, options: &[Tried], application: &str) -> Service {
    let service = Service::empty()
        .main_py(&format!("{PROBE_APP}{ASKED}{application}"))
        .file("src/mule.py", MULE);
    let folder = |name: &str| service.root().join(name).display().to_string();
    let mut config = serde_json::Map::new();
    for option in options {
        let text = option.value.to_string();
        let text = text.replace("STATE", &folder("state"));
        let value = serde_json::from_str(&text.replace("SRC", &folder("src"))).unwrap();
        let before = config.insert(option.name.to_owned(), value);
        assert!(before.is_none(), "{} is there twice", option.name);
    }
    let processes = if by == By::Processes { SLOTS } else { 1 };
    service.config(&json!({
        "use_nginx": true,
        "nginx_config": {"wsgi_worker_threads_count": SLOTS, "wsgi_processes": processes},
        "uwsgi_config": config,
    }))
}

#[track_caller]
fn serve(running: &Running) {
    parallel(SLOTS, |_| {
        for _ in 0..REQUESTS_OF_A_SLOT {
            assert_eq!(running.get_ok("/version").text(), "1");
        }
    });
}

#[track_caller]
fn ask(running: &Running, expression: &str) -> String {
    let request = Request::post("/ask", expression).header("Connection", "close");
    running.send_ok(&request).text()
}

#[track_caller]
fn assert_seen(running: &Running, service: &Service, option: &str, effect: &Effect) {
    match effect {
        Effect::Value(expression, expected) => {
            assert_eq!(
                ask(running, expression),
                *expected,
                "{option}: {expression}"
            );
        }
        Effect::Answer(path, text) => {
            let answer = running.get(path).unwrap();
            let head = format!("{} {:?}", answer.status, answer.headers);
            assert!(head.contains(text), "{option}: {path}: {head}");
        }
        Effect::Note(name) => service.wait_for_notes(name, 1),
        Effect::Said(text) => running.log.wait_for_text(text),
    }
}

/// A worker that is killed has a successor.
#[track_caller]
fn lose_a_worker(running: &mut Running) {
    let before = running.uwsgi_workers().len();
    let worker = until(SOON, "a worker to kill", || {
        // One that answers may just be leaving, when it is recycled; mules and spoolers are no workers.
        let status = running.status();
        let idle = status["workers"].as_array().unwrap().iter();
        let idle = idle.filter(|worker| worker["state"] == "idle");
        let pids: Vec<_> = idle.map(|worker| worker["pid"].as_i64()).collect();
        let workers = running.uwsgi_workers();
        workers
            .into_iter()
            .find(|worker| pids.contains(&Some(worker.pid.into())))
    });
    worker.signal(Signal::SIGKILL);
    worker.wait_gone(SOON);
    until(SOON, "a new worker", || {
        let workers = running.uwsgi_workers();
        (workers.len() >= before).then_some(())
    });
    running.wait_ready();
}

/// Clients notice nothing, also when the old uWSGI has gone.
#[track_caller]
fn reload(running: &Running) {
    let old = running.uwsgi_master();
    let version = Request::get("/version");
    let load = Load::start(running.address, 1, Clients::Fresh, &version);
    load.wait_for_requests(5, SOON);
    running.run_command(&["reload"]).assert_code(0);
    old.wait_gone(SOON);
    load.wait_for_requests(20, SOON);
    let outcome = load.stop();
    assert_eq!(outcome.failed(), 0, "{}", outcome.reasons());
}

fn is_unexpected(line: &Line) -> bool {
    // With thunder-lock it may have held the lock.
    let of_killed = ["killed by signal 9", "a robust mutex died. recovering"];
    let is_killed_worker = of_killed.iter().any(|text| line.text.contains(text));
    let is_bad = matches!(line.str("level"), "warn" | "error") && !is_killed_worker;
    is_bad || line.text.contains("Segmentation")
}
