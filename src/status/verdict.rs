//! Is it well? One line in words for whoever looks first, and what to do next. Pure.

use super::recent::{self, Trouble};
use super::words::{age, count};
use super::{RequestStatus, ServicePhase, StatusReport, WorkerStatus};

/// From this share of its limit on, memory is scarce.
const SCARCE: f64 = 0.9;
/// A request of this age, in seconds, is looked at when every slot is taken.
const OLD: u64 = 10;
/// From so many failed requests in a minute on, and this share of all, the service has a problem.
const FAILED: u64 = 5;
const FAILED_SHARE: f64 = 0.05;

/// How the service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum VerdictLevel {
    /// Nothing to do.
    Well,
    /// It serves, and every slot is taken.
    Busy,
    /// It serves, and something is wrong.
    Trouble,
    /// It does not serve.
    Down,
}

/// How the service is, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) level: VerdictLevel,
    /// One line that follows the name of the service: `is well: ready for 3 h, 4 of 17 slots busy`.
    pub(crate) text: String,
    /// What to look at or to do next, the most useful first; sentences without a full stop.
    pub(crate) advice: Vec<String>,
}

/// Judges the report.
pub(crate) fn verdict(report: &StatusReport) -> Verdict {
    if !report.ready {
        return down(report);
    }
    let (busy, slots) = (busy(report), slots(report));
    let all_busy = slots > 0 && busy >= slots;
    let troubles = troubles(report);
    let mut advice = advice_for(report, all_busy);
    if let Some((text, hint)) = troubles.into_iter().next() {
        advice.insert(0, hint);
        return Verdict {
            level: VerdictLevel::Trouble,
            text: format!("has a problem: {text}"),
            advice,
        };
    }
    if all_busy {
        return Verdict {
            level: VerdictLevel::Busy,
            text: format!("is busy: all {slots} slots are taken{}", waiting(report)),
            advice,
        };
    }
    let since = duration(report.phase_seconds);
    let reloading = if report.phase == ServicePhase::Reloading {
        " and reloading"
    } else {
        ""
    };
    Verdict {
        level: VerdictLevel::Well,
        text: format!("is well: ready{reloading} for {since}, {busy} of {slots} slots busy"),
        advice,
    }
}

fn down(report: &StatusReport) -> Verdict {
    let since = duration(report.phase_seconds);
    let reason = report.reason.as_deref().unwrap_or("no reason is known");
    let text = match report.phase {
        ServicePhase::Stopping => {
            let reason = reason.strip_prefix("stopping: ").unwrap_or(reason);
            let oldest = oldest_request(report).map_or_else(String::new, |request| {
                format!(
                    "; {} {} for {} s",
                    request.kind(),
                    request.path,
                    request.seconds
                )
            });
            format!("is stopping, for {since}: {reason}{oldest}")
        }
        ServicePhase::Starting => format!("is starting, for {since}: {reason}"),
        ServicePhase::Ready | ServicePhase::Reloading | ServicePhase::Degraded => {
            format!("is not ready, for {since}: {reason}")
        }
    };
    let advice = match report.phase {
        ServicePhase::Degraded if !report.last_errors.is_empty() => {
            vec!["the last errors below say what went wrong".to_owned()]
        }
        _ => Vec::new(),
    };
    Verdict {
        level: VerdictLevel::Down,
        text,
        advice,
    }
}

