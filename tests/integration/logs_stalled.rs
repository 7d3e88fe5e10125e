//! A stdout that is not read: the service continues, or blocks if configured so, and every line is accounted for.

use std::fs::File;
use std::io::pipe;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::account::{SOURCES, counted, tell};
use crate::http::Request;
use crate::launcher::Launcher;
use crate::log::Line;
use crate::running::Running;
use crate::service::Service;
use crate::wait::until;

const CLIENTS: usize = 8;

fn service(on_full: &str) -> Service {
    Service::new().config(&json!({
        "use_nginx": true,
        "nginx_config": {"wsgi_worker_threads_count": 4},
        "log_config": {"on_full": on_full, "buffer": "64k"},
    }))
}

/// A launcher whose stdout is read only when the test does so.
fn start(service: &Service) -> (Running, File) {
    let (reader, writer) = pipe().unwrap();
    let running = Launcher::new(service).stdout(writer).start_ready();
    (running, File::from(OwnedFd::from(reader)))
}

#[track_caller]
fn log_counter(log: &Value, name: &str) -> u64 {
    log[name]
        .as_u64()
        .unwrap_or_else(|| panic!("no {name}: {log}"))
}

#[test]
fn a_stalled_log_blocks_nothing_and_dropped_lines_are_reported() {
    const REQUESTS: usize = 3_000;
    let (mut running, stdout) = start(&service("drop"));
    let told = tell(&running, "GET", CLIENTS, 0..REQUESTS, |_| {});
    assert_eq!(told.len(), REQUESTS);

    let stalled = until(
        Duration::from_secs(20),
        "the status tells the stall",
        || {
            let log = running.status()["log"].clone();
            let read = log_counter(&log, "produced") >= 3 * REQUESTS as u64;
            (read && log["stalled_seconds"].is_number()).then_some(log)
        },
    );
    assert!(log_counter(&stalled, "dropped") > 0, "{stalled}");
    let text = running.run_command(&["status", "--all"]).text();
    assert!(text.contains("stdout has taken nothing for"), "{text}");
    assert!(text.contains("lines dropped"), "{text}");

    running.read_stdout(stdout);
    let flows = until(Duration::from_secs(20), "the log flows again", || {
        let log = running.status()["log"].clone();
        (log_counter(&log, "buffered") == 0 && log["stalled_seconds"].is_null()).then_some(log)
    });
    let (produced, delivered) = (
        log_counter(&flows, "produced"),
        log_counter(&flows, "delivered"),
    );
    let dropped = log_counter(&flows, "dropped");
    assert_eq!(delivered + dropped, produced, "{flows}");
    let text = running.run_command(&["status", "--all"]).text();
    assert!(
        text.contains(&format!("{dropped} of {produced} lines dropped")),
        "{text}"
    );

    running.stop(Duration::from_secs(15));
    let is_gap = |line: &Line| line.str("event") == "log_dropped";
    let gaps = running.log.filter(is_gap);
    let sum = |field: &str| -> u64 { gaps.iter().filter_map(|gap| gap.json[field].as_u64()).sum() };
    assert_eq!(sum("lines"), dropped, "{gaps:?}");
    for source in SOURCES {
        let counts = counted(&running.log, source);
        assert!(counts.values().all(|count| *count == 1), "{source}");
        let there = counts.len() as u64;
        assert_eq!(there + sum(source), REQUESTS as u64, "{source}");
    }
    // It is reported again at the end.
    let last = running
        .log
        .filter(|line| line.str("event") == "log_incomplete");
    assert_eq!(last.len(), 1);
    assert_eq!(last[0].json["lines"], dropped);
}

#[test]
fn block_loses_nothing() {
    const LINES: usize = 40_000;
    let (mut running, stdout) = start(&service("block"));
    let request = Request::get(format!("/print/{LINES}")).header("Connection", "close");
    let address = running.address;
    let printing = thread::spawn(move || request.send(address));
    until(Duration::from_secs(20), "the service stands still", || {
        running.status()["log"]["stalled_seconds"].as_f64()
    });
    assert!(!printing.is_finished());
    assert_eq!(log_counter(&running.status()["log"], "dropped"), 0);

    running.read_stdout(stdout);
    assert_eq!(printing.join().unwrap().unwrap().status, 200);
    running.stop(Duration::from_secs(15));
    let printed = running.log.filter(|line| line.is_from("app.stdout"));
    let expected: Vec<_> = (0..LINES).map(|line| format!("printed {line}")).collect();
    assert!(
        printed
            .iter()
            .map(Line::message)
            .eq(expected.iter().map(String::as_str)),
        "{} of {LINES} lines",
        printed.len()
    );
    assert!(!running.log.contains("log_dropped"));
}

#[test]
fn a_blocked_service_can_be_stopped() {
    let (mut running, stdout) = start(&service("block"));
    let request = Request::get("/print/40000").header("Connection", "close");
    let address = running.address;
    let printing = thread::spawn(move || request.send(address));
    until(Duration::from_secs(20), "the service stands still", || {
        running.status()["log"]["stalled_seconds"].as_f64()
    });
    running.signal(nix::sys::signal::Signal::SIGTERM);
    // The in-flight request can finish although its output is not read.
    assert_eq!(printing.join().unwrap().unwrap().status, 200);
    let exit = running.wait_exit(Duration::from_secs(20));
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert!(running.log.contains("were lost"));
    drop(stdout);
}
