//! The machine's input: every change of state is caused by one of these events.

use std::time::Duration;

use nix::unistd::Pid;

use super::child::ChildSpec;
use super::identity::ChildId;
use super::outcome::NotMade;
use crate::sys::process::SpawnFailure;
use crate::sys::reap::Exit;

/// An event. The process number in an event of a child distinguishes a late event of a dead process from one of its
/// successor.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The launcher is initialized; the children can be started.
    Start,
    /// A child was started.
    Spawned(ChildId, Pid),
    /// A child could not be started.
    SpawnFailed(ChildId, SpawnFailure),
    /// A child is not ready yet, for this reason.
    NotReady(ChildId, Pid, String),
    /// A child serves.
    Ready(ChildId, Pid),
    /// A draining child has nothing left to finish.
    Drained(ChildId, Pid),
    /// The watchdog found a child hung.
    Hung(ChildId, Pid),
    /// The watchdog found a child damaged.
    Damaged(ChildId, Pid),
    /// Workers of this child have done nothing to end, and were killed.
    StragglersKilled(ChildId),
    /// A process ended. It may be any process: a child, or an orphan that was reaped.
    Exited(Pid, Exit),
    /// The process group of these survivors has no member left.
    SurvivorsGone(ChildId),
    /// A signal to stop arrived.
    StopRequested,
    /// A signal or a client requests a reload of configuration and code.
    ReloadRequested,
    /// The next generation was made and can be started.
    GenerationPrepared(NewGeneration),
    /// The next generation could not be made.
    GenerationNotMade(NotMade),
    /// A deadline has passed ([`super::Machine::next_deadline`]).
    Timer,
}

/// A generation that was made, as far as the machine needs it.
#[derive(Clone, Debug)]
pub(crate) struct NewGeneration {
    /// Started first; the others follow when it is ready.
    pub(crate) canary: Option<(ChildId, ChildSpec)>,
    /// Each replaces the serving child of the same role.
    pub(crate) children: Vec<(ChildId, ChildSpec)>,
    /// How long the start may take; the canary and the others have this long each.
    pub(crate) start_timeout: Duration,
    /// How long a stop may take once the generation serves.
    pub(crate) stop_timeout: Duration,
}
