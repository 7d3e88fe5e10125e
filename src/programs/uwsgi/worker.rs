//! uWSGI's worker processes, as far as the launcher lets their statistics out.

use crate::status::{RequestStatus, WorkerState, WorkerStatus};

/// One worker process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Worker {
    /// Its number, from 1.
    pub(super) id: u32,
    /// Its process; 0 when it has none.
    pub(super) pid: i32,
    /// Whether it takes requests.
    pub(super) accepting: bool,
    /// Requests that it has finished.
    pub(super) requests: u64,
    pub(super) in_flight: Vec<InFlight>,
}

/// A request in a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InFlight {
    pub(super) id: String,
    pub(super) method: String,
    /// Without the query.
    pub(super) path: String,
    /// When it started, by the wall clock, in seconds since 1970.
    pub(super) started: u64,
}

impl Worker {
    /// What the status shows of it. `now` is the wall clock in seconds since 1970.
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
    /// What the status shows of it; `seconds` is its age.
    pub(super) fn status(&self, seconds: u64) -> RequestStatus {
        RequestStatus {
            request_id: self.id.clone(),
            method: self.method.clone(),
            path: self.path.clone(),
            seconds,
        }
    }
}
