//! Processes that the application forks or starts in a request: they have nothing of the launcher's, and live as long
//! as the service at most.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::family::Process;
use crate::http::Request;
use crate::launcher::Launcher;
use crate::load::background;
use crate::running::Running;
use crate::service::{Service, one_process, two_threads};
use crate::wait::until;

const LIVES: &str = include_str!("lives.py");
const SOON: Duration = Duration::from_secs(5);

fn service(section: &Value) -> Service {
    Service::empty().main_py(LIVES).nginx_config(section)
}

/// What a child has written about itself.
fn report(service: &Service, name: &str) -> Value {
    let path = service.root().join("state").join(name);
    until(Duration::from_secs(10), "what the child sees", || {
        serde_json::from_slice(&fs::read(&path).ok()?).ok()
    })
}

fn process_of(report: &Value) -> Process {
    let pid = i32::try_from(report["pid"].as_i64().unwrap()).unwrap();
    Process::read(pid).expect("the child lives")
}

/// Links in /proc of what uWSGI's master and its workers have open, but for the log and /dev/null.
fn open_in_uwsgi(running: &Running) -> BTreeSet<String> {
    let mut pids: Vec<i32> = running.uwsgi_workers().iter().map(|p| p.pid).collect();
    pids.push(running.uwsgi_master().pid);
    let (mut links, mut log) = (BTreeSet::new(), BTreeSet::new());
    for pid in pids {
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
            let entry = entry.unwrap();
            let link = fs::read_link(entry.path()).unwrap_or_default();
            let is_log = ["1", "2"].iter().any(|own| entry.file_name() == *own);
            let kind = if is_log { &mut log } else { &mut links };
            kind.insert(link.display().to_string());
        }
    }
    links.retain(|link| !log.contains(link));
    links.remove("/dev/null");
    links
}

/// Signals by their numbers in a mask of /proc.
fn signals(mask: &Value) -> Vec<u32> {
    let bits = u64::from_str_radix(mask.as_str().unwrap(), 16).unwrap();
    // Those that have a name: a real-time signal may be ignored since before the launcher.
    (1..32).filter(|n| bits >> (n - 1) & 1 == 1).collect()
}

#[track_caller]
fn assert_has_nothing_of_ours(ours: &BTreeSet<String>, report: &Value) {
    for (number, link) in report["links"].as_object().unwrap() {
        let link = link.as_str().unwrap();
        assert!(
            !ours.contains(link) && link != "anon_inode:[eventpoll]",
            "descriptor {number} is {link}"
        );
        // The connection of the client is gone from uWSGI by now.
        assert!(
            !link.starts_with("socket:"),
            "descriptor {number} is {link}"
        );
    }
    assert_eq!(signals(&report["masks"]["SigBlk"]), [0; 0], "{report}");
}

#[test]
fn a_forked_process_has_default_signals_and_no_socket() {
    for section in [one_process(), two_threads()] {
        let service = service(&section);
        let running = Launcher::new(&service).start_ready();
        // Before the application opens anything itself.
        let ours = open_in_uwsgi(&running);
        // With threads, one request in each of them.
        for n in 0..4 {
            let name = format!("child{n}");
            let answer =
                running.send_ok(&Request::post(format!("/fork/{name}"), "a body").timeout(SOON));
            assert_eq!(answer.text(), "forked\n");
            let report = report(&service, &name);
            assert_has_nothing_of_ours(&ours, &report);
            // Python itself catches SIGINT and ignores SIGPIPE and SIGXFSZ.
            assert_eq!(signals(&report["masks"]["SigCgt"]), [2], "{report}");
            assert_eq!(signals(&report["masks"]["SigIgn"]), [13, 25], "{report}");
        }
    }
}

#[test]
fn a_client_does_not_wait_for_a_forked_process() {
    let service = service(&one_process());
    let running = Launcher::new(&service).start_ready();
    for path in ["/fork/a", "/fork/b?stream=1"] {
        running.send_ok(&Request::post(path, "").timeout(SOON));
    }
    // The worker dies, its child lives on.
    let answer = running
        .send(&Request::post("/fork/c?die=1", "").timeout(SOON))
        .unwrap();
    assert_eq!(answer.status, 502);
    running.wait_ok("/pid", SOON);
    process_of(&report(&service, "c")).signal(Signal::SIGKILL);
}

