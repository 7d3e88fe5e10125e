//! The second half of `status --all`: how long requests take, which are slow, what the processes use, what has happened.
//! Pure.

use std::fmt::Write as _;

use crate::status::words::{bytes, latency, time_of_day};
use crate::status::{Percentiles, StatusReport, WindowStatus, WorkerStatus};

/// Several paragraphs, each after an empty line.
pub(super) fn text(report: &StatusReport) -> String {
    let mut out = String::new();
    for paragraph in [
        traffic(report),
        slow(report),
        processes(report),
        reloads(report),
        errors(report),
        events(report),
    ]
    .into_iter()
    .flatten()
    {
        out.push('\n');
        for line in paragraph.lines() {
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
    out
}

fn traffic(report: &StatusReport) -> Option<String> {
    let traffic = &report.traffic;
    if traffic.requests == 0 {
        return None;
    }
    let mut out = format!(
        "{:<14} {:>9} {:>8} {:>6} {:>6}   {:<26} {:<26}\n",
        "requests",
        "number",
        "each s",
        "4xx",
        "5xx",
        "p50 / p99 / longest",
        "of that waiting, p50 / p99"
    );
    for (name, window) in [
        ("last minute", &traffic.last_minute),
        ("last 5 minutes", &traffic.last_5_minutes),
        ("since start", &traffic.since_start),
    ] {
        window_row(name, window, &mut out);
    }
    let mut answers = traffic.answers.iter().peekable();
    if answers.peek().is_some() {
        let all: Vec<String> = answers
            .map(|(name, count)| format!("{name}: {count}"))
            .collect();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "answers since the start: {}", all.join(", "));
    }
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "timed out {}, given to a second worker {}, cut {}",
        traffic.timeouts, traffic.replayed, traffic.cut
    );
    Some(out)
}

fn window_row(name: &str, window: &WindowStatus, out: &mut String) {
    let all = |times: &Percentiles| [times.p50, times.p99, times.max].map(latency).join(" / ");
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{name:<14} {:>9} {:>8.1} {:>6} {:>6}   {:<26} {:<26}",
        window.requests,
        window.per_second,
        window.client_errors,
        window.server_errors,
        all(&window.duration),
        [window.queue.p50, window.queue.p99]
            .map(latency)
            .join(" / ")
    );
}

fn slow(report: &StatusReport) -> Option<String> {
    let mut out = "slow requests (a second or more), the last first\n".to_owned();
    for request in report.slow_requests.iter().rev() {
        let part = |seconds: Option<f64>| seconds.map_or_else(|| "-".to_owned(), latency);
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "  {} {} {} {} {} (queue {}, app {}) {} {}",
            time_of_day(&request.ts),
            request.method,
            request.path,
            request.status,
            latency(request.seconds),
            part(request.queue_seconds),
            part(request.app_seconds),
            request.request_id,
            request.reason
        );
    }
    (!report.slow_requests.is_empty()).then_some(out)
}

fn processes(report: &StatusReport) -> Option<String> {
    let known = |worker: &WorkerStatus| worker.process.cpu_seconds.is_some();
    if !report.workers.iter().any(known) {
        return None;
    }
    let mut out = format!(
        "{:<6} {:>8} {:>8} {:>6} {:>9} {:>7} {:>7}  ended before\n",
        "worker", "memory", "cpu", "cpu %", "age", "files", "threads"
    );
    for worker in &report.workers {
        let used = &worker.process;
        let number = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let seconds =
            |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |s| format!("{s:.1} s"));
        let share = used
            .cpu_share
            .map_or_else(|| "-".to_owned(), |share| format!("{:.0}", share * 100.0));
        let exits: Vec<String> = worker
            .exits
            .iter()
            .map(|(cause, n)| format!("{n} {cause}"))
            .collect();
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{:<6} {:>8} {:>8} {share:>6} {:>9} {:>7} {:>7}  {}",
            worker.id,
            used.pss_bytes.map_or_else(|| "-".to_owned(), bytes),
            seconds(used.cpu_seconds),
            used.age_seconds
                .map_or_else(|| "-".to_owned(), |age| format!("{age:.0} s")),
            number(used.descriptors),
            number(used.threads),
            exits.join(", ")
        );
    }
    let group = &report.resources;
    let amount = |value: Option<u64>| value.map_or_else(|| "unknown".to_owned(), bytes);
    let limit = group
        .memory_limit_bytes
        .map_or_else(|| "no limit".to_owned(), bytes);
    let throttled = group.cpu_throttled_seconds.unwrap_or_default();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "container: memory {} of {limit}, killed for memory: {}, waited {throttled:.1} s for CPU; launcher: {}",
        amount(group.memory_working_set_bytes),
        group.oom_kills,
        amount(group.launcher.pss_bytes)
    );
    Some(out)
}

fn reloads(report: &StatusReport) -> Option<String> {
    let mut out = "generations\n".to_owned();
    for generation in &report.generations {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "  {} serves since {}, {} slots",
            generation.number, generation.ts, generation.slots
        );
    }
    if let Some(last) = &report.reloads.last {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "  last reload {}: {}, by {}, took {:.1} s: {}",
            last.ts,
            last.outcome.replace('_', " "),
            last.asked_by,
            last.seconds,
            last.text.lines().next().unwrap_or_default()
        );
    }
    (!report.generations.is_empty()).then_some(out)
}

fn errors(report: &StatusReport) -> Option<String> {
    let mut out = "errors since the start, the last first\n".to_owned();
    for group in report.errors.iter().rev() {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "  x{} {} {} {} {}: {} (first {}, last {}) {}",
            group.count,
            group.source,
            group.kind,
            group.place,
            group.request,
            group.message,
            time_of_day(&group.first),
            time_of_day(&group.last),
            group.request_id
        );
    }
    (!report.errors.is_empty()).then_some(out)
}

fn events(report: &StatusReport) -> Option<String> {
    let mut out = "events of the launcher, the last first\n".to_owned();
    for event in report.events.iter().rev() {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "  {} {} {}",
            time_of_day(&event.ts),
            event.level,
            event.message
        );
    }
    (!report.events.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::sample;

    #[test]
    fn everything_is_told() {
        let text = text(&sample::report());
        for part in [
            "last minute          120      2.0      3      4   10 ms / 1.0 s / 2.0 s",
            "answers since the start: GET 200: 123, POST 500: 7",
            "GET /users/secret 200 2.5 s (queue 1.0 s, app 1.5 s) secret-id",
            "container: memory 256M of 1.0G, killed for memory: 1,",
            "last reload 2026-11-27T09:00:00Z: committed, by a signal (HUP), took 0.8 s: secret",
            "x3 app.stderr RuntimeError src/secret.py:3 in boom GET /secret: secret",
            "09:00:00 warn A secret event.",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let mut empty = sample::report();
        empty.traffic.requests = 0;
        empty.workers.clear();
        empty.slow_requests.clear();
        empty.generations.clear();
        empty.errors.clear();
        empty.events.clear();
        assert_eq!(super::text(&empty), "");
    }
}
