//! Python stacks and profiles: what a worker does, also when it hangs in C, without harm to it.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::family::Process;
use crate::http::Request;
use crate::launcher::Launcher;
use crate::load::{background, parallel};
use crate::output::Output;
use crate::running::Running;
use crate::service::Service;
use crate::wait::until;

const SOON: Duration = Duration::from_secs(30);

/// Views that hang in Python and in C, that compute, and a thread of the application's own.
const MAIN: &str = r#"
import ctypes
import threading
import time

from flask import Flask, request

app = Flask(__name__)


def refresh_prices():
    while True:
        time.sleep(1)


threading.Thread(target=refresh_prices, name="prices <&;>", daemon=True).start()


def wait_for_database():
    time.sleep(60)


@app.get("/wait")
def wait():
    wait_for_database()
    return "ok"


@app.get("/c")
def hang_in_c():
    # Unlike time.sleep, it does not release the interpreter's lock.
    ctypes.PyDLL(None).sleep(60)
    return "ok"


def fold(n):
    return n if n < 2 else fold(n - 1)


@app.get("/spin")
def spin():
    end = time.monotonic() + float(request.args.get("seconds", 60))
    while time.monotonic() < end:
        fold(300)
    return "ok"


@app.get("/pid")
def pid():
    return "ok"
"#;

fn service(section: &Value) -> Running {
    let service = Service::empty().main_py(MAIN).nginx_config(section);
    Launcher::new(&service).start_ready()
}

fn begin(running: &Running, path: &str) {
    let request = Request::get(path).timeout(Duration::from_secs(100));
    drop(background(running.address, request));
    until(SOON, path, || {
        let status = running.status();
        let workers = status["workers"].as_array().unwrap();
        let mut serving = workers
            .iter()
            .flat_map(|worker| worker["serving"].as_array().unwrap());
        serving.any(|serving| serving["path"] == path).then_some(())
    });
}

/// The processes that read stacks for this launcher now.
fn readers(running: &Running) -> Vec<Process> {
    let name = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    let all = std::fs::read_dir("/proc").unwrap();
    let all = all.filter_map(|entry| Process::read(name(entry.ok()?)?));
    all.filter(|it| it.parent == running.pid() && it.command.contains(" read-stacks "))
        .collect()
}

fn pids(running: &Running) -> Vec<i32> {
    running.uwsgi_workers().iter().map(|it| it.pid).collect()
}

#[test]
fn every_thread_is_shown_also_when_it_hangs_in_c() {
    // Each process imports the application, and has its thread.
    let config = json!({
        "use_nginx": true,
        "nginx_config": {"wsgi_worker_threads_count": 4},
        "uwsgi_config": {"lazy-apps": true},
    });
    let service = Service::empty().main_py(MAIN).config(&config);
    let running = Launcher::new(&service).start_ready();
    running
        .run_command(&["status", "--stacks"])
        .assert_code(0)
        .assert_says("No worker has a request.");
    begin(&running, "/wait");
    begin(&running, "/c");
    begin(&running, "/spin");
    let before = pids(&running);
    let output = running.run_command(&["status", "--stacks"]);
    output.assert_code(0);
    let text = output.stdout();
    for part in [
        "  GET /wait for ",
        "waits\n    wait_for_database (",
        "main.py:20)\n    wait (",
        "waits in C code, with the interpreter's lock\n    hang_in_c (",
        // In it, or in what it calls.
        ": runs\n",
        "    spin (",
        "thread prices <&;> (",
        "waits\n    refresh_prices (",
    ] {
        assert!(text.contains(part), "{part}\n---\n{text}");
    }
    for part in ["microservice_flask", "uwsgi"] {
        assert!(!text.contains(&format!("{part}_")), "{part}\n---\n{text}");
    }
    assert_eq!(
        text.matches("\nworker ").count(),
        3,
        "the busy ones: {text}"
    );

    let status = running.status();
    let workers = status["workers"].as_array().unwrap();
    let idle = workers.iter().find(|worker| worker["state"] == "idle");
    let idle = idle.unwrap()["id"].to_string();
    let output = running.run_command(&["status", "--stacks", &idle, "--json"]);
    let answer: Value = serde_json::from_str(&output.assert_code(0).stdout()).unwrap();
    assert_eq!(answer["workers"][0]["id"].to_string(), idle);
    let threads = answer["stacks"][0]["threads"].as_array().unwrap();
    let serves = threads
        .iter()
        .filter(|thread| thread["frames"] == json!([]));
    assert_eq!(serves.count(), 1, "{answer}");
    running
        .run_command(&["status", "--stacks", "9"])
        .assert_code(1)
        .assert_says("there is no worker 9; there are 1, 2, 3, 4");
    // A stopped process is no obstacle.
    let stopped = running.uwsgi_workers().remove(0);
    stopped.signal(Signal::SIGSTOP);
    let one = running.run_command(&["status", "--stacks", "1"]);
    stopped.signal(Signal::SIGCONT);
    one.assert_code(0).assert_says("  thread ");
    assert_eq!(pids(&running), before);
}

#[test]
fn each_thread_of_a_worker_has_a_request_of_its_own() {
    let section = json!({"wsgi_worker_threads_count": 3, "wsgi_processes": 1});
    let running = service(&section);
    begin(&running, "/wait");
    begin(&running, "/spin");
    let text = running.run_command(&["status", "--stacks", "1"]).stdout();
    for part in ["wait_for_database (", "spin (", "no Python code runs"] {
        assert!(text.contains(part), "{part}\n---\n{text}");
    }
}

