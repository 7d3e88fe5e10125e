//! What has gone wrong in the last minutes, as far as a report tells: processes that have died, requests that have timed
//! out or soon will. Pure.

use std::collections::BTreeMap;

use super::{RequestStatus, StatusReport, WorkerStatus};

/// What was longer ago is history.
const RECENT: f64 = 300.0;
/// Ends of processes that nobody wants.
const BAD: [&str; 3] = ["crash", "oom", "timeout"];
/// The reason of an answer to a request that has run for longer than it may.
const TIMEOUT: &str = "request_timeout";
/// Of the time limit, from this part on a request has used most: four fifths.
const MOST: (u64, u64) = (4, 5);

/// A trouble, and what to do about it.
pub(super) type Trouble = (String, String);

/// Processes of the application that have died.
pub(super) fn deaths(report: &StatusReport) -> Option<Trouble> {
    let mut causes: BTreeMap<&str, u64> = BTreeMap::new();
    let serves_for = report
        .generations
        .last()
        .and_then(|generation| ago(report, &generation.ts));
    for worker in report.workers.iter().filter(|worker| {
        // One that is as old as the generation has replaced none: a reload has.
        let age = worker.process.age_seconds.unwrap_or(f64::MAX);
        age < RECENT && serves_for.is_some_and(|serves_for| age < serves_for)
    }) {
        if let Some(cause) = cause(worker) {
            *causes.entry(cause).or_default() += 1;
        }
    }
    let all: Vec<String> = causes
        .iter()
        .map(|(cause, count)| format!("{cause} {count}"))
        .collect();
    let hint = if causes.contains_key("oom") {
        "memory had run out: raise the limit, or lower wsgi_worker_threads_count"
    } else {
        "the log has a record of each, with its request; status --all has what each worker uses"
    };
    (!all.is_empty()).then(|| {
        let text = format!("workers died in the last 5 minutes: {}", all.join(", "));
        (text, hint.to_owned())
    })
}

/// Why the process before has ended, if it is certain that it is one of the bad causes: the last of several is not known.
fn cause(worker: &WorkerStatus) -> Option<&'static str> {
    let is_bad = |cause: &String| BAD.contains(&cause.as_str());
    if !worker.exits.keys().all(is_bad) {
        return None;
    }
    BAD.into_iter()
        .find(|cause| worker.exits.contains_key(*cause))
}

/// Requests that have run for longer than they may.
pub(super) fn timeouts(report: &StatusReport) -> Option<Trouble> {
    let recent = report.slow_requests.iter().filter(|request| {
        request.reason == TIMEOUT && ago(report, &request.ts).is_some_and(|ago| ago < RECENT)
    });
    let requests: Vec<_> = recent.collect();
    let last = requests.last()?;
    let text = format!(
        "{} timed out in the last 5 minutes, the last {} {}",
        requests.len(),
        last.method,
        last.path
    );
    let hint = "the log has the Python stack of each, which says where it hung";
    Some((text, hint.to_owned()))
}

/// A request that has used most of its time.
pub(super) fn late(report: &StatusReport, oldest: Option<&RequestStatus>) -> Option<Trouble> {
    let limit = report
        .plan
        .request_timeout_seconds
        .filter(|limit| *limit > 0)?;
    let oldest = oldest.filter(|oldest| oldest.seconds * MOST.1 >= limit * MOST.0)?;
    let text = format!(
        "stuck: a request has run for {} of its {limit} s: {} {}",
        oldest.seconds,
        oldest.kind(),
        oldest.path
    );
    let hint = "it is ended when its time is up, and the log then has its Python stack";
    Some((text, hint.to_owned()))
}

/// Seconds from this time (RFC 3339) to the report.
#[expect(
    clippy::cast_precision_loss,
    reason = "a span of time has far fewer milliseconds"
)]
fn ago(report: &StatusReport, ts: &str) -> Option<f64> {
    let [now, then] = [&report.ts, ts].map(|text| {
        text.parse::<jiff::Timestamp>()
            .map(jiff::Timestamp::as_millisecond)
    });
    // A report of an older launcher has no time.
    Some((now.ok()? - then.ok()?) as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::sample;

    /// At 09:00, when the generation has served since 08:00.
    fn service() -> StatusReport {
        let mut report = sample::report();
        report.generations[0].ts = "2026-11-27T08:00:00Z".to_owned();
        report.workers.truncate(1);
        report
    }

    #[track_caller]
    fn check_death(change: impl FnOnce(&mut StatusReport), expected: Option<&str>) {
        let mut report = service();
        change(&mut report);
        let found = deaths(&report);
        let text = found.as_ref().map(|(text, _)| text.as_str());
        assert_eq!(text, expected);
    }

    #[test]
    fn young_workers_tell_of_deaths() {
        let crash = Some("workers died in the last 5 minutes: crash 1");
        check_death(|_| {}, crash);
        let old = |report: &mut StatusReport| {
            report.workers[0].process.age_seconds = Some(301.0);
        };
        check_death(old, None);
        let unknown = |report: &mut StatusReport| report.workers[0].process.age_seconds = None;
        check_death(unknown, None);
        let reloaded = |report: &mut StatusReport| {
            report.generations[0].ts = "2026-11-27T08:58:31Z".to_owned();
        };
        check_death(reloaded, None);
        let asked = |report: &mut StatusReport| {
            report.workers[0].exits.insert("asked".to_owned(), 1);
        };
        check_death(asked, None);
        let both = |report: &mut StatusReport| {
            let mut other = report.workers[0].clone();
            other.exits = [("oom".to_owned(), 1)].into();
            report.workers.push(other);
        };
        let text = "workers died in the last 5 minutes: crash 1, oom 1";
        check_death(both, Some(text));
        check_death(|report| report.ts.clear(), None);
    }

    #[test]
    fn timeouts_are_told_for_five_minutes() {
        let mut report = service();
        assert_eq!(timeouts(&report), None);
        report.slow_requests[0].reason = TIMEOUT.to_owned();
        let text = "1 timed out in the last 5 minutes, the last GET /users/secret";
        assert_eq!(timeouts(&report).unwrap().0, text);
        report.slow_requests[0].ts = "2026-11-27T08:55:00Z".to_owned();
        assert_eq!(timeouts(&report), None);
    }

    #[test]
    fn a_request_is_late_before_its_time_is_up() {
        let mut report = service();
        report.plan.request_timeout_seconds = Some(30);
        let late = |report: &StatusReport, seconds| {
            let mut request = report.workers[0].serving[0].clone();
            request.seconds = seconds;
            late(report, Some(&request)).map(|(text, _)| text)
        };
        assert_eq!(late(&report, 23), None);
        let text = "stuck: a request has run for 24 of its 30 s: GET /users/secret";
        assert_eq!(late(&report, 24).as_deref(), Some(text));
        report.plan.request_timeout_seconds = None;
        assert_eq!(late(&report, 9999), None);
    }
}
