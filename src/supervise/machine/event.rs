//! What can happen to the service: each change of state begins with one of these.

use std::time::Duration;

use nix::unistd::Pid;

use super::child::ChildSpec;
use super::identity::ChildId;
use super::outcome::NotMade;
use crate::sys::process::SpawnFailure;
use crate::sys::reap::Exit;

/// An event. The process ID in an event of a child distinguishes a late report about a dead process from one about
/// its successor.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The launcher is set up; the children can be started.
    Start,
    /// A child was started.
    Spawned(ChildId, Pid),
    /// A child could not be started.
    SpawnFailed(ChildId, SpawnFailure),
    /// A child is not ready yet, for this reason.
    NotReady(ChildId, Pid, String),
    /// A child serves.
    Ready(ChildId, Pid),
    /// A draining child has no client connections left.
    Drained(ChildId, Pid),
    /// The watchdog found that a child is alive and serves nothing.
    Hung(ChildId, Pid),
    /// A process ended. It may be any process: a child, or an orphan that was reaped.
    Exited(Pid, Exit),
    /// No process is left of a crashed child's process group.
    SurvivorsGone(ChildId),
    /// The service is to stop.
    StopRequested,
    /// The service is to take on new configuration and code.
    ReloadRequested,
    /// The next generation can be started.
    GenerationPrepared(NewGeneration),
    /// The next generation could not be made.
    GenerationNotMade(NotMade),
    /// A deadline has passed ([`super::Machine::next_deadline`]).
    Timer,
}

/// A generation that can be started.
#[derive(Clone, Debug)]
pub(crate) struct NewGeneration {
    /// Tried before the others of its generation are started.
    pub(crate) canary: Option<(ChildId, ChildSpec)>,
    /// Each replaces the serving child of the same role.
    pub(crate) children: Vec<(ChildId, ChildSpec)>,
    /// How long their start may take.
    pub(crate) start_timeout: Duration,
    /// How long a stop may take once they serve.
    pub(crate) stop_timeout: Duration,
}
