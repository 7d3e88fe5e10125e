//! The requests in a status report: how many, how they were answered, how long they took and waited.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Requests of clients that nginx has answered since the launcher started; health checks are none of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TrafficStatus {
    /// All of them.
    pub(crate) requests: u64,
    /// By method and status, such as `GET 200`. Methods that are not common are `other`; `000`: the connection ended before
    /// an answer.
    pub(crate) answers: BTreeMap<String, u64>,
    /// Requests that ran for longer than they may.
    pub(crate) timeouts: u64,
    /// Requests that were given to a second worker, because the first one had died.
    pub(crate) replayed: u64,
    /// Responses that ended before they were complete.
    pub(crate) cut: u64,
    /// The last minute.
    pub(crate) last_minute: WindowStatus,
    /// The last five minutes.
    pub(crate) last_5_minutes: WindowStatus,
    /// Since the launcher started.
    pub(crate) since_start: WindowStatus,
    /// All of the time that requests took, by upper bounds.
    pub(crate) duration: HistogramStatus,
    /// Their wait for a slot.
    pub(crate) queue: HistogramStatus,
    /// Their time in the application.
    pub(crate) app: HistogramStatus,
    /// Requests of each of the last 60 seconds, the oldest first; fewer at the beginning.
    pub(crate) per_second: Vec<u32>,
}

/// The requests of a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct WindowStatus {
    /// Its length in seconds: shorter than its name says as long as the launcher has not run for so long.
    pub(crate) seconds: f64,
    /// Requests that were answered in it.
    pub(crate) requests: u64,
    /// Of these, each second.
    pub(crate) per_second: f64,
    /// Those with a status from 400 to 499, or without an answer.
    pub(crate) client_errors: u64,
    /// Those with a status of 500 or more.
    pub(crate) server_errors: u64,
    /// All of their time.
    pub(crate) duration: Percentiles,
    /// Waiting for a slot; only of requests that a slot has answered.
    pub(crate) queue: Percentiles,
    /// In the application; only of these, too.
    pub(crate) app: Percentiles,
}

/// Percentiles in seconds, at most 1 % too high; 0 without requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    /// Half of the requests took no longer.
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    /// The longest.
    pub(crate) max: f64,
}

/// Counts by upper bounds, cumulative as Prometheus has them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct HistogramStatus {
    /// The sum of all values, in seconds.
    pub(crate) sum: f64,
    /// How many values there are.
    pub(crate) count: u64,
    /// Upper bound in seconds, and how many values are not above it. The last bound, infinity, is left out.
    pub(crate) buckets: Vec<(f64, u64)>,
}

/// A request that took a second or more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SlowRequestStatus {
    /// When it was answered (RFC 3339).
    pub(crate) ts: String,
    pub(crate) request_id: String,
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    /// Of the answer; 0: there was none.
    pub(crate) status: u16,
    /// All of its time, in seconds.
    pub(crate) seconds: f64,
    /// Waiting for a slot; none when no slot has answered.
    pub(crate) queue_seconds: Option<f64>,
    /// In the application.
    pub(crate) app_seconds: Option<f64>,
    /// The worker that has answered.
    pub(crate) worker: Option<u32>,
    /// Why the product itself has made the answer; empty when it is the application's.
    pub(crate) reason: String,
}
