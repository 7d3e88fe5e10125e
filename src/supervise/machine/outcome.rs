//! The results of a run and of a reload. Values only.

use super::identity::ChildLabel;
use crate::sys::process::SpawnFailure;
use crate::sys::reap::Exit;

/// How a run ended; decides the exit code.
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
    /// Every child stopped in time, but processes of this one had to be killed.
    StragglersKilled(ChildLabel),
    /// This child was not ready before the deadline (`start_timeout`); the reason is from its last readiness poll.
    NotReady(ChildLabel, Option<String>),
    /// This child ended before it was ready for the first time.
    FailedToStart(ChildLabel, Exit),
    /// This child could not be started.
    CannotRun(ChildLabel, SpawnFailure),
    /// This child has spent its restart budget; this was its last exit.
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
    /// This child of the new generation ended while it was starting.
    Exited(ChildLabel, Exit),
    /// This child of the new generation was not ready in time; the reason is from its last readiness poll.
    NotReady(ChildLabel, Option<String>),
    /// This child of the new generation could not be started.
    CannotRun(ChildLabel),
    /// The service was asked to stop.
    Stopping,
}

/// Why a reload ended before a new generation was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The service has not been ready yet.
    Starting,
    /// The service is stopping.
    Stopping,
    /// The reload had begun when the service was asked to stop.
    Abandoned,
    /// The generation could not be made.
    NotMade(NotMade),
}

/// Why a generation could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotMade {
    /// Whether the service's configuration is the cause; otherwise it is the system.
    pub(crate) invalid: bool,
    /// Text for operators; several lines when there are several problems.
    pub(crate) text: String,
}