/// What is wrong with a service that serves, with what to do, the worst first.
fn troubles(report: &StatusReport) -> Vec<Trouble> {
    let mut found = Vec::new();
    let memory = &report.resources;
    if let (Some(limit), Some(used)) = (memory.memory_limit_bytes, memory.memory_working_set_bytes)
        && share(used, limit) >= SCARCE
    {
        let text = format!("{:.0} % of the memory is used", share(used, limit) * 100.0);
        let hint = "a process is killed when memory runs out: raise the limit, or lower wsgi_worker_threads_count";
        found.push((text, hint.to_owned()));
    }
    if let Some(stalled) = report.log.stalled_seconds {
        let text = format!("stdout has taken no log line for {}", duration(stalled));
        let hint = "whatever reads the log hangs: lines are kept, then dropped (log_config)";
        found.push((text, hint.to_owned()));
    }
    found.extend(recent::deaths(report));
    found.extend(recent::timeouts(report));
    let minute = &report.traffic.last_minute;
    if minute.server_errors >= FAILED
        && share(minute.server_errors, minute.requests) >= FAILED_SHARE
    {
        let (failed, all) = (minute.server_errors, minute.requests);
        let text = format!("{failed} of {all} requests of the last minute got 5xx");
        let hint = "below: refused, timed out, and errors with their places";
        found.push((text, hint.to_owned()));
    }
    if let Some(last) = report
        .reloads
        .last
        .as_ref()
        .filter(|last| last.outcome != "committed")
    {
        let text = format!("the last reload was {}", last.outcome.replace('_', " "));
        let hint = "the old generation serves on: repair what the log says of the reload, and reload again";
        found.push((text, hint.to_owned()));
    }
    found.extend(recent::late(report, oldest_request(report)));
    found
}

fn advice_for(report: &StatusReport, all_busy: bool) -> Vec<String> {
    let mut advice = Vec::new();
    let old = oldest_request(report).filter(|request| request.seconds >= OLD);
    if all_busy && old.is_some() {
        advice.push(
            "the oldest requests below keep the others waiting; restart-worker ends one".to_owned(),
        );
        advice.push("status --stacks shows where they hang".to_owned());
    } else if all_busy && report.waiting.unwrap_or(0) > 0 {
        advice.push("requests come faster than they are served: more slots (wsgi_worker_threads_count), or more replicas".to_owned());
        advice.push("profile shows where they spend their time".to_owned());
    }
    advice
}

fn waiting(report: &StatusReport) -> String {
    match report.waiting {
        Some(0) => ", none waits".to_owned(),
        Some(waiting) => format!(
            ", {waiting} wait, the oldest for {:.1} s",
            report.oldest_wait_seconds.unwrap_or_default()
        ),
        None => String::new(),
    }
}

/// What old generations still do after a reload, in words; none: there is nothing left in them.
pub(crate) fn old_generation(report: &StatusReport) -> Option<String> {
    let workers = report.finishing.iter();
    let requests: Vec<&RequestStatus> = workers.flat_map(|worker| &worker.serving).collect();
    let oldest = requests.iter().max_by_key(|request| request.seconds)?;
    Some(format!(
        "{} under way, the oldest {} {} for {}",
        count(requests.len() as u64, "request"),
        oldest.kind(),
        oldest.path,
        age(oldest.seconds)
    ))
}

/// Requests in the application.
pub(crate) fn busy(report: &StatusReport) -> usize {
    report
        .workers
        .iter()
        .map(|worker| worker.serving.len())
        .sum()
}

/// The slots of the processes that have some.
pub(crate) fn slots(report: &StatusReport) -> usize {
    let without = |worker: &&WorkerStatus| !worker.state.has_slots();
    let without = report.workers.iter().filter(without).count();
    let [slots, threads] = [report.plan.slots, report.plan.threads]
        .map(|number| usize::try_from(number).unwrap_or(usize::MAX));
    slots.saturating_sub(without.saturating_mul(threads))
}

fn oldest_request(report: &StatusReport) -> Option<&RequestStatus> {
    let requests = report.workers.iter().flat_map(|worker| &worker.serving);
    let with_deadline = requests.filter(|request| !request.websocket);
    with_deadline.max_by_key(|request| request.seconds)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the share is told in whole percent"
)]
fn share(part: u64, all: u64) -> f64 {
    part as f64 / all.max(1) as f64
}

/// A duration in its two largest units.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a duration is positive, and its fractions are not shown"
)]
pub(crate) fn duration(seconds: f64) -> String {
    let seconds = seconds as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
