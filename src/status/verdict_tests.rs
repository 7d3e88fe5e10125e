//! Verdicts about services of which one thing is known.

use super::*;
use crate::status::{LastReload, LogStatus, WorkerState, sample};

/// A service that is well: two of four slots are busy, with requests of these ages.
fn service(ages: &[u64]) -> StatusReport {
    let mut report = sample::report();
    let worker = report.workers[0].clone();
    report.workers = (1..=4)
        .map(|id| {
            let mut worker = worker.clone();
            worker.id = id;
            worker.state = WorkerState::Idle;
            worker.serving.clear();
            worker.exits.clear();
            worker
        })
        .collect();
    for (worker, age) in report.workers.iter_mut().zip(ages) {
        worker.state = WorkerState::Busy;
        let mut request = sample::report().workers[0].serving[0].clone();
        request.seconds = *age;
        worker.serving.push(request);
    }
    report.waiting = Some(0);
    report.phase_seconds = 11_000.0;
    report.log = LogStatus::default();
    report.traffic.last_minute.server_errors = 0;
    report
}

#[track_caller]
fn check(report: &StatusReport, level: VerdictLevel, text: &str, advice: &str) {
    let verdict = verdict(report);
    assert_eq!((verdict.level, verdict.text.as_str()), (level, text));
    let first = verdict.advice.first().map_or("", String::as_str);
    assert!(
        first.contains(advice) && first.is_empty() == advice.is_empty(),
        "{first}"
    );
}

#[test]
fn a_service_that_serves() {
    let well = "is well: ready for 3 h 3 min, 2 of 4 slots busy";
    check(&service(&[1, 90]), VerdictLevel::Well, well, "");
    let mut full = service(&[1, 2, 3, 4]);
    let text = "is busy: all 4 slots are taken, none waits";
    check(&full, VerdictLevel::Busy, text, "");
    full.waiting = Some(22);
    full.oldest_wait_seconds = Some(1.25);
    let text = "is busy: all 4 slots are taken, 22 wait, the oldest for 1.2 s";
    check(&full, VerdictLevel::Busy, text, "more slots");
    full.workers[0].serving[0].seconds = 58;
    check(&full, VerdictLevel::Busy, text, "the oldest requests below");
    full.workers[0].serving[0].websocket = true;
    check(&full, VerdictLevel::Busy, text, "more slots");
    full.phase = ServicePhase::Reloading;
    full.workers[0].serving.clear();
    full.phase_seconds = 3.0;
    let text = "is well: ready and reloading for 3 s, 3 of 4 slots busy";
    check(&full, VerdictLevel::Well, text, "");
    let mut without = service(&[]);
    without.workers[0].state = WorkerState::Dead;
    let text = "is well: ready for 3 h 3 min, 0 of 3 slots busy";
    check(&without, VerdictLevel::Well, text, "");
}

#[test]
fn a_service_with_a_problem() {
    let trouble = VerdictLevel::Trouble;
    let mut report = service(&[1, 2]);
    report.reloads.last = Some(LastReload {
        outcome: "rolled_back".into(),
        ..sample::report().reloads.last.unwrap()
    });
    let text = "has a problem: the last reload was rolled back";
    check(&report, trouble, text, "reload again");
    report.traffic.last_minute.server_errors = 60;
    let text = "has a problem: 60 of 120 requests of the last minute got 5xx";
    check(&report, trouble, text, "below: refused");
    report.log.stalled_seconds = Some(61.0);
    let text = "has a problem: stdout has taken no log line for 1 min 1 s";
    check(&report, trouble, text, "reads the log");
    report.resources.memory_usage_bytes = Some(1 << 30);
    assert!(
        verdict(&report).text.contains("stdout"),
        "files are no lack of memory"
    );
    report.resources.memory_working_set_bytes = Some(1020 << 20);
    let text = "has a problem: 100 % of the memory is used";
    check(&report, trouble, text, "raise the limit");
    let mut report = service(&[1, 110]);
    let text = "has a problem: stuck: a request has run for 110 of its 120 s: GET /users/secret";
    check(&report, trouble, text, "Python stack");
    report.slow_requests[0].reason = "request_timeout".to_owned();
    let text = "has a problem: 1 timed out in the last 5 minutes, the last GET /users/secret";
    check(&report, trouble, text, "Python stack");
    report.generations[0].ts = "2026-11-27T08:00:00Z".to_owned();
    report.workers[0].exits = [("oom".to_owned(), 1)].into();
    let text = "has a problem: workers died in the last 5 minutes: oom 1";
    check(&report, trouble, text, "raise the limit");
    let mut few = service(&[1, 2]);
    few.traffic.last_minute.server_errors = 4;
    assert_eq!(verdict(&few).level, VerdictLevel::Well);
}

#[test]
fn a_service_that_does_not_serve() {
    let down = VerdictLevel::Down;
    let mut report = service(&[3, 12]);
    report.ready = false;
    report.phase = ServicePhase::Stopping;
    report.phase_seconds = 21.0;
    report.reason = Some("stopping: requests under way are being finished".into());
    let text =
        "is stopping, for 21 s: requests under way are being finished; GET /users/secret for 12 s";
    check(&report, down, text, "");
    report.phase = ServicePhase::Starting;
    report.reason = Some("uwsgi is starting: the application is still being imported".into());
    let text = "is starting, for 21 s: uwsgi is starting: the application is still being imported";
    check(&report, down, text, "");
    report.phase = ServicePhase::Degraded;
    report.reason = None;
    check(
        &report,
        down,
        "is not ready, for 21 s: no reason is known",
        "last errors",
    );
}
