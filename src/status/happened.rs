//! What has happened, in a status report: errors, events of the launcher, reloads, generations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Errors of the application, nginx and uWSGI that are the same: one type of exception from one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErrorGroup {
    /// The stream of the log, such as `app.stderr`.
    pub(crate) source: String,
    /// The type of the exception; without one, the message with `#` for each number.
    pub(crate) kind: String,
    /// Where it was raised: `src/main.py:12 in boom`; empty when that is not known.
    pub(crate) place: String,
    /// One line of the last one.
    pub(crate) message: String,
    /// How many there were since the launcher started.
    pub(crate) count: u64,
    /// When the first one was logged (RFC 3339).
    pub(crate) first: String,
    /// When the last one was logged.
    pub(crate) last: String,
    /// Method and path of the request of the last one; empty when they are not known.
    pub(crate) request: String,
    /// The id of that request; empty when there was none.
    pub(crate) request_id: String,
}

/// A record of the log at level error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErrorRecord {
    /// When the record was written (RFC 3339).
    pub(crate) ts: String,
    /// The child or part of it that wrote the record, as in the log.
    pub(crate) source: String,
    /// Beginning of the message.
    pub(crate) message: String,
}

/// Something that the launcher has done or noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventStatus {
    /// When (RFC 3339).
    pub(crate) ts: String,
    /// info, warn or error.
    pub(crate) level: String,
    /// The sentence of the log.
    pub(crate) message: String,
}

/// The reloads since the launcher started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReloadsStatus {
    /// How many, by outcome; every outcome is named.
    pub(crate) outcomes: BTreeMap<String, u64>,
    /// The last one that has ended.
    pub(crate) last: Option<LastReload>,
    /// The one that is under way.
    pub(crate) current: Option<CurrentReload>,
}

/// A reload that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LastReload {
    /// committed, rolled_back, refused or invalid.
    pub(crate) outcome: String,
    /// Who asked for it: `a signal (HUP)`, `the command reload`, `the application`.
    pub(crate) asked_by: String,
    /// When it ended (RFC 3339).
    pub(crate) ts: String,
    /// How long it took, in seconds.
    pub(crate) seconds: f64,
    /// What came of it, as the command `reload` prints it.
    pub(crate) text: String,
}

/// A reload that is under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CurrentReload {
    /// Who asked for it.
    pub(crate) asked_by: String,
    /// For how long it has been under way, in seconds.
    pub(crate) seconds: f64,
}

/// A configuration and code that serves, or has served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct GenerationStatus {
    /// 1 after the start, one more after each reload that was tried.
    pub(crate) number: u32,
    /// When it began to serve (RFC 3339).
    pub(crate) ts: String,
    /// Slots of its plan.
    pub(crate) slots: u32,
}
