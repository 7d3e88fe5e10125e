//! `status` and `healthcheck`: how the running service is.

use std::fmt::Write as _;
use std::time::Duration;

use hyper::Method;

use super::{ask, print};
use crate::cli::{ServiceOptions, StatusArgs};
use crate::control::routes::Health;
use crate::exit::Failure;
use crate::logs::summary_line;
use crate::status::{ChildStatus, LogStatus, StatusReport};

/// The whole health check: the platform ends its scripts after ten seconds, and the health path alone may take eight.
const HEALTH_PATIENCE: Duration = Duration::from_millis(8800);
/// Pause of `--watch`.
const WATCH_PAUSE: Duration = Duration::from_secs(1);

/// Prints the status, once or again and again.
pub fn status(options: &ServiceOptions, args: &StatusArgs) -> Result<(), Failure> {
    let mut before = String::new();
    loop {
        let (_, body) = ask::ask(options, &Method::GET, "/status", ask::PATIENCE)?;
        let report: StatusReport = serde_json::from_slice(&body)
            .map_err(|error| Failure::Bug(format!("cannot read the status: {error}")))?;
        let text = if args.json {
            String::from_utf8_lossy(&body).into_owned()
        } else {
            text(&report)
        };
        if text != before {
            print(&text)?;
            before = text;
        }
        if !args.watch {
            return verdict(&report);
        }
        std::thread::sleep(WATCH_PAUSE);
    }
}

fn verdict(report: &StatusReport) -> Result<(), Failure> {
    if report.ready {
        return Ok(());
    }
    let reason = report.reason.as_deref().unwrap_or("no reason is known");
    Err(Failure::Negative(format!("not ready: {reason}")))
}

/// Ends one worker of the application.
pub fn restart_worker(options: &ServiceOptions, id: u32) -> Result<(), Failure> {
    let path = format!("/workers/{id}/restart");
    let (status, body) = ask::ask(options, &Method::POST, &path, ask::PATIENCE)?;
    let text = String::from_utf8_lossy(&body).into_owned();
    if status.is_success() {
        print(&text)
    } else {
        Err(Failure::Negative(text.trim_end().to_owned()))
    }
}

/// Asks for the health; exit 0 passing, 1 warning, 2 critical.
pub fn healthcheck(options: &ServiceOptions) -> Result<(), Failure> {
    let answer = ask::ask(options, &Method::GET, "/healthcheck", HEALTH_PATIENCE);
    let critical = |reason: String| Failure::Health { level: 2, reason };
    let (_, body) = answer.map_err(|failure| critical(failure.to_string()))?;
    let health: Health =
        serde_json::from_slice(&body).map_err(|error| critical(error.to_string()))?;
    if health.level > 0 {
        return Err(Failure::Health {
            level: health.level,
            reason: health.reason,
        });
    }
    print(&format!("{}\n", health.reason))
}

/// The status for people.
fn text(report: &StatusReport) -> String {
    let mut out = String::new();
    let ready = if report.ready {
        "ready"
    } else {
        report.phase.as_str()
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{} is {ready}, for {} (generation {})",
        report.name,
        span(report.uptime_seconds),
        report.generation
    );
    if let Some(reason) = &report.reason {
        let _ = writeln!(out, "  {reason}");
    }
    let plan = &report.plan;
    let _ = writeln!(
        out,
        "listens on {}; {} requests at the same time ({} × {}), up to {} waiting",
        report.listen.join(", "),
        plan.slots,
        plan.processes,
        plan.threads,
        plan.queue
    );
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
    if let Some(words) = log(&report.log) {
        let _ = writeln!(out, "\nlog: {words}");
    }
    if !report.last_errors.is_empty() {
        let _ = writeln!(out, "\nlast errors");
        for error in &report.last_errors {
            let line = summary_line(&error.message);
            let _ = writeln!(out, "  {} {} {line}", error.ts, error.source);
        }
    }
    out
}

/// The log's accounts, when there is something to worry about.
fn log(log: &LogStatus) -> Option<String> {
    let stalled = log.stalled_seconds.map(|seconds| {
        format!(
            "stdout has taken nothing for {}, {} lines wait; ",
            span(seconds),
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

/// The state, with the role of a child that only a reload explains.
fn state(child: &ChildStatus) -> String {
    if child.role == "serving" {
        return child.state.clone();
    }
    format!("{} ({})", child.state, child.role)
}

/// The application's processes, one a line.
fn workers(report: &StatusReport, out: &mut String) {
    let busy = report
        .workers
        .iter()
        .filter(|worker| worker.state == "busy")
        .count();
    let waiting = match report.waiting {
        Some(waiting) => format!(", {waiting} requests waiting"),
        None => String::new(),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "\n{busy} of {} processes busy{waiting}",
        report.workers.len()
    );
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
                    request.method, request.path, request.seconds, request.request_id
                )
            })
            .collect();
        let _ = writeln!(
            out,
            "{:<6} {:<9} {:>8} {:>9}  {}",
            worker.id,
            worker.state,
            worker.pid,
            worker.requests,
            serving.join("; ")
        );
    }
}

/// A span in its two largest units.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an uptime is positive, and its fractions are not shown"
)]
fn span(seconds: f64) -> String {
    let seconds = seconds as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
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
        let words = "stdout has taken nothing for 1 min 1 s, 2 lines wait; 0 of 12 lines dropped, 10 delivered";
        assert_eq!(log(&stalled).as_deref(), Some(words));
        let dropped = LogStatus {
            dropped: 3,
            produced: 15,
            ..fine
        };
        let words = "3 of 15 lines dropped, 10 delivered";
        assert_eq!(log(&dropped).as_deref(), Some(words));
    }
}
