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
    pub phase: Phase,
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
pub enum Phase {
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

impl Phase {
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

/// The answer of /healthcheck.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthReport {
    /// 0 passing, 1 warning, 2 critical.
    pub level: u8,
    /// Why.
    pub reason: String,
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
    /// serving; during a reload also canary, candidate or retiring.
    pub role: String,
    /// Its state.
    pub state: String,
    /// Its process.
    pub pid: Option<i32>,
    /// Seconds in this state, where that is known.
    pub since_seconds: Option<f64>,
    /// Starts after the first.
    pub restarts: u32,
    /// How its last process ended.
    pub last_exit: Option<String>,
}

/// One process of the application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Its number, from 1.
    pub id: u32,
    /// Its process.
    pub pid: i32,
    /// busy, idle or starting.
    pub state: String,
    /// Requests that it has finished.
    pub requests: u64,
    /// Requests under way.
    pub serving: Vec<ServingStatus>,
}

/// A request under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServingStatus {
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
