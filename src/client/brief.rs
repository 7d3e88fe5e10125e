//! The status as text that fits a terminal of 80 columns and 24 lines, also with 17 busy workers: is it well, what runs for
//! the longest time, what has gone wrong. Pure.

use std::cmp::Reverse;

use crate::logs::summary_line;
use crate::status::verdict::{busy, duration, old_generation, slots, verdict};
use crate::status::words::{age, bytes, count, cut, fit, latency, time_of_day};
use crate::status::{ChildRole, RequestStatus, StatusReport, WorkerState, WorkerStatus};

/// Lines of a terminal, without the one of the next prompt.
pub(super) const LINES: usize = 23;
/// Groups of errors, and workers without a request that are named one by one.
const GROUPS: usize = 3;
/// The columns before the request.
const BEFORE: usize = "  17 1234567  9999 s  9999M  ".len();
/// The first characters of a request's id are enough to find it.
const ID: usize = 8;

/// The report in lines of at most `width` characters; at most [`LINES`] of them if that is enough for the requests.
pub(super) fn text(report: &StatusReport, width: usize) -> String {
    let verdict = verdict(report);
    let mut lines = vec![
        format!("{} {}", line(&report.name), verdict.text),
        state(report),
    ];
    if report.traffic.last_minute.requests > 0 {
        lines.push(traffic(report));
    }
    lines.extend(workers(report, width));
    let notes = notes(report);
    // The first note, and how many follow, are worth more than advice.
    let room = LINES.saturating_sub(lines.len() + notes.len().min(2));
    let advice = verdict.advice.iter();
    let advice = advice.flat_map(|advice| indented(advice, width));
    lines.splice(1..1, advice.take(room));
    let room = LINES.saturating_sub(lines.len());
    let shown = if notes.len() > room {
        room.saturating_sub(1)
    } else {
        notes.len()
    };
    let left_out = notes.len() - shown;
    lines.extend(notes.into_iter().take(shown));
    if left_out > 0 {
        let more = count(left_out as u64, "more line");
        lines.push(format!("… {more}: status --all"));
    }
    let mut out = String::new();
    for line in lines {
        out.push_str(&cut(&line, width));
        out.push('\n');
    }
    out
}

/// A text in lines of at most `width` characters, which begin with two spaces.
fn indented(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(format!("  {word}")),
        }
    }
    lines
}

/// A name may have any characters.
fn line(text: &str) -> String {
    text.replace('\n', " ")
}

/// Generation, slots, queue, restarts.
fn state(report: &StatusReport) -> String {
    let queue = match report.waiting {
        Some(0) => "queue 0".to_owned(),
        Some(waiting) => {
            let oldest = report.oldest_wait_seconds.unwrap_or_default();
            format!("queue {waiting} (oldest {oldest:.1} s)")
        }
        None => "queue unknown".to_owned(),
    };
    let restarts: Vec<String> = report
        .children
        .iter()
        .filter(|child| child.role == ChildRole::Serving && child.restarts > 0)
        .map(|child| format!("   {} restarts {}", child.name, child.restarts))
        .collect();
    format!(
        "up {}   gen {}   {}/{} busy   {queue}{}",
        duration(report.uptime_seconds),
        report.generation,
        busy(report),
        slots(report),
        restarts.concat()
    )
}

/// The last minute, with queue and application apart.
fn traffic(report: &StatusReport) -> String {
    let minute = &report.traffic.last_minute;
    let errors = match (minute.client_errors, minute.server_errors) {
        (0, 0) => String::new(),
        (client, server) => format!("   4xx {client}  5xx {server}"),
    };
    format!(
        "1 min {:.1}/s{errors}   p50 {}  p99 {} (queue {}, app {})",
        minute.per_second,
        latency(minute.duration.p50),
        latency(minute.duration.p99),
        latency(minute.queue.p99),
        latency(minute.app.p99),
    )
}

/// One line for each request in the application, the oldest first; the workers without one in a line.
fn workers(report: &StatusReport, width: usize) -> Vec<String> {
    let mut serving: Vec<(&WorkerStatus, &RequestStatus)> = report
        .workers
        .iter()
        .flat_map(|worker| worker.serving.iter().map(move |request| (worker, request)))
        .collect();
    serving.sort_by_key(|(_, request)| Reverse(request.seconds));
    let mut lines = Vec::new();
    if !serving.is_empty() {
        lines.push("   #     pid     age    pss  request (the oldest first)".to_owned());
    }
    lines.extend(
        serving
            .iter()
            .map(|(worker, request)| row(worker, request, width)),
    );
    let without: Vec<&WorkerStatus> = report
        .workers
        .iter()
        .filter(|worker| worker.serving.is_empty())
        .collect();
    let kinds = [
        WorkerState::Idle,
        WorkerState::Starting,
        WorkerState::Ending,
        WorkerState::Stopped,
        WorkerState::Dead,
    ];
    let of = |state: WorkerState| {
        let ids: Vec<String> = without
            .iter()
            .filter(|worker| worker.state == state)
            .map(|worker| worker.id.to_string())
            .collect();
        let which = if state == WorkerState::Idle || ids.len() > GROUPS {
            String::new()
        } else {
            format!(" (worker {})", ids.join(", "))
        };
        (!ids.is_empty()).then(|| format!("{} {}{which}", ids.len(), state.as_str()))
    };
    let parts: Vec<String> = kinds.into_iter().filter_map(of).collect();
    if !parts.is_empty() {
        lines.push(format!("workers without a request: {}", parts.join(", ")));
    }
    lines
}

