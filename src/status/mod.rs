//! The status of the service as a value: what `status`, /status, /readyz and /metrics are made of.
//!
//! The field names and the texts of the enums are the JSON of /status, which operators' scripts read.

mod happened;
mod recent;
mod resources;
#[cfg(test)]
pub(crate) mod sample;
mod traffic;
mod unknown;
pub(crate) mod verdict;
pub(crate) mod words;
mod workers;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use self::happened::{
    CurrentReload, ErrorGroup, ErrorRecord, EventStatus, GenerationStatus, LastReload,
    ReloadsStatus,
};
pub(crate) use self::resources::{ProcessFigures, ResourceStatus};
pub(crate) use self::traffic::{
    HistogramStatus, Percentiles, SlowRequestStatus, TrafficStatus, WindowStatus,
};
pub(crate) use self::workers::{RequestStatus, WorkerState, WorkerStatus};

/// Everything that /status answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StatusReport {
    /// `--name`, or the last part of the service folder.
    pub(crate) name: String,
    /// Version of the launcher.
    pub(crate) version: String,
    /// What the service as a whole is doing.
    pub(crate) phase: ServicePhase,
    /// For how long, in seconds; a reload does not begin it anew.
    #[serde(default)]
    pub(crate) phase_seconds: f64,
    /// When the figures of this report were taken (RFC 3339).
    #[serde(default)]
    pub(crate) ts: String,
    /// Whether a load balancer should send requests here.
    pub(crate) ready: bool,
    /// Why the service is not ready.
    pub(crate) reason: Option<String>,
    /// Process of the launcher.
    pub(crate) pid: u32,
    /// When the launcher started (RFC 3339).
    pub(crate) started_at: String,
    /// Seconds since the launcher started, from a clock that never jumps.
    pub(crate) uptime_seconds: f64,
    /// Number of the configuration that serves: 1 after the start, one more after each reload.
    pub(crate) generation: u32,
    /// The config.json that was read; none when the service has none.
    pub(crate) config_file: Option<PathBuf>,
    /// Addresses for clients, as bound.
    pub(crate) listen: Vec<String>,
    /// Figures of the plan that serves.
    pub(crate) plan: PlanSummary,
    /// What confines nginx and the application of that plan.
    #[serde(default)]
    pub(crate) sandbox: SandboxStatus,
    /// nginx and uWSGI; during a reload or after a crash also their predecessors and successors.
    pub(crate) children: Vec<ChildStatus>,
    /// Processes of the application.
    #[serde(default)]
    pub(crate) workers: Vec<WorkerStatus>,
    /// Processes of old generations that still have requests, after a reload.
    #[serde(default)]
    pub(crate) finishing: Vec<WorkerStatus>,
    /// Requests that wait for a free slot. None: the system does not tell.
    #[serde(default)]
    pub(crate) waiting: Option<u32>,
    /// How long the oldest of them has been waiting, in seconds; 0 when none waits.
    #[serde(default)]
    pub(crate) oldest_wait_seconds: Option<f64>,
    /// Connections that nginx holds. None: it has not told them.
    #[serde(default)]
    pub(crate) clients: Option<ClientConnections>,
    /// How many requests the product itself has refused, by cause.
    #[serde(default)]
    pub(crate) shed: BTreeMap<String, u64>,
    /// Restarts of all serving children together.
    pub(crate) restarts: u32,
    /// How many processes of the application have ended since the launcher started, by cause; every cause is named. Those
    /// that ended together with uWSGI are among its restarts.
    #[serde(default)]
    pub(crate) worker_exits: BTreeMap<String, u64>,
    /// What is wrong with the application that serves, and with its configuration, each with the remedy.
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    /// The requests that were answered.
    #[serde(default)]
    pub(crate) traffic: TrafficStatus,
    /// The last 50 that took a second or more, oldest first.
    #[serde(default)]
    pub(crate) slow_requests: Vec<SlowRequestStatus>,
    /// Errors by type and place, the latest last.
    #[serde(default)]
    pub(crate) errors: Vec<ErrorGroup>,
    /// The last events of the launcher, oldest first.
    #[serde(default)]
    pub(crate) events: Vec<EventStatus>,
    #[serde(default)]
    pub(crate) reloads: ReloadsStatus,
    /// The generations that have served, oldest first: the last 20.
    #[serde(default)]
    pub(crate) generations: Vec<GenerationStatus>,
    #[serde(default)]
    pub(crate) resources: ResourceStatus,
    /// The last log records at level error, oldest first.
    #[serde(default)]
    pub(crate) last_errors: Vec<ErrorRecord>,
    /// How many log records were written and lost.
    #[serde(default)]
    pub(crate) log: LogStatus,
    /// Whether the report is whole. On the admin address it is an outline: [`Self::left_out`] says what is missing.
    #[serde(default = "whole")]
    pub(crate) details: bool,
    /// What is left out, and where it is; none when nothing is.
    #[serde(default)]
    pub(crate) left_out: Option<String>,
}

/// Launchers that know no outlines answer with everything.
fn whole() -> bool {
    true
}

