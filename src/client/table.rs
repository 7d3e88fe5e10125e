//! All of the status as text, for `status --all`: what the service is made of, then `figures`, then what has gone wrong.

use std::fmt::Write as _;

use super::figures;
use crate::logs::summary_line;
use crate::status::verdict::{duration, verdict};
use crate::status::{ChildRole, ChildStatus, LogStatus, StatusReport, WorkerState, WorkerStatus};

/// The whole report; several lines, each ended.
pub(super) fn text(report: &StatusReport) -> String {
    let mut out = String::new();
    let verdict = verdict(report);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{} {}", report.name, verdict.text);
    for advice in &verdict.advice {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  {advice}");
    }
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "version {}, up {}, generation {}, pid {}",
        report.version,
        duration(report.uptime_seconds),
        report.generation,
        report.pid
    );
    let plan = &report.plan;
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "listens on {}; {} requests at the same time ({} × {}), up to {} waiting",
        report.listen.join(", "),
        plan.slots,
        plan.processes,
        plan.threads,
        plan.queue
    );
    let sandbox = &report.sandbox;
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "sandbox: landlock {}; seccomp {}",
        sandbox.landlock, sandbox.seccomp
    );
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "\n{:<14} {:<20} {:>8} {:>9}  last exit",
        "child", "state", "pid", "restarts"
    );
    for child in &report.children {
        let pid = child
            .pid
            .map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let exit = child.last_exit.as_deref().unwrap_or("-");
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{:<14} {:<20} {pid:>8} {:>9}  {exit}",
            child.name,
            state(child),
            child.restarts
        );
    }
    if !report.workers.is_empty() {
        workers(report, &mut out);
    }
    if let Some(clients) = &report.clients {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "\nclients of nginx: {} with a request, {} sending one, {} idle",
            clients.writing, clients.reading, clients.idle
        );
    }
    let refused: Vec<String> = report
        .shed
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(cause, count)| format!("{count} {cause}"))
        .collect();
    if !refused.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "refused since the start: {}", refused.join(", "));
    }
    let ended: Vec<String> = report
        .worker_exits
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(cause, count)| format!("{count} {cause}"))
        .collect();
    if !ended.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "processes that have ended since the start: {}",
            ended.join(", ")
        );
    }
    out.push_str(&figures::text(report));
    if let Some(losses) = log(&report.log) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "\nlog: {losses}");
    }
    for warning in &report.warnings {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "\nwarning: {warning}");
    }
    if !report.last_errors.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "\nlast errors");
        for error in &report.last_errors {
            let line = summary_line(&error.message);
            // Writing to a String cannot fail.
            let _ = writeln!(out, "  {} {} {line}", error.ts, error.source);
        }
    }
    out
}

/// Counts of log lines, only when stdout is stalled or lines were dropped.
fn log(log: &LogStatus) -> Option<String> {
    let stalled = log.stalled_seconds.map(|seconds| {
        format!(
            "stdout has taken nothing for {}, {} lines wait; ",
            duration(seconds),
            log.buffered
        )
    });
    (stalled.is_some() || log.dropped > 0).then(|| {
        format!(
            "{}{} of {} lines dropped, {} delivered",
            stalled.unwrap_or_default(),
            log.dropped,
            log.produced,
            log.delivered
        )
    })
}

/// The state, followed by the role of a child that only a reload or a crash explains.
fn state(child: &ChildStatus) -> String {
    match child.role {
        ChildRole::Serving => child.state.as_str().to_owned(),
        role => format!("{} ({})", child.state.as_str(), role.as_str()),
    }
}

/// The application's processes, one per line, with their in-flight requests.
fn workers(report: &StatusReport, out: &mut String) {
    let count = |state: WorkerState| {
        let is = |worker: &&WorkerStatus| worker.state == state;
        report.workers.iter().filter(is).count()
    };
    let busy = count(WorkerState::Busy);
    let without_slots: Vec<String> = [WorkerState::Ending, WorkerState::Stopped, WorkerState::Dead]
        .into_iter()
        .filter(|state| count(*state) > 0)
        .map(|state| format!(", {} {}", count(state), state.as_str()))
        .collect();
    let waiting = match (report.waiting, report.oldest_wait_seconds) {
        (Some(0), _) => ", no request waiting".to_owned(),
        (Some(waiting), oldest) => format!(
            ", {waiting} of up to {} requests waiting, the oldest for {:.1} s",
            report.plan.queue,
            oldest.unwrap_or_default()
        ),
        (None, _) => String::new(),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "\n{busy} of {} processes busy{}{waiting}",
        report.workers.len(),
        without_slots.concat()
    );
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{:<6} {:<9} {:>8} {:>9}  serving",
        "worker", "state", "pid", "requests"
    );
    for worker in &report.workers {
        let serving: Vec<String> = worker
            .serving
            .iter()
            .map(|request| {
                format!(
                    "{} {} for {} s ({})",
                    request.kind(),
                    request.path,
                    request.seconds,
                    request.request_id
                )
            })
            .collect();
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{:<6} {:<9} {:>8} {:>9}  {}",
            worker.id,
            worker.state.as_str(),
            worker.pid,
            worker.requests,
            serving.join("; ")
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{LogStatus, log};

    #[test]
    fn the_log_is_mentioned_only_when_something_is_missing() {
        let fine = LogStatus {
            produced: 12,
            delivered: 10,
            dropped: 0,
            buffered: 2,
            stalled_seconds: None,
        };
        assert_eq!(log(&fine), None);
        let stalled = LogStatus {
            stalled_seconds: Some(61.5),
            ..fine
        };
        let text = "stdout has taken nothing for 1 min 1 s, 2 lines wait; 0 of 12 lines dropped, 10 delivered";
        assert_eq!(log(&stalled).as_deref(), Some(text));
        let dropped = LogStatus {
            dropped: 3,
            produced: 15,
            ..fine
        };
        let text = "3 of 15 lines dropped, 10 delivered";
        assert_eq!(log(&dropped).as_deref(), Some(text));
    }
}
