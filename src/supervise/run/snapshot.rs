//! Answers status queries: the report, and the programs that can be polled for the rest.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::children::ManagedChildren;
use crate::logs::{Counters, Logs, ShedCause};
use crate::status::{ErrorRecord, LogStatus, StatusReport};
use crate::supervise::commands::Snapshot;
use crate::supervise::machine::Machine;
use crate::supervise::machine::child::Purpose;
use crate::supervise::program::Program;

pub(super) fn snapshot(
    machine: &Machine,
    children: &ManagedChildren,
    report: StatusReport,
    admin_details: bool,
) -> Snapshot {
    let mut snapshot = Snapshot {
        report,
        admin_details,
        application: None,
        proxy: None,
        retiring: Vec::new(),
    };
    for (id, child) in machine.children() {
        let pid = child.state().pid();
        match (child.purpose(), children.program(id)) {
            (Purpose::Serving, Some(Program::Application(application))) => {
                snapshot.application = Some(Rc::clone(application));
            }
            (Purpose::Serving, Some(Program::Proxy(proxy))) => {
                snapshot.proxy = Some(Rc::clone(proxy));
            }
            (Purpose::Retiring { .. }, Some(Program::Application(application)))
                if pid.is_some() =>
            {
                snapshot.retiring.push(Rc::clone(application));
            }
            (
                Purpose::Canary | Purpose::Candidate { .. } | Purpose::Retiring { .. },
                Some(Program::Application(_) | Program::Proxy(_)),
            )
            | (_, None) => {}
        }
    }
    snapshot
}

/// The newest errors of the log, for the status.
pub(super) fn last_errors(logs: &Logs) -> Vec<ErrorRecord> {
    let errors = logs.recent_errors().into_iter();
    errors
        .map(|error| ErrorRecord {
            ts: error.ts,
            source: error.source.as_str().to_owned(),
            message: error.message,
        })
        .collect()
}

/// The log's counters, summed over all sources.
pub(super) fn log_status(counters: &Counters) -> LogStatus {
    LogStatus {
        produced: counters.sum(|tally| tally.produced).lines,
        delivered: counters.sum(|tally| tally.delivered).lines,
        dropped: counters.dropped().lines,
        buffered: counters.buffered().lines,
        stalled_seconds: counters.stalled.map(|time| time.as_secs_f64()),
    }
}

/// How many requests the product itself has refused, by cause; every cause is named. `too_slow`: those whose access record
/// does not say so, because the client was disconnected.
pub(super) fn shed(counters: &Counters, too_slow: u64) -> BTreeMap<String, u64> {
    let count = |cause: ShedCause| {
        let more = if cause == ShedCause::TooSlow {
            too_slow
        } else {
            0
        };
        (
            cause.as_str().to_owned(),
            counters.shed[cause.index()] + more,
        )
    };
    ShedCause::ALL.into_iter().map(count).collect()
}
