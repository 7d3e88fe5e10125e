//! The status in 80 columns and 24 lines.

use super::*;
use crate::status::sample;

/// A service in which 17 workers are busy, and everything has gone wrong that can.
fn seventeen() -> StatusReport {
    let mut report = sample::report();
    let busy = report.workers[0].clone();
    report.plan.slots = 17;
    report.workers = (1..=17_u32)
        .map(|id| {
            let mut worker = busy.clone();
            (worker.id, worker.pid) = (id, 4_194_304);
            let request = &mut worker.serving[0];
            request.seconds = u64::from(id) * 7;
            request.path = format!("/a/very/long/path/{}/of/a/request/{id}", "x".repeat(200));
            request.request_id = "0123456789abcdef".to_owned();
            worker
        })
        .collect();
    report
}

#[test]
fn seventeen_busy_workers_fit_the_screen_and_the_oldest_is_first() {
    let text = text(&seventeen(), 80);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() <= 24, "{text}");
    assert!(
        lines.iter().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    let first = lines
        .iter()
        .position(|line| line.contains("the oldest first"))
        .unwrap()
        + 1;
    assert!(
        lines[first].starts_with("  17 4194304   119 s    31M  GET /a/very/lon…"),
        "{text}"
    );
    assert!(lines[first].ends_with("/17 waited 2 s  01234567"), "{text}");
    assert!(lines[first + 16].starts_with("   1 "), "{text}");
    assert!(lines.last().unwrap().starts_with("… "), "{text}");
}

#[test]
fn only_what_there_is_has_a_line() {
    let mut report = seventeen();
    report.name = "rum".to_owned();
    for worker in &mut report.workers {
        worker.serving.clear();
        worker.state = WorkerState::Idle;
    }
    report.workers[3].state = WorkerState::Dead;
    report.waiting = Some(0);
    report.shed.clear();
    report.worker_exits.clear();
    report.traffic = crate::status::TrafficStatus::default();
    report.reloads.last = None;
    report.errors.clear();
    report.last_errors.clear();
    report.warnings.clear();
    report.log = crate::status::LogStatus::default();
    report.resources = crate::status::ResourceStatus::default();
    report.children.clear();
    report.finishing.clear();
    assert_eq!(
        text(&report, 80),
        "rum is well: ready for 1 s, 0 of 16 slots busy\n\
         up 2 s   gen 3   0/16 busy   queue 0\n\
         workers without a request: 16 idle, 1 dead (worker 4)\n"
    );
    report.traffic.timeouts = 2;
    report.shed.insert("queue_full".to_owned(), 8);
    report.worker_exits.insert("crash".to_owned(), 1);
    report.errors = sample::report().errors;
    report.finishing = sample::report().finishing;
    let text = text(&report, 200);
    for line in [
        "old generation: 1 request under way, the oldest GET /users/secret for 1 s\n",
        "error x3 last 09:00:00 secret-i GET /secret RuntimeError: secret at src/secret.py:3 in boom\n",
        "requests since the start: refused queue_full 8, timed out 2\n",
        "ended workers since the start: crash 1\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn advice_is_told_to_its_end() {
    let mut report = seventeen();
    report.workers.truncate(3);
    report.resources.memory_working_set_bytes = report.resources.memory_limit_bytes;
    let text = text(&report, 80);
    let advice = "  a process is killed when memory runs out: raise the limit, or lower\n  wsgi_worker_threads_count\n";
    assert!(text.contains(advice), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
}
