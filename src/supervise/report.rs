//! The supervisor's state as a status report.
#![forbid(unsafe_code)]

use std::path::PathBuf;

use super::Uptime;
use super::readiness::Lacking;
use super::state::{Child, Life, Outcome, Pace, Phase, State};
use super::supervisor::Supervisor;
use crate::logs::Counters;
use crate::status::{
    ChildRole, ChildStatus, ErrorRecord, LogStatus, PlanSummary, ServicePhase, StatusReport,
};

/// What does not change while a generation runs.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Service name.
    pub name: String,
    /// When the launcher started (RFC 3339).
    pub started_at: String,
    /// Counts configurations.
    pub generation: u32,
    /// The file that was read.
    pub config_file: Option<PathBuf>,
    /// Addresses for clients.
    pub listen: Vec<String>,
    /// The numbers of the plan.
    pub plan: PlanSummary,
}

/// The report.
pub fn report(
    supervisor: &Supervisor,
    names: &[&'static str],
    lacking: &Lacking,
    facts: &Facts,
    last_errors: Vec<ErrorRecord>,
    log: LogStatus,
    now: Uptime,
) -> StatusReport {
    let children = supervisor
        .children
        .iter()
        .zip(names)
        .filter(|(child, _)| child.life == Life::Serving || child.state != State::Ended)
        .map(|(child, name)| ChildStatus {
            name: (*name).to_owned(),
            role: role(child),
            state: child.state.status(),
            pid: child.state.pid().map(nix::unistd::Pid::as_raw),
            since_seconds: since(child.state).map(|since| now.since(since).as_secs_f64()),
            restarts: child.restarts,
            last_exit: child.last_exit.map(|exit| exit.to_string()),
        });
    StatusReport {
        name: facts.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        phase: phase(supervisor),
        ready: supervisor.is_ready(),
        reason: reason(supervisor, names, lacking),
        pid: std::process::id(),
        started_at: facts.started_at.clone(),
        uptime_seconds: now.0.as_secs_f64(),
        generation: facts.generation,
        config_file: facts.config_file.clone(),
        listen: facts.listen.clone(),
        plan: facts.plan.clone(),
        children: children.collect(),
        workers: Vec::new(),
        waiting: None,
        // A successor has taken over the count.
        restarts: supervisor
            .children
            .iter()
            .filter(|child| child.life == Life::Serving)
            .map(|child| child.restarts)
            .sum(),
        last_errors,
        log,
    }
}

/// The log's accounts, all sources together.
pub(super) fn log(counters: &Counters) -> LogStatus {
    LogStatus {
        produced: counters.sum(|tally| tally.produced).lines,
        delivered: counters.sum(|tally| tally.delivered).lines,
        dropped: counters.dropped().lines,
        buffered: counters.buffered().lines,
        stalled_seconds: counters.stalled.map(|span| span.as_secs_f64()),
    }
}

fn phase(supervisor: &Supervisor) -> ServicePhase {
    match supervisor.phase {
        Phase::Starting { .. } => ServicePhase::Starting,
        Phase::Serving if supervisor.is_reloading() && supervisor.is_ready() => {
            ServicePhase::Reloading
        }
        Phase::Serving if supervisor.is_ready() => ServicePhase::Ready,
        Phase::Serving => ServicePhase::Degraded,
        Phase::Stopping { .. } | Phase::Done(_) => ServicePhase::Stopping,
    }
}

/// Why requests should not be sent here.
fn reason(supervisor: &Supervisor, names: &[&'static str], lacking: &Lacking) -> Option<String> {
    match supervisor.phase {
        Phase::Stopping {
            outcome: Outcome::Asked,
            pace: Pace::Graceful,
            ..
        } => {
            return Some("stopping: requests under way are being finished".to_owned());
        }
        Phase::Stopping { .. } | Phase::Done(_) => return Some("stopping".to_owned()),
        Phase::Starting { .. } | Phase::Serving => {}
    }
    let missing: Vec<String> = supervisor
        .children
        .iter()
        .zip(names)
        .enumerate()
        .filter(|(_, (child, _))| child.life == Life::Serving)
        .filter(|(_, (child, _))| !matches!(child.state, State::Running { .. }))
        .map(|(id, (child, name))| {
            let state = child.state.status().as_str();
            match (child.state, lacking.get(&id)) {
                (State::Starting { .. }, Some(why)) => format!("{name} is {state}: {why}"),
                _ => format!("{name} is {state}"),
            }
        })
        .collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}

fn role(child: &Child) -> ChildRole {
    if child.orphans_of.is_some() {
        return ChildRole::Survivors;
    }
    match child.life {
        Life::Serving => ChildRole::Serving,
        Life::Canary => ChildRole::Canary,
        Life::Candidate { .. } => ChildRole::Candidate,
        Life::Retiring { .. } => ChildRole::Retiring,
    }
}

fn since(state: State) -> Option<Uptime> {
    match state {
        State::Starting { since, .. } | State::Running { since, .. } => Some(since),
        State::Idle
        | State::Draining { .. }
        | State::Stopping { .. }
        | State::Killing { .. }
        | State::Backoff { .. }
        | State::Ended => None,
    }
}
