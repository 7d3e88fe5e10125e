//! Writes the machine's notices and the status as log records.

use std::time::Duration;

use nix::unistd::Pid;

use crate::status::GenerationInfo;
use crate::status::StatusReport;
use crate::supervise::machine::action::Notice;
use crate::supervise::machine::backoff;
use crate::supervise::machine::state::Urgency;
use crate::sys::reap::Exit;

pub(super) fn notice(notice: &Notice, info: &GenerationInfo) {
    match *notice {
        Notice::ChildReady(child, took) => {
            tracing::info!(child = child.name, took_ms = milliseconds(took), "Ready.");
        }
        Notice::ServiceReady(took) => tracing::info!(
            service = info.name,
            listen = info.listen.join(" "),
            slots = info.plan.slots,
            took_ms = milliseconds(took),
            "The service is ready."
        ),
        Notice::Crashed(child, exit, wait) => tracing::error!(
            child = child.name,
            exit = %exit,
            memory_limit = memory_limit(exit),
            memory_used = memory_used(exit),
            restart_in_ms = milliseconds(wait),
            "{} ended unexpectedly ({exit}); it is started again.",
            child.name
        ),
        Notice::Restarting(child, wait) => tracing::info!(
            child = child.name,
            restart_in_ms = milliseconds(wait),
            "It has been killed and is started again."
        ),
        Notice::Replacing(child) => tracing::warn!(
            child = child.name,
            "One of its processes was killed or has crashed, and what it had counted (connections, request bodies) stays counted: the main process is replaced, the others finish their requests."
        ),
        Notice::HungKilled(child) => {
            tracing::warn!(child = child.name, "It is killed and started again.");
        }
        Notice::HungLeft(child) => tracing::error!(
            child = child.name,
            hint = "status --json shows what it does; restart the container if it does not recover",
            "It is left alone: it has been killed {} already, which has not helped.",
            backoff::kill_budget()
        ),
        Notice::Stopping(Urgency::Graceful) => {
            tracing::info!("Stopping: requests under way are finished first.");
        }
        Notice::Stopping(Urgency::Fast) => {
            tracing::warn!("Stopping at once: requests under way are cut.");
        }
        Notice::Stopping(Urgency::Kill) => tracing::warn!("Killing all remaining processes."),
        Notice::StopTimedOut => tracing::warn!("The stop has taken too long (stop_timeout)."),
        Notice::RetirementTimedOut(child) => tracing::warn!(
            child = child.name,
            "The old generation did not finish in time and is killed: its last requests, or threads, jobs and exit handlers of the application, are cut."
        ),
        Notice::RestartTimedOut(child) => tracing::error!(
            child = child.name,
            "It was started again and is not ready in time (start_timeout); it is killed."
        ),
    }
}

/// Logs that a worker was killed by the command `restart-worker`.
pub(super) fn worker_killed(pid: Pid) {
    tracing::warn!(pid = pid.as_raw(), "A worker is killed on request.");
}

/// Logs the status, for SIGUSR1.
pub(super) fn status(report: &StatusReport) {
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

fn memory_limit(exit: Exit) -> Option<u64> {
    match exit {
        Exit::OutOfMemory { limit, .. } => limit,
        Exit::Code(_) | Exit::Signal(_) => None,
    }
}

fn memory_used(exit: Exit) -> Option<u64> {
    match exit {
        Exit::OutOfMemory { used, .. } => used,
        Exit::Code(_) | Exit::Signal(_) => None,
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