#[test]
fn a_signal_to_a_forked_process_hits_it_alone() {
    for section in [one_process(), two_threads()] {
        let service = service(&section);
        let running = Launcher::new(&service).start_ready();
        for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1] {
            let name = signal.as_str();
            running.send_ok(&Request::post(format!("/fork/{name}"), ""));
            let workers = running.uwsgi_workers();
            let child = process_of(&report(&service, name));
            child.signal(signal);
            child.wait_gone(SOON);
            running.get_ok("/pid");
            assert_eq!(running.uwsgi_workers(), workers);
        }
    }
}

#[test]
fn programs_inherit_no_blocked_signal_and_no_socket() {
    let service = service(&two_threads());
    let mut running = Launcher::new(&service).start_ready();
    for how in ["popen", "popen-open", "session", "spawn", "system"] {
        // In both threads.
        for n in 0..4 {
            let name = format!("{how}{n}");
            running.send_ok(&Request::post(format!("/start/{how}/{name}"), ""));
            let report = report(&service, &name);
            assert_eq!(signals(&report["masks"]["SigBlk"]), [0; 0], "{how}");
            for link in report["links"].as_object().unwrap().values() {
                assert!(
                    !link.as_str().unwrap().starts_with("socket:"),
                    "{how}: {link}"
                );
            }
            let program = process_of(&report);
            // The service's own programs are ended here, and not at the stop.
            kill(Pid::from_raw(program.pid), Signal::SIGTERM).unwrap();
            program.wait_gone(SOON);
        }
    }
    running.stop(Duration::from_secs(10));
}

#[test]
fn what_a_request_has_started_survives_a_reload_and_ends_with_the_service() {
    let service = service(&json!({"wsgi_worker_threads_count": 2}));
    let mut running = Launcher::new(&service).start_ready();
    let mut programs = Vec::new();
    for how in ["popen", "session"] {
        running.send_ok(&Request::post(format!("/start/{how}/{how}"), ""));
        programs.push(process_of(&report(&service, how)));
    }
    let before = running.uwsgi_master();
    assert_eq!(running.run_command(&["reload"]).exit.code, Some(0));
    before.wait_gone(Duration::from_secs(15));
    for program in &programs {
        assert!(program.is_alive(), "{program:?}");
    }
    let exit = running.stop(Duration::from_secs(15));
    assert_eq!(exit.code, Some(0), "{exit:?}");
    for program in &programs {
        assert!(!program.is_alive(), "{program:?}");
        let pid = program.pid.to_string();
        assert!(
            running
                .log
                .lines()
                .iter()
                .any(|line| line.message().contains("left behind") && line.text.contains(&pid)),
            "{}",
            running.log.tail(5)
        );
    }
}

#[test]
fn a_worker_whose_thread_runs_a_program_retires_without_delay() {
    let service = service(&two_threads());
    let running = Launcher::new(&service).start_ready();
    let slow = [0, 1].map(|_| {
        background(
            running.address,
            Request::get("/wait-for-a-program").timeout(Duration::from_secs(20)),
        )
    });
    until(SOON, "two programs", || {
        (service.noted("program") >= 2).then_some(())
    });
    let old = running.uwsgi_master();
    assert_eq!(running.run_command(&["reload"]).exit.code, Some(0));
    running.get_ok("/pid");
    for request in slow {
        assert_eq!(request.join().unwrap().unwrap().text(), "0\n");
    }
    old.wait_gone(SOON);
}

#[test]
fn exit_codes_of_forked_processes_are_their_own() {
    for section in [one_process(), two_threads()] {
        let mut running = Launcher::new(&service(&section)).start_ready();
        for _ in 0..4 {
            assert_eq!(running.get_ok("/exit-codes").text(), "[0, 5, 3]");
        }
        running.stop(Duration::from_secs(10));
        let alarms = running.log.filter(|line| line.str("level") == "error");
        assert!(alarms.is_empty(), "{alarms:#?}");
    }
}
