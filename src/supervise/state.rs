//! What a child and the service can be, what can happen, what can be done about it. Values only.
#![forbid(unsafe_code)]

use std::time::Duration;

use nix::unistd::Pid;

use super::Uptime;
use super::backoff::Backoff;
use super::child::{Orphans, Role, StopPlan};
use crate::status::ChildState;
use crate::sys::reap::Exit;

/// Index of a child, in the order of starting.
pub type ChildId = usize;

/// The state of one child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// To be started.
    Idle,
    /// Runs, and is not ready.
    Starting {
        /// Its process.
        pid: Pid,
        /// Since when.
        since: Uptime,
    },
    /// Serves.
    Running {
        /// Its process.
        pid: Pid,
        /// Since when.
        since: Uptime,
    },
    /// Serves, and tells its clients to go away.
    Draining {
        /// Its process.
        pid: Pid,
        /// When it is asked to stop.
        until: Uptime,
    },
    /// Was asked to stop.
    Stopping {
        /// Its process.
        pid: Pid,
        /// When it is asked again.
        again: Option<Uptime>,
        /// How often it was asked.
        asks: u32,
    },
    /// Was killed.
    Killing {
        /// Its process.
        pid: Pid,
    },
    /// Crashed, waits for its next start.
    Backoff {
        /// Until when.
        until: Uptime,
    },
    /// Is gone for good.
    Ended,
}

impl State {
    /// Its process, where it has one.
    pub fn pid(self) -> Option<Pid> {
        match self {
            Self::Starting { pid, .. }
            | Self::Running { pid, .. }
            | Self::Draining { pid, .. }
            | Self::Stopping { pid, .. }
            | Self::Killing { pid } => Some(pid),
            Self::Idle | Self::Backoff { .. } | Self::Ended => None,
        }
    }

    /// The state without its data, for the status.
    pub(crate) fn status(self) -> ChildState {
        match self {
            Self::Idle => ChildState::Idle,
            Self::Starting { .. } => ChildState::Starting,
            Self::Running { .. } => ChildState::Running,
            Self::Draining { .. } => ChildState::Draining,
            Self::Stopping { .. } => ChildState::Stopping,
            Self::Killing { .. } => ChildState::Killing,
            Self::Backoff { .. } => ChildState::Backoff,
            Self::Ended => ChildState::Ended,
        }
    }
}

/// The state of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not every child has been ready yet.
    Starting {
        /// When patience ends.
        deadline: Uptime,
    },
    /// Every child has been ready.
    Serving,
    /// On the way out.
    Stopping {
        /// When what is left is killed.
        deadline: Uptime,
        /// How it will end.
        outcome: Outcome,
        /// How hard it is stopped.
        pace: Pace,
    },
    /// Nothing is left.
    Done(Outcome),
}

/// How hard the service is stopped; each further request to stop goes one step on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pace {
    /// Requests under way are finished.
    Graceful,
    /// They are cut.
    Fast,
    /// Everything is killed.
    Kill,
}

