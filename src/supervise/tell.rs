//! What the state machine notes, as events of the log: what happened, and what will happen next.
#![forbid(unsafe_code)]

use std::time::Duration;

use super::child::ChildPlan;
use super::report::Facts;
use super::state::{Note, Pace};
use crate::status::StatusReport;

/// Tells a note.
pub(super) fn tell(note: Note, plans: &[ChildPlan], facts: &Facts) {
    match note {
        Note::ChildReady(id, took) => {
            tracing::info!(
                child = plans[id].name,
                took_ms = milliseconds(took),
                "Ready."
            );
        }
        Note::ServiceReady(took) => tracing::info!(
            service = facts.name,
            listen = facts.listen.join(" "),
            slots = facts.plan.slots,
            took_ms = milliseconds(took),
            "The service is ready."
        ),
        Note::Crashed(id, exit, wait) => tracing::error!(
            child = plans[id].name,
            exit = %exit,
            restart_in_ms = milliseconds(wait),
            "{} ended unexpectedly ({exit}); it is started again.",
            plans[id].name
        ),
        Note::Restarts(id, wait) => tracing::info!(
            child = plans[id].name,
            restart_in_ms = milliseconds(wait),
            "It has been killed and is started again."
        ),
        Note::Stopping(Pace::Graceful) => {
            tracing::info!("Stopping: what is under way is finished first.");
        }
        Note::Stopping(Pace::Fast) => {
            tracing::warn!("Stopping at once: requests under way are cut.");
        }
        Note::Stopping(Pace::Kill) => tracing::warn!("Killing what is left."),
        Note::TimeIsUp => tracing::warn!("The time for stopping is up (stop_timeout)."),
        Note::RetiredByForce(id) => tracing::warn!(
            child = plans[id].name,
            "The old generation did not finish in time; it is killed."
        ),
        Note::NotReadyAgain(id) => tracing::error!(
            child = plans[id].name,
            "Was started again and is not ready in time (start_timeout); it is killed."
        ),
    }
}

/// Tells how the service is, on request.
pub(super) fn report(report: &StatusReport) {
    let children: Vec<String> = report
        .children
        .iter()
        .map(|child| {
            let pid = child
                .pid
                .map_or_else(|| "-".to_owned(), |pid| pid.to_string());
            format!(
                "{} {} pid {pid} restarts {}",
                child.name,
                child.state.as_str(),
                child.restarts
            )
        })
        .collect();
    tracing::info!(
        phase = report.phase.as_str(),
        ready = report.ready,
        reason = report.reason.as_deref().unwrap_or_default(),
        generation = report.generation,
        uptime_seconds = report.uptime_seconds,
        children = children.join(", "),
        "Status."
    );
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
