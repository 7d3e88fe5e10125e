//! Makes the status report from the state of the machine. Pure.

use std::collections::BTreeMap;

use crate::status::{
    ChildPhase, ChildRole, ChildStatus, GenerationInfo, GenerationStatus, ReloadsStatus,
    ServicePhase, StatusReport, TrafficStatus,
};
use crate::supervise::machine::Machine;
use crate::supervise::machine::child::{Child, Purpose};
use crate::supervise::machine::outcome::Outcome;
use crate::supervise::machine::state::{ChildState, Phase, Urgency};
use crate::supervise::uptime::Uptime;

/// The launcher itself in a status report.
#[derive(Clone, Debug)]
pub(super) struct LauncherInfo {
    pub(super) pid: u32,
    /// When it started (RFC 3339).
    pub(super) started_at: String,
}

/// What has happened since the start.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// Requests that the product itself has refused, as far as no access record says so.
    pub(super) shed: BTreeMap<String, u64>,
    /// Processes of the application that have ended, by cause.
    pub(super) worker_exits: BTreeMap<String, u64>,
    /// Requests that ran for longer than they may.
    pub(super) timeouts: u64,
    pub(super) reloads: ReloadsStatus,
    pub(super) generations: Vec<GenerationStatus>,
}

/// The report, without what the programs, the log and the kernel know.
pub(super) fn report(
    machine: &Machine,
    info: &GenerationInfo,
    launcher: &LauncherInfo,
    history: History,
    now: Uptime,
) -> StatusReport {
    let children = machine
        .children()
        .filter(|(_, child)| child.serves() || child.state() != ChildState::Ended)
        .map(|(_, child)| child_status(child, now));
    StatusReport {
        name: info.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        phase: phase(machine),
        ready: machine.is_ready(),
        reason: reason(machine),
        pid: launcher.pid,
        started_at: launcher.started_at.clone(),
        uptime_seconds: now.0.as_secs_f64(),
        generation: info.generation,
        config_file: info.config_file.clone(),
        listen: info.listen.clone(),
        plan: info.plan.clone(),
        sandbox: info.sandbox.clone(),
        children: children.collect(),
        warnings: info.warnings.clone(),
        shed: history.shed,
        // Includes the restarts of replaced children: their successors have taken over the count.
        restarts: machine
            .children()
            .filter(|(_, child)| child.serves())
            .map(|(_, child)| child.restarts())
            .sum(),
        worker_exits: history.worker_exits,
        traffic: TrafficStatus {
            timeouts: history.timeouts,
            ..TrafficStatus::default()
        },
        reloads: history.reloads,
        generations: history.generations,
        ..StatusReport::unknown()
    }
}

fn child_status(child: &Child, now: Uptime) -> ChildStatus {
    ChildStatus {
        name: child.label().name.to_owned(),
        role: role(child),
        state: state(child.state()),
        pid: child.state().pid().map(nix::unistd::Pid::as_raw),
        since_seconds: Some(now.since(child.since()).as_secs_f64()),
        restarts: child.restarts(),
        last_exit: child.last_exit().map(|exit| exit.to_string()),
    }
}

fn phase(machine: &Machine) -> ServicePhase {
    match machine.phase() {
        Phase::Starting { .. } => ServicePhase::Starting,
        Phase::Serving if machine.is_reloading() && machine.is_ready() => ServicePhase::Reloading,
        Phase::Serving if machine.is_ready() => ServicePhase::Ready,
        Phase::Serving => ServicePhase::Degraded,
        Phase::Stopping { .. } | Phase::Done(_) => ServicePhase::Stopping,
    }
}

/// The reason for which the service is not ready.
fn reason(machine: &Machine) -> Option<String> {
    match machine.phase() {
        Phase::Stopping {
            outcome: Outcome::Stopped,
            urgency: Urgency::Graceful,
            ..
        } => {
            return Some("stopping: requests under way are being finished".to_owned());
        }
        Phase::Stopping { .. } | Phase::Done(_) => return Some("stopping".to_owned()),
        Phase::Starting { .. } | Phase::Serving => {}
    }
    let missing: Vec<String> = machine
        .children()
        .map(|(_, child)| child)
        .filter(|child| child.serves() && !matches!(child.state(), ChildState::Running { .. }))
        .map(|child| {
            let (name, state) = (child.label().name, state(child.state()).as_str());
            match child.not_ready() {
                Some(reason) => format!("{name} is {state}: {reason}"),
                None => format!("{name} is {state}"),
            }
        })
        .collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}

fn role(child: &Child) -> ChildRole {
    if child.survivors_of().is_some() {
        return ChildRole::Survivors;
    }
    match child.purpose() {
        Purpose::Serving => ChildRole::Serving,
        Purpose::Canary => ChildRole::Canary,
        Purpose::Candidate { .. } => ChildRole::Candidate,
        Purpose::Retiring { .. } => ChildRole::Retiring,
    }
}

fn state(state: ChildState) -> ChildPhase {
    match state {
        ChildState::Idle => ChildPhase::Idle,
        ChildState::Starting { .. } => ChildPhase::Starting,
        ChildState::Running { .. } => ChildPhase::Running,
        ChildState::Draining { .. } => ChildPhase::Draining,
        ChildState::Stopping { .. } => ChildPhase::Stopping,
        ChildState::Killing { .. } => ChildPhase::Killing,
        ChildState::Backoff { .. } => ChildPhase::Backoff,
        ChildState::Ended => ChildPhase::Ended,
    }
}
