//! How a run and a reload end. Values only.

use super::identity::ChildLabel;
use crate::sys::process::SpawnFailure;
use crate::sys::reap::Exit;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was asked to stop, and every child stopped in time.
    Stopped,
    /// It was asked to stop a second time: in-flight requests were cut.
    Cut,
    /// It was asked to stop a third time: every child was killed.
    Forced,
    /// This child did not stop before the deadline (`stop_timeout`) and was killed.
    StopTimedOut(ChildLabel),
    /// This child was not ready before the deadline (`start_timeout`); the reason is the last one that it gave.
    NotReady(ChildLabel, Option<String>),
    /// This child ended before it was ready for the first time.
    FailedToStart(ChildLabel, Exit),
    /// This child could not be started.
    CannotRun(ChildLabel, SpawnFailure),
    /// This child crashed too often; this is how it ended last.
    CrashedTooOften(ChildLabel, Exit),
}

/// How a reload ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReloadResult {
    /// This generation serves now.
    Committed(u32),
    /// The new generation was started and given up; the old one serves on.
    RolledBack(Rollback),
    /// Nothing was started; the old generation serves on.
    Refused(Refusal),
}

/// Why a new generation was given up after it had been started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rollback {
    /// This child of it ended before it was ready.
    Exited(ChildLabel, Exit),
    /// This child of it was not ready in time; the reason is the last one that it gave.
    NotReady(ChildLabel, Option<String>),
    /// This child of it could not be started.
    CannotRun(ChildLabel),
    /// The service was asked to stop.
    Stopping,
}

/// Why a reload was not even tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The service has not been ready yet.
    Starting,
    /// The service stops.
    Stopping,
    /// The reload had begun when the service was asked to stop.
    Abandoned,
    /// The generation could not be made.
    NotMade(NotMade),
}

/// Why a generation could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotMade {
    /// Whether the configuration is to blame; otherwise it is the system.
    pub(crate) invalid: bool,
    /// For people; several lines when there are several problems.
    pub(crate) text: String,
}
