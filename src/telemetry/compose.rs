//! Puts the report together from all that is known. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::logs::queue::counters::Counters;
use crate::logs::queue::recent_errors::RecentError;
use crate::logs::record::ShedCause;
use crate::status::{
    ClientConnections, ErrorGroup, ErrorRecord, EventStatus, LogStatus, QueueStatus,
    ResourceStatus, ServicePhase, SlowRequestStatus, StatusReport, TrafficStatus, WorkerStatus,
};

/// What was counted of that which passes through the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) traffic: TrafficStatus,
    pub(super) slow_requests: Vec<SlowRequestStatus>,
    pub(super) errors: Vec<ErrorGroup>,
    pub(super) events: Vec<EventStatus>,
}

/// What is known besides the supervisor's own report.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    /// Time since the supervisor has made its report.
    pub(super) since: Duration,
    /// The present time (RFC 3339).
    pub(super) ts: String,
    pub(super) workers: Vec<WorkerStatus>,
    /// Workers of old generations that have requests.
    pub(super) finishing: Vec<WorkerStatus>,
    /// Why no process of the application takes requests.
    pub(super) not_serving: Option<String>,
    pub(super) warnings: Vec<String>,
    pub(super) queue: Option<QueueStatus>,
    pub(super) clients: Option<ClientConnections>,
    pub(super) counts: Counts,
    pub(super) resources: ResourceStatus,
    pub(super) log: Counters,
    pub(super) errors: Vec<RecentError>,
    pub(super) exits_by_worker: BTreeMap<u32, BTreeMap<String, u64>>,
}

/// The whole report. `report` is the supervisor's.
pub(super) fn compose(mut report: StatusReport, parts: Parts) -> StatusReport {
    let since = parts.since.as_secs_f64();
    report.uptime_seconds += since;
    for child in &mut report.children {
        child.since_seconds = child.since_seconds.map(|seconds| seconds + since);
    }
    if let Some(current) = &mut report.reloads.current {
        current.seconds += since;
    }
    report.ts = parts.ts;
    // The loop knows that each child was ready; whether one of the application's processes serves now, the application
    // knows.
    if let (true, Some(reason)) = (report.ready, parts.not_serving) {
        report.phase = ServicePhase::Degraded;
        report.ready = false;
        report.reason = Some(reason);
    }
    let mut exits = parts.exits_by_worker;
    report.workers = parts.workers;
    report.finishing = parts.finishing;
    for worker in &mut report.workers {
        worker.exits = exits.remove(&worker.id).unwrap_or_default();
    }
    report.warnings.extend(parts.warnings);
    report.waiting = parts.queue.map(|queue| queue.waiting);
    report.oldest_wait_seconds = parts.queue.map(|queue| queue.oldest_seconds);
    report.clients = parts.clients;
    report.shed = shed(&parts.log, &report.shed);
    let timeouts = report.traffic.timeouts;
    report.traffic = parts.counts.traffic;
    report.traffic.timeouts = timeouts;
    report.slow_requests = parts.counts.slow_requests;
    report.errors = parts.counts.errors;
    report.events = parts.counts.events;
    report.resources = parts.resources;
    report.log = log_status(&parts.log);
    report.last_errors = parts.errors.into_iter().map(error_record).collect();
    report
}

fn error_record(error: RecentError) -> ErrorRecord {
    ErrorRecord {
        ts: error.ts,
        source: error.source.as_str().to_owned(),
        message: error.message,
    }
}

/// The log's counters, summed over all sources.
fn log_status(counters: &Counters) -> LogStatus {
    LogStatus {
        produced: counters.sum(|tally| tally.produced).lines,
        delivered: counters.sum(|tally| tally.delivered).lines,
        dropped: counters.dropped().lines,
        buffered: counters.buffered().lines,
        stalled_seconds: counters.stalled.map(|time| time.as_secs_f64()),
    }
}

/// How many requests the product itself has refused, by cause; every cause is named. `more`: those whose access record does
/// not say so, because the client was disconnected.
fn shed(counters: &Counters, more: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let count = |cause: ShedCause| {
        let more = more.get(cause.as_str()).copied().unwrap_or_default();
        (
            cause.as_str().to_owned(),
            counters.shed[cause.index()] + more,
        )
    };
    ShedCause::ALL.into_iter().map(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::sample;

    #[test]
    fn a_service_without_a_process_that_serves_is_not_ready() {
        let parts = Parts {
            not_serving: Some("uwsgi has no process that serves".to_owned()),
            since: Duration::from_secs(2),
            ..Parts::default()
        };
        let mut base = sample::report();
        base.shed = [("too_slow".to_owned(), 3)].into();
        base.traffic.timeouts = 4;
        let report = compose(base.clone(), parts);
        assert_eq!(report.phase, ServicePhase::Degraded);
        assert_eq!(
            report.reason.as_deref(),
            Some("uwsgi has no process that serves")
        );
        assert!((report.uptime_seconds - base.uptime_seconds - 2.0).abs() < 1e-9);
        assert_eq!(report.shed["too_slow"], 3);
        assert_eq!(report.shed.len(), ShedCause::ALL.len());
        assert_eq!(report.traffic.timeouts, 4);
        // A stop has a better reason.
        base.ready = false;
        base.reason = Some("stopping".to_owned());
        let parts = Parts {
            not_serving: Some("x".to_owned()),
            ..Parts::default()
        };
        assert_eq!(compose(base, parts).reason.as_deref(), Some("stopping"));
    }
}
