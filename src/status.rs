//! How the service is, as a value: what `status`, `/status` and `/readyz` show.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The whole picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// Service name.
    pub name: String,
    /// Version of the launcher.
    pub version: String,
    /// starting, ready, reloading, degraded, stopping.
    pub phase: ServicePhase,
    /// Whether requests should be sent here.
    pub ready: bool,
    /// Why not.
    pub reason: Option<String>,
    /// The launcher's process.
    pub pid: u32,
    /// When the launcher started (RFC 3339).
    pub started_at: String,
    /// Seconds since then.
    pub uptime_seconds: f64,
    /// Counts configurations.
    pub generation: u32,
    /// The file that was read.
    pub config_file: Option<PathBuf>,
    /// Addresses for clients.
    pub listen: Vec<String>,
    /// What was planned.
    pub plan: PlanSummary,
    /// The children.
    pub children: Vec<ChildStatus>,
    /// The application's processes; filled in when somebody asks.
    #[serde(default)]
    pub workers: Vec<WorkerStatus>,
    /// Requests that wait for a free slot; filled in when somebody asks, none when nginx does not answer.
    #[serde(default)]
    pub waiting: Option<u64>,
    /// Restarts of all children together.
    pub restarts: u32,
    /// The last records at level error, oldest first.
    #[serde(default)]
    pub last_errors: Vec<ErrorRecord>,
    /// What became of the log's records.
    #[serde(default)]
    pub log: LogStatus,
}

/// What became of the log's records since the launcher started: produced = delivered + dropped + buffered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogStatus {
    /// Read from the parts, or the launcher's own.
    pub produced: u64,
    /// Written to stdout.
    pub delivered: u64,
    /// Given up, because the buffer was full.
    pub dropped: u64,
    /// On their way.
    pub buffered: u64,
    /// How long stdout has been taking nothing, where that is so.
    pub stalled_seconds: Option<f64>,
}

/// What the service is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServicePhase {
    /// Not every child has been ready yet.
    Starting,
    /// Everything runs.
    Ready,
    /// Everything runs, and a new generation is being started beside it.
    Reloading,
    /// A child is missing and on its way back.
    Degraded,
    /// On the way out.
    Stopping,
}

impl ServicePhase {
    /// Its name for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Reloading => "reloading",
            Self::Degraded => "degraded",
            Self::Stopping => "stopping",
        }
    }
}

/// The numbers of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSummary {
    /// Requests at the same time.
    pub slots: u32,
    /// uWSGI processes.
    pub processes: u32,
    /// Threads of each.
    pub threads: u32,
    /// Requests that may wait.
    pub queue: u32,
    /// nginx workers.
    pub nginx_workers: u32,
}

/// One child.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChildStatus {
    /// nginx or uwsgi.
    pub name: String,
    /// What it is for.
    pub role: ChildRole,
    /// What it is doing.
    pub state: ChildPhase,
    /// Its process.
    pub pid: Option<i32>,
    /// Seconds in this state, where that is known.
    pub since_seconds: Option<f64>,
    /// Starts after the first.
    pub restarts: u32,
    /// How its last process ended.
    pub last_exit: Option<String>,
}

/// What a child is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChildRole {
    /// It serves, or shall.
    Serving,
    /// It is tried before the others of its generation are started.
    Canary,
    /// It takes the place of a serving child once its generation is ready.
    Candidate,
    /// It finishes its requests; its successor serves.
    Retiring,
    /// A crashed child has left it; it finishes its requests.
    Survivors,
}

impl ChildRole {
    /// Its name in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Canary => "canary",
            Self::Candidate => "candidate",
            Self::Retiring => "retiring",
            Self::Survivors => "survivors",
        }
    }
}

/// What a child is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChildPhase {
    /// About to be started.
    Idle,
    /// Runs and is not ready yet.
    Starting,
    /// Serves.
    Running,
    /// Serves, and tells its clients to close their connections.
    Draining,
    /// Was asked to stop.
    Stopping,
    /// Was sent SIGKILL.
    Killing,
    /// Crashed, and is started again later.
    #[serde(rename = "waiting to restart")]
    Backoff,
    /// Has ended.
    Ended,
}

impl ChildPhase {
    /// Its name in the status.
    pub fn as_str(self) -> &'static str {
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

/// What a process of the application is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// It serves a request.
    Busy,
    /// It waits for a request.
    Idle,
    /// It takes no requests yet.
    Starting,
}

impl WorkerState {
    /// Its name in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Idle => "idle",
            Self::Starting => "starting",
        }
    }
}

/// The result of a reload, for those who asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadAnswer {
    /// What became of the reload.
    pub outcome: ReloadOutcome,
    /// For people; several lines when there are several reasons.
    pub text: String,
}

/// What became of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReloadOutcome {
    /// The new generation serves.
    Committed,
    /// The new generation was started and given up; the old one serves on.
    RolledBack,
    /// Nothing was started; the old generation serves on.
    Refused,
    /// The configuration is wrong; the old generation serves on.
    Invalid,
}

/// One process of the application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Its number, from 1.
    pub id: u32,
    /// Its process.
    pub pid: i32,
    /// What it is doing.
    pub state: WorkerState,
    /// Requests that it has finished.
    pub requests: u64,
    /// Requests under way.
    pub serving: Vec<RequestStatus>,
}

/// A request under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestStatus {
    /// Its id.
    pub request_id: String,
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// Seconds since it started.
    pub seconds: u64,
}

/// A record of the log at level error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorRecord {
    /// When (RFC 3339).
    pub ts: String,
    /// Who wrote it.
    pub source: String,
    /// Its first words.
    pub message: String,
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
}
