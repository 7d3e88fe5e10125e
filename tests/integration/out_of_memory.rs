//! The kernel kills a process for memory: the log says so in plain words, with the request, the limit and the use.

use std::time::Duration;

use crate::http::Request;
use crate::launcher::Launcher;
use crate::log::Line;
use crate::memory_group::MemoryGroup;
use crate::running::Running;
use crate::service::{PROBE_APP, Service};
use crate::wait::until;
use crate::worker_deaths::wait_for_exits;

const SOON: Duration = Duration::from_secs(20);
/// Enough for the launcher, nginx and two workers.
const MEBIBYTES: u64 = 200;

/// A route that takes memory until there is none.
const EATER: &str = "
@app.route('/eat/<path:_path>', methods=['POST'])
def eat(_path):
    kept = []
    while True:
        kept.append(b'x' * 2**20)
";

fn start(group: &MemoryGroup) -> Running {
    let service = Service::with_slots(2).main_py(&format!("{PROBE_APP}\n{EATER}"));
    let enter = group.enter();
    let words: Vec<&str> = enter.iter().map(String::as_str).collect();
    Launcher::new(&service).through(&words).start_ready()
}

fn eat(running: &Running) {
    let request = Request::post("/eat/all?secret=1", vec![]).timeout(SOON);
    // What becomes of the request is another test's.
    let _ = running.send(&request);
}

/// The launcher's record about it.
fn record(running: &Running, words: &str) -> Line {
    running.log.wait_for(words, |line| {
        line.is_from("launcher") && line.message().contains(words)
    })
}

#[test]
fn a_worker_that_is_killed_for_memory_is_explained() {
    let Some(group) = MemoryGroup::new(MEBIBYTES) else {
        return;
    };
    let mut running = start(&group);
    eat(&running);
    wait_for_exits(&running, &[("oom", 1)]);
    let record = record(&running, "Out of memory: the kernel has killed worker");
    let limit = format!("may use {MEBIBYTES} MiB, and has used {MEBIBYTES} MiB");
    assert!(record.message().contains(&limit), "{}", record.text);
    assert!(
        record.message().contains("POST /eat/all ("),
        "{}",
        record.text
    );
    let json = &record.json;
    assert_eq!(json["level"], "error", "{json}");
    assert_eq!(json["method"], "POST", "{json}");
    assert_eq!(json["path"], "/eat/all", "{json}");
    assert_eq!(json["memory_limit"], MEBIBYTES << 20, "{json}");
    assert!(
        json["memory_used"].as_u64() > Some((MEBIBYTES - 5) << 20),
        "{json}"
    );
    let id = json["request_id"].as_str().unwrap();
    running
        .log
        .wait_for("the access record with the same id", |line| {
            line.is_from("nginx.access") && line.text.contains(id)
        });
    // The next one is no OOM kill, just because there was one.
    let killed = running.uwsgi_workers().remove(0);
    killed.signal(nix::sys::signal::Signal::SIGKILL);
    wait_for_exits(&running, &[("crash", 1), ("oom", 1)]);
    running.assert_runs();
}

#[test]
fn a_group_of_their_own_counts_too() {
    let Some(group) = MemoryGroup::new(MEBIBYTES) else {
        return;
    };
    let running = start(&group);
    let mut pids: Vec<i32> = running.uwsgi_workers().iter().map(|w| w.pid).collect();
    pids.push(running.uwsgi_master().pid);
    let _below = group.move_below(&pids);
    // The launcher may not have seen the new group when the first process is killed in it: then it is a crash.
    until(SOON, "a kill that is counted as such", || {
        eat(&running);
        (running.status()["worker_exits"]["oom"].as_u64() > Some(0)).then_some(())
    });
    drop(running);
}

#[test]
fn a_main_process_that_is_killed_for_memory_is_explained() {
    let Some(group) = MemoryGroup::new(MEBIBYTES) else {
        return;
    };
    for (child, pid) in [
        ("uwsgi", Running::uwsgi_master as fn(&Running) -> _),
        ("nginx", Running::nginx_master),
    ] {
        let running = start(&group);
        // The kernel takes the one that it is told to prefer.
        let score = format!("/proc/{}/oom_score_adj", pid(&running).pid);
        std::fs::write(&score, "1000").unwrap();
        eat(&running);
        let ended = format!(
            "{child} ended unexpectedly (signal 9 (SIGKILL) from the kernel: out of memory, the limit is {MEBIBYTES} MiB)"
        );
        let record = record(&running, &ended);
        assert_eq!(record.json["memory_limit"], MEBIBYTES << 20);
        until(SOON, "ready again", || running.is_ready().then_some(()));
        let status = running.status().to_string();
        assert!(status.contains("out of memory"), "{status}");
    }
}
