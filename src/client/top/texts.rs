//! The texts that `top` shows on request: help, everything about a worker, whole rows, the question before an end. Pure.

use std::fmt::Write as _;

use super::rows::{exits, line_of, oldest};
use super::view::View;
use crate::status::verdict::duration;
use crate::status::words::{age, bytes, count, latency, time_of_day};
use crate::status::{RequestStatus, StatusReport, WorkerStatus};

/// The keys.
pub(super) const HELP: &str = "\
1 … 5, Tab         workers, requests, slow requests, errors, events
Up, Down, Page     select a row; Home, End: the first, the last
Enter              all about the worker, the request, the error
/                  show only rows with a text; Esc shows all again
a c m r n          sort workers: age of the request, CPU, memory,
                   requests, number; the same key again: reversed
s                  the Python stacks of the worker: where it hangs
k                  end the worker, after a question; uWSGI replaces it
Ctrl-L             draw the screen anew
Ctrl-Z             stop; the shell's fg continues
q, Ctrl-C          quit

header   bars: used slots, memory of the control group and its limit;
         requests each second of the last minute; p50, p90, p99 of
         that minute; queue and app: p50/p99 of the wait for a slot,
         and of the time in the application; gen (old: 2): requests
         that the generation before the reload still finishes
age      for how long the worker's oldest request has run
queue    for how long that request had waited for a slot before
pss      memory; what processes share is divided among them
cpu%     of one CPU, since the figures before
ended    ends of processes of this worker since the start, by cause";

/// For a key that needs a worker.
pub(super) const NO_WORKER: &str =
    "No worker is selected: choose one in view 1 (workers) or 2 (requests).";

/// The question before a worker is ended.
pub(super) fn question(worker: &WorkerStatus) -> String {
    let others = worker.serving.len().saturating_sub(1) as u64;
    let lost = match (oldest(worker), others) {
        (None, _) => "It serves no request.".to_owned(),
        (Some(request), 0) => {
            let line = line_of(request);
            format!("Its request {line} fails, or is repeated as after a crash.")
        }
        (Some(request), others) => {
            let (line, others) = (line_of(request), count(others, "other"));
            format!("Its request {line} and {others} fail, or are repeated as after a crash.")
        }
    };
    format!("End worker {}? {lost} y/n", worker.id)
}

/// Everything that is known about a worker.
pub(super) fn worker(report: &StatusReport, id: u32) -> String {
    let Some(worker) = report.workers.iter().find(|worker| worker.id == id) else {
        return format!("There is no worker {id} any more.");
    };
    let process = &worker.process;
    let number = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |n| n.to_string());
    let mut out = format!(
        "{}, pid {}, {} finished\n",
        worker.state.as_str(),
        worker.pid,
        count(worker.requests, "request")
    );
    let since = process.age_seconds.map_or_else(
        || "an unknown time ago".to_owned(),
        |seconds| format!("{} ago", duration(seconds)),
    );
    let share = process
        .cpu_share
        .map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0));
    let cpu = process
        .cpu_seconds
        .map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1} s"));
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "started {since}\nmemory {} (PSS)   CPU {share}, {cpu} in all   descriptors {}   threads {}",
        process.pss_bytes.map_or_else(|| "-".to_owned(), bytes),
        number(process.descriptors),
        number(process.threads)
    );
    let before = match exits(&worker.exits) {
        none if none.is_empty() => "none".to_owned(),
        some => some,
    };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "processes of this worker that have ended: {before}\n");
    let mut serving: Vec<&RequestStatus> = worker.serving.iter().collect();
    serving.sort_by_key(|request| std::cmp::Reverse(request.seconds));
    if serving.is_empty() {
        out.push_str("serves no request\n");
    }
    for request in serving {
        let waited = request
            .queue_seconds
            .map_or_else(|| "an unknown time".to_owned(), age);
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "serves {}\n  for {}, after {waited} in the queue, id {}",
            line_of(request),
            age(request.seconds),
            request.request_id
        );
    }
    let slow = report.slow_requests.iter().rev();
    let mut slow = slow.filter(|slow| slow.worker == Some(id)).peekable();
    if slow.peek().is_some() {
        out.push_str("\nits slow requests, the last first\n");
    }
    for slow in slow {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "  {} {} {} {}, {}",
            time_of_day(&slow.ts),
            slow.method,
            slow.path,
            slow.status,
            latency(slow.seconds)
        );
    }
    out
}

/// A row of the views without workers in full: title and text. `key` is that of the row.
pub(super) fn of(report: &StatusReport, view: View, key: &str) -> Option<(String, String)> {
    match view {
        View::Workers | View::Requests => None,
        View::Slow => slow(report, key),
        View::Errors => error(report, key),
        View::Events => event(report, key),
    }
}

fn slow(report: &StatusReport, key: &str) -> Option<(String, String)> {
    let is = |ts: &str, id: &str| key == format!("{ts} {id}");
    let requests = &report.slow_requests;
    let slow = requests
        .iter()
        .find(|slow| is(&slow.ts, &slow.request_id))?;
    let part = |seconds: Option<f64>| seconds.map_or_else(|| "unknown".to_owned(), latency);
    let mut text = format!(
        "{} {}\nanswered {} at {}\ntook {}: queue {}, application {}\n",
        slow.method,
        slow.path,
        slow.status,
        slow.ts,
        latency(slow.seconds),
        part(slow.queue_seconds),
        part(slow.app_seconds)
    );
    if let Some(worker) = slow.worker {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "worker {worker}");
    }
    if !slow.reason.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "reason {}", slow.reason);
    }
    // Writing to a String cannot fail.
    let _ = writeln!(text, "id {}", slow.request_id);
    Some(("Slow request".to_owned(), text))
}

fn error(report: &StatusReport, key: &str) -> Option<(String, String)> {
    let is = |source: &str, kind: &str, place: &str| key == format!("{source} {kind} {place}");
    let groups = &report.errors;
    let group = groups
        .iter()
        .find(|group| is(&group.source, &group.kind, &group.place))?;
    let mut text = format!("{}\n{}\n", group.kind, group.message);
    for (name, value) in [
        ("at", &group.place),
        ("request", &group.request),
        ("id", &group.request_id),
        ("source", &group.source),
        ("first", &group.first),
        ("last", &group.last),
    ] {
        if !value.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name} {value}");
        }
    }
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{} since the start", count(group.count, "time"));
    Some(("Error".to_owned(), text))
}

fn event(report: &StatusReport, key: &str) -> Option<(String, String)> {
    let is = |ts: &str, message: &str| key == format!("{ts} {message}");
    let events = &report.events;
    let event = events.iter().find(|event| is(&event.ts, &event.message))?;
    let text = format!("{} {}\n{}\n", event.ts, event.level, event.message);
    Some(("Event".to_owned(), text))
}