fn row(worker: &WorkerStatus, request: &RequestStatus, width: usize) -> String {
    let pss = worker
        .process
        .pss_bytes
        .map_or_else(|| "-".to_owned(), bytes);
    let id: String = request.request_id.chars().take(ID).collect();
    let waited = request.queue_seconds.filter(|seconds| *seconds > 0);
    let waited = waited.map_or_else(String::new, |seconds| format!(" waited {}", age(seconds)));
    let ending = match worker.state {
        WorkerState::Busy => String::new(),
        state => format!(" {}", state.as_str()),
    };
    let after = format!("{waited}{ending}  {id}");
    let room = width.saturating_sub(BEFORE + after.chars().count());
    let what = fit(&format!("{} {}", request.kind(), request.path), room);
    format!(
        "{:>4} {:>7} {:>7} {pss:>6}  {what}{after}",
        worker.id,
        worker.pid,
        age(request.seconds)
    )
}

/// What has gone wrong, or has happened; only what there is.
fn notes(report: &StatusReport) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(old_generation(report).map(|text| format!("old generation: {text}")));
    for group in report.errors.iter().rev().take(GROUPS) {
        let id: String = group.request_id.chars().take(ID).collect();
        // Without an exception, the kind is the message.
        let what = match (group.kind.contains(' '), group.message.as_str()) {
            (true, message) => message.to_owned(),
            (false, "") => group.kind.clone(),
            (false, message) => format!("{}: {message}", group.kind),
        };
        let text = match group.place.as_str() {
            "" => what,
            place => format!("{what} at {place}"),
        };
        let (request, last) = (&group.request, time_of_day(&group.last));
        let count = format!("error x{} last {last}", group.count);
        notes.push(words(&[&count, &id, request, &text]));
    }
    if report.errors.is_empty()
        && let Some(error) = report.last_errors.last()
    {
        let line = summary_line(&error.message);
        notes.push(format!(
            "last error {} {}: {line}",
            time_of_day(&error.ts),
            error.source
        ));
    }
    let traffic = &report.traffic;
    let mut counts: Vec<String> = named(&report.shed, "refused ");
    for (number, what) in [
        (traffic.timeouts, "timed out"),
        (traffic.replayed, "replayed"),
        (traffic.cut, "cut"),
    ] {
        if number > 0 {
            counts.push(format!("{what} {number}"));
        }
    }
    if !counts.is_empty() {
        notes.push(format!("requests since the start: {}", counts.join(", ")));
    }
    let ended = named(&report.worker_exits, "");
    if !ended.is_empty() {
        notes.push(format!(
            "ended workers since the start: {}",
            ended.join(", ")
        ));
    }
    if let Some(last) = &report.reloads.last {
        notes.push(format!(
            "last reload {}: {}, by {}, took {:.1} s",
            time_of_day(&last.ts),
            last.outcome.replace('_', " "),
            last.asked_by,
            last.seconds
        ));
    }
    let memory = &report.resources;
    if let (Some(limit), Some(used)) = (memory.memory_limit_bytes, memory.memory_working_set_bytes)
    {
        let kills = match memory.oom_kills {
            0 => String::new(),
            kills => format!(", {} for memory", count(kills, "kill")),
        };
        notes.push(format!("memory {} of {}{kills}", bytes(used), bytes(limit)));
    }
    if report.log.dropped > 0 {
        notes.push(format!("{} dropped", count(report.log.dropped, "log line")));
    }
    notes.extend(
        report
            .warnings
            .iter()
            .map(|warning| format!("warning: {warning}")),
    );
    notes
}

/// With one space between them; empty ones are left out.
fn words(words: &[&str]) -> String {
    let words: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ")
}

fn named(counts: &std::collections::BTreeMap<String, u64>, before: &str) -> Vec<String> {
    let counts = counts.iter().filter(|(_, count)| **count > 0);
    counts
        .map(|(cause, count)| format!("{before}{cause} {count}"))
        .collect()
}

#[cfg(test)]
#[path = "brief_tests.rs"]
mod tests;
