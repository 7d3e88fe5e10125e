//! uWSGI's worker processes: the part of their statistics that the launcher uses.

use crate::status::{RequestStatus, WorkerState, WorkerStatus};

/// A worker process, or the place of one that is about to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Worker {
    /// uWSGI's number of the worker, from 1; a replacement gets the same one.
    pub(super) id: u32,
    /// 0 while there is no process.
    pub(super) pid: i32,
    /// Whether it has imported the application and accepts requests.
    pub(super) accepting: bool,
    /// Requests that it has finished.
    pub(super) requests: u64,
    pub(super) in_flight: Vec<InFlight>,
}

/// An in-flight request. Its texts are untrusted, and limited in length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InFlight {
    pub(super) id: String,
    pub(super) method: String,
    /// Without the query.
    pub(super) path: String,
    /// Whether it is an open WebSocket, which has no deadline.
    pub(super) websocket: bool,
    /// When it started, by the wall clock: seconds since 1970.
    pub(super) started: u64,
}

impl Worker {
    /// The worker in a status report. `now` is the wall clock in seconds since 1970.
    pub(super) fn status(&self, now: u64) -> WorkerStatus {
        let state = match (self.accepting, self.in_flight.is_empty()) {
            (_, false) => WorkerState::Busy,
            (true, true) => WorkerState::Idle,
            (false, true) => WorkerState::Starting,
        };
        let serving = self.in_flight.iter();
        WorkerStatus {
            id: self.id,
            pid: self.pid,
            state,
            requests: self.requests,
            serving: serving
                .map(|request| request.status(now.saturating_sub(request.started)))
                .collect(),
        }
    }
}

impl InFlight {
    /// The request in a status report; `seconds` is its age.
    pub(super) fn status(&self, seconds: u64) -> RequestStatus {
        RequestStatus {
            request_id: self.id.clone(),
            method: self.method.clone(),
            path: self.path.clone(),
            seconds,
            websocket: self.websocket,
        }
    }
}