#[test]
fn a_profile_tells_where_requests_spend_their_time_and_loses_none() {
    let running = service(&json!({"wsgi_worker_threads_count": 3}));
    running
        .run_command(&["profile", "--seconds", "1"])
        .assert_code(0)
        .assert_says("no request was seen");
    begin(&running, "/wait");
    let before = pids(&running);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("requests.svg");
    let profile = |out: &str| -> Output {
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let load = scope.spawn(|| {
                let mut requests = 0;
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    parallel(2, |_| running.get_ok("/spin?seconds=0.2"));
                    requests += 2;
                }
                requests
            });
            let output = running.run_command(&["profile", "--seconds", "3", "--out", out]);
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(load.join().unwrap() > 0);
            output
        })
    };
    let text = profile(file.to_str().unwrap()).assert_code(0).stdout();
    for part in [
        " of 3 workers, ",
        "  wait (",
        "  spin (",
        "  wait_for_database (",
        "requests.svg, for a browser\n",
    ] {
        assert!(text.contains(part), "{part}\n---\n{text}");
    }
    // The one that waits used no CPU, those that compute used little else.
    let row = |name: &str| {
        let row = text.lines().find(|line| line.contains(name)).unwrap();
        let figures: Vec<u32> = row
            .split('%')
            .take(2)
            .map(|figure| figure.trim().parse().unwrap())
            .collect();
        (figures[0], figures[1])
    };
    let (share, cpu) = row("  wait (");
    assert!((20..60).contains(&share) && cpu < 20, "{text}");
    let (_, cpu) = row("  spin (");
    assert!(cpu > 50, "{text}");
    let svg = std::fs::read_to_string(&file).unwrap();
    assert!(svg.starts_with("<?xml") && svg.trim_end().ends_with("</svg>"));
    assert!(svg.contains("wait_for_database") && svg.contains("fold"));
    let output = profile("-");
    assert!(output.assert_code(0).stdout().starts_with("<?xml"));
    output.assert_says("which route: the view that was called");
    assert_eq!(pids(&running), before, "no process was harmed");
    running
        .run_command(&["profile", "--out", "/nonexistent/x.svg"])
        .assert_code(73)
        .assert_says("/nonexistent/x.svg");
}

#[test]
fn a_profile_goes_on_when_workers_end_and_the_code_is_reloaded() {
    let running = service(&json!({"wsgi_worker_threads_count": 2}));
    begin(&running, "/wait");
    std::thread::scope(|scope| {
        let profile =
            scope.spawn(|| running.run_command(&["profile", "--seconds", "12", "--out", "-"]));
        until(SOON, "it has begun", || {
            (!readers(&running).is_empty()).then_some(())
        });
        for worker in running.uwsgi_workers() {
            worker.signal(Signal::SIGKILL);
        }
        running.uwsgi_master().signal(Signal::SIGKILL);
        until(SOON, "another main process serves", || {
            let status = running.status();
            (status["restarts"] == 1 && status["ready"] == true).then_some(())
        });
        running.run_command(&["reload"]).assert_code(0);
        begin(&running, "/spin");
        let output = profile.join().unwrap();
        output.assert_code(0).assert_says("  spin (");
    });
}

#[test]
fn what_was_gathered_is_shown_when_the_launcher_ends() {
    let running = service(&json!({"wsgi_worker_threads_count": 1}));
    begin(&running, "/wait");
    std::thread::scope(|scope| {
        let profile = scope.spawn(|| running.run_command(&["profile", "--seconds", "60"]));
        let reader = || readers(&running).first().map(|reader| reader.pid);
        let first = until(SOON, "the first slice", reader);
        until(SOON, "the second slice", || {
            reader().filter(|pid| *pid != first)
        });
        running.signal(Signal::SIGKILL);
        let output = profile.join().unwrap();
        output
            .assert_code(0)
            .assert_says("  wait (")
            .assert_says("the profile ends early: no");
    });
}

#[test]
fn what_reads_has_no_rights_and_ends_with_its_client_and_is_alone() {
    let running = service(&json!({"wsgi_worker_threads_count": 1}));
    let socket = running.control_socket();
    let ask = |path: &str, patience: u64| {
        let request = Request::post(path, "").timeout(Duration::from_millis(patience));
        request.send(socket.as_path())
    };
    assert_eq!(ask("/profile?seconds=99", 5000).unwrap().status, 400);
    assert_eq!(
        crate::http::get(socket.as_path(), "/stacks")
            .unwrap()
            .status,
        405
    );
    std::thread::scope(|scope| {
        let first = scope.spawn(|| ask("/profile?seconds=30", 3000));
        until(SOON, "the first one runs", || {
            (readers(&running).len() == 1).then_some(())
        });
        let second = ask("/profile?seconds=0.1", 5000).unwrap();
        assert_eq!(second.status, 409, "{}", second.text());
        // The workers' user, no capability, and none to be had.
        let reader = readers(&running)[0].pid;
        let of = |name: &str| {
            let text = std::fs::read_to_string(format!("/proc/{reader}/status")).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim().to_owned()
        };
        let user = nix::unistd::User::from_name("www-data").unwrap().unwrap();
        assert!(
            of("Uid:")
                .split_whitespace()
                .all(|id| id == user.uid.to_string())
        );
        assert_eq!(of("CapEff:"), of("CapPrm:"));
        assert_eq!(of("CapEff:").trim_matches('0'), "");
        assert_eq!(of("NoNewPrivs:"), "1");
        // A look does not wait for it.
        assert_eq!(ask("/workers/1/stacks", 10_000).unwrap().status, 200);
        first.join().unwrap().unwrap_err();
    });
    until(SOON, "its process is ended", || {
        readers(&running).is_empty().then_some(())
    });
    until(SOON, "the next one may", || {
        let next = ask("/profile?seconds=0.1", 10_000).unwrap();
        (next.status == 200).then_some(())
    });
}