/// How the run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was asked to stop, and all stopped in time.
    Asked,
    /// It was asked a second time: requests under way were cut.
    Cut,
    /// It was asked a third time: everything was killed.
    Forced,
    /// SIGKILL was needed to stop this child.
    Killed(ChildId),
    /// This child was not ready before the deadline.
    NotReady(ChildId),
    /// This child ended before it was ever ready.
    FailedToStart(ChildId, Exit),
    /// This child could not be started; the code says why.
    CannotRun(ChildId, u8),
    /// This child crashed too often; this is its last exit.
    CrashedTooOften(ChildId, Exit),
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The launcher is ready to start.
    Start,
    /// A child was started.
    Spawned(ChildId, Pid),
    /// It could not be.
    SpawnFailed(ChildId, u8),
    /// A process ended.
    Exited(Pid, Exit),
    /// A child serves. The process tells a late answer from one of its successor.
    Ready(ChildId, Pid),
    /// A draining child has no clients left.
    Drained(ChildId, Pid),
    /// A child lives and serves nothing.
    Hung(ChildId, Pid),
    /// Someone wants the service to stop.
    StopAsked,
    /// Time went by.
    Timer,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start it and begin to ask whether it is ready.
    Spawn(ChildId),
    /// Make its drain file.
    Drain(ChildId),
    /// Send it its signal for stopping gracefully.
    StopGracefully(ChildId, Pid),
    /// Send it its signal for stopping at once.
    StopFast(ChildId, Pid),
    /// Kill its whole group.
    Kill(ChildId, Pid),
    /// Kill the processes that it has started: it waits for one that does not hear it.
    KillWorkers(ChildId, Pid),
    /// Close the sockets that are kept for it: it will not come back, and who waits there shall be told at once.
    CloseSockets(ChildId),
    /// Ask it to finish what it does while its successor serves.
    Retire(ChildId, Pid),
    /// It is gone and never comes back: what belongs to it may be removed.
    Forget(ChildId),
    /// Tell those who asked for the reload.
    ReloadEnded(ReloadOutcome),
    /// What is left of this crashed child's process group is a child of its own now.
    Adopt {
        /// The new child.
        orphans: ChildId,
        /// The one that crashed.
        of: ChildId,
        /// The group, by its dead leader's number, which nobody gets while the group lives.
        group: Pid,
    },
    /// Tell people.
    Note(Note),
}

/// How a reload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadOutcome {
    /// The new generation serves.
    Done,
    /// This child of the new generation ended before it was ready. The old generation serves on.
    Exited(ChildId, Exit),
    /// This child of the new generation was not ready in time. The old generation serves on.
    NotReady(ChildId),
    /// This child of the new generation could not be started. The old generation serves on.
    CannotRun(ChildId),
    /// The service was asked to stop meanwhile.
    Stopping,
}

/// What a child is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It serves, or shall.
    Serving,
    /// It is tried before anything else of its generation is started, and serves nobody.
    Canary,
    /// It is to take the place of another one, once all of its generation are ready.
    Candidate {
        /// The one that it replaces.
        replaces: ChildId,
    },
    /// It finishes what it does; its successor serves.
    Retiring {
        /// When it is killed.
        kill_at: Option<Uptime>,
    },
}

/// Things that people want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// A child serves, after this time.
    ChildReady(ChildId, Duration),
    /// Every child serves, after this time since the start of the launcher.
    ServiceReady(Duration),
    /// A child crashed and starts again after this time.
    Crashed(ChildId, Exit, Duration),
    /// A child that was killed for what it did not do has ended, and starts again after this time.
    Restarts(ChildId, Duration),
    /// The service stops.
    Stopping(Pace),
    /// Time is up: what is left is killed.
    TimeIsUp,
    /// A retiring child did not finish in time and is killed.
    RetiredByForce(ChildId),
    /// A child that was started again is not ready in time: it is killed and started again.
    NotReadyAgain(ChildId),
}

/// One child as the state machine sees it.
#[derive(Clone, Debug)]
pub struct Child {
    /// What it does.
    pub role: Role,
    /// What it is for.
    pub life: Life,
    /// How it is stopped.
    pub stop: StopPlan,
    /// What becomes of its group when it crashes.
    pub orphans: Orphans,
    /// Its state.
    pub state: State,
    /// Starts after the first.
    pub restarts: u32,
    /// How its last process ended.
    pub last_exit: Option<Exit>,
    /// Its crashes.
    pub(super) backoff: Backoff,
    /// Whether it was ready at least once.
    pub(super) ever_ready: bool,
    /// Whether it was killed because it did not serve, or did not become ready again.
    pub(super) given_up: bool,
    /// It is what a crashed child has left: a process group without its leader, which still serves.
    pub(super) orphans_of: Option<ChildId>,
}

impl Child {
    /// A child that is to be started.
    pub fn new(role: Role, stop: StopPlan, orphans: Orphans) -> Self {
        Self {
            role,
            life: Life::Serving,
            stop,
            orphans,
            state: State::Idle,
            restarts: 0,
            last_exit: None,
            backoff: Backoff::default(),
            ever_ready: false,
            given_up: false,
            orphans_of: None,
        }
    }
}
