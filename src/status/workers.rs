//! The processes of the application in a status report, with the requests in each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::resources::ProcessFigures;

/// A worker process of the application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WorkerStatus {
    /// uWSGI's number of the worker, from 1; a replacement keeps it.
    pub(crate) id: u32,
    /// 0 while the worker has no process.
    pub(crate) pid: i32,
    /// Whether the worker serves a request or could.
    pub(crate) state: WorkerState,
    /// Requests that the worker has finished.
    pub(crate) requests: u64,
    /// In-flight requests, at most one per thread.
    pub(crate) serving: Vec<RequestStatus>,
    /// What its process uses.
    #[serde(default)]
    pub(crate) process: ProcessFigures,
    /// How many processes of this worker have ended, by cause. Causes without any are left out.
    #[serde(default)]
    pub(crate) exits: BTreeMap<String, u64>,
}

/// Whether a worker serves a request or could.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WorkerState {
    /// Serves at least one request.
    Busy,
    /// Waits for requests.
    Idle,
    /// Does not accept requests yet.
    Starting,
    /// Leaves: takes no more requests, and its exit handlers or threads still run.
    Ending,
    /// Was stopped by a signal (SIGSTOP): takes no more requests until it continues.
    Stopped,
    /// Has no process, whatever uWSGI says.
    Dead,
}

impl WorkerState {
    /// The text in JSON and in `status`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Idle => "idle",
            Self::Starting => "starting",
            Self::Ending => "ending",
            Self::Stopped => "stopped",
            Self::Dead => "dead",
        }
    }

    /// Whether its slots can be used, now or in a moment.
    pub(crate) fn has_slots(self) -> bool {
        matches!(self, Self::Busy | Self::Idle | Self::Starting)
    }
}

/// An in-flight request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RequestStatus {
    /// The request ID, as in the log.
    pub(crate) request_id: String,
    /// GET, POST and so on.
    pub(crate) method: String,
    /// URL path without the query, which may hold secrets.
    pub(crate) path: String,
    /// Whole seconds since the request started, from a clock that never jumps.
    pub(crate) seconds: u64,
    /// For how many whole seconds it had waited for a slot before, at least. None: not known.
    #[serde(default)]
    pub(crate) queue_seconds: Option<u64>,
    /// Whether it is an open WebSocket, which holds its slot and has no deadline.
    #[serde(default)]
    pub(crate) websocket: bool,
}

impl RequestStatus {
    /// The method, or what a connection has become, for operators.
    pub(crate) fn kind(&self) -> &str {
        if self.websocket {
            "WebSocket"
        } else {
            &self.method
        }
    }
}