/// Counts of log records since the launcher started: produced = delivered + dropped + buffered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LogStatus {
    /// Records read from the children, and the launcher's own.
    pub(crate) produced: u64,
    /// Records written to stdout.
    pub(crate) delivered: u64,
    /// Records lost because the buffer was full.
    pub(crate) dropped: u64,
    /// Records in the buffer.
    pub(crate) buffered: u64,
    /// Seconds since stdout last accepted data; none while it accepts data.
    pub(crate) stalled_seconds: Option<f64>,
}

/// What the service as a whole is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ServicePhase {
    /// Some child has never been ready.
    Starting,
    /// Every child is ready.
    Ready,
    /// Every child is ready, and a new generation is starting.
    Reloading,
    /// Every child has been ready, and one is not now: it crashed, hangs or restarts.
    Degraded,
    /// The launcher was asked to stop, or gives up.
    Stopping,
}

impl ServicePhase {
    /// The text in JSON and in `status`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Reloading => "reloading",
            Self::Degraded => "degraded",
            Self::Stopping => "stopping",
        }
    }
}

/// Figures of the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlanSummary {
    /// Requests that can be served at the same time: processes × threads.
    pub(crate) slots: u32,
    /// uWSGI worker processes.
    pub(crate) processes: u32,
    /// Threads of each uWSGI worker.
    pub(crate) threads: u32,
    /// Requests that may wait for a free slot.
    pub(crate) queue: u32,
    /// nginx worker processes.
    pub(crate) nginx_workers: u32,
    /// For how long a request may run, in whole seconds; none: without a limit, or not known.
    #[serde(default)]
    pub(crate) request_timeout_seconds: Option<u64>,
}

/// What confines nginx and the application: "on", with the version of the kernel's interface where it has one, or "off:"
/// and the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SandboxStatus {
    /// What they may write.
    pub(crate) landlock: String,
    /// Which system calls they may make.
    pub(crate) seccomp: String,
}

/// A program that the launcher supervises.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ChildStatus {
    /// nginx, uwsgi, or uwsgi (canary).
    pub(crate) name: String,
    /// Which generation the child belongs to.
    pub(crate) role: ChildRole,
    /// Where the child is between its start and its end.
    pub(crate) state: ChildPhase,
    /// Main process of the child; none while there is none.
    pub(crate) pid: Option<i32>,
    /// Seconds in this state, from a clock that never jumps.
    pub(crate) since_seconds: Option<f64>,
    /// Starts after the first.
    pub(crate) restarts: u32,
    /// How the previous process of the child ended.
    pub(crate) last_exit: Option<String>,
}

/// Which generation a child belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChildRole {
    /// The present generation.
    Serving,
    /// The next generation, tried on a socket of its own; it gets no requests of clients.
    Canary,
    /// The next generation; takes over once all of its children are ready.
    Candidate,
    /// The previous generation, which finishes its requests.
    Retiring,
    /// Processes that have survived the crash of their main process and still serve.
    Survivors,
}

impl ChildRole {
    /// The text in JSON and in `status`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Canary => "canary",
            Self::Candidate => "candidate",
            Self::Retiring => "retiring",
            Self::Survivors => "survivors",
        }
    }
}

/// Where a child is between its start and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChildPhase {
    /// Not started yet.
    Idle,
    /// Has a process that is not ready.
    Starting,
    /// Ready.
    Running,
    /// Serves, and closes each connection after the answer.
    Draining,
    /// Was asked to stop.
    Stopping,
    /// Was sent SIGKILL.
    Killing,
    /// Crashed; its next start is delayed.
    #[serde(rename = "waiting to restart")]
    Backoff,
    /// Will not be started again.
    Ended,
}

impl ChildPhase {
    /// The text in JSON and in `status`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::Killing => "killing",
            Self::Backoff => "waiting to restart",
            Self::Ended => "ended",
        }
    }
}

/// Requests that wait for a free slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct QueueStatus {
    /// How many wait.
    pub(crate) waiting: u32,
    /// How long the oldest has been waiting, in seconds; 0 when none waits.
    pub(crate) oldest_seconds: f64,
}

/// Client connections that nginx holds, without the launcher's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClientConnections {
    /// nginx reads the headers of a request.
    pub(crate) reading: u64,
    /// nginx reads a request body, waits for the application, or sends a response.
    pub(crate) writing: u64,
    /// Kept open without a request.
    pub(crate) idle: u64,
}

/// The answer of /healthcheck.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HealthReport {
    /// 0 passing, 1 warning, 2 critical; the exit code of `healthcheck`.
    pub(crate) level: u8,
    /// One line for operators, at every level.
    pub(crate) reason: String,
}

/// What the status shows of a generation.
#[derive(Clone, Debug)]
pub(crate) struct GenerationInfo {
    /// The service's name.
    pub(crate) name: String,
    /// Its number, from 1.
    pub(crate) generation: u32,
    /// The configuration file that was read; none: every key has its default.
    pub(crate) config_file: Option<PathBuf>,
    /// The addresses for clients.
    pub(crate) listen: Vec<String>,
    pub(crate) plan: PlanSummary,
    pub(crate) sandbox: SandboxStatus,
    /// Whether each process imports the application itself, from what is on disk at that time.
    pub(crate) imports_late: bool,
    /// Whether the admin address tells what otherwise only the control socket does.
    pub(crate) admin_details: bool,
    /// Warnings about the configuration, as text for operators.
    pub(crate) warnings: Vec<String>,
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
