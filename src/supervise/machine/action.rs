//! What the loop has to do: the machine decides, the loop acts.

use std::time::Duration;

use nix::unistd::Pid;

use super::identity::{ChildId, ChildLabel};
use super::outcome::{Refusal, ReloadResult, Rollback};
use super::state::Urgency;
use crate::sys::reap::Exit;

/// An action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start a child, and poll whether it is ready.
    Spawn(ChildId),
    /// Make a child's clients close their connections.
    Drain(ChildId),
    /// Send a child the signal that lets it finish its requests.
    StopGracefully(ChildId, Pid),
    /// Send a child the signal that cuts its requests.
    StopFast(ChildId, Pid),
    /// Send SIGKILL to a child's process group.
    Kill(ChildId, Pid),
    /// Send SIGKILL to the processes that a child has started: it waits for one that missed its signal.
    KillWorkers(ChildId, Pid),
    /// Close the sockets that the launcher keeps for a child: it will not come back, and clients that wait there should
    /// get an error at once.
    CloseSockets(ChildId),
    /// Ask a child to finish its requests while its successor serves.
    Retire(ChildId, Pid),
    /// Supervise what a crashed child has left as a child of its own.
    AdoptSurvivors {
        /// The new child.
        survivors: ChildId,
        /// The child that crashed.
        of: ChildId,
        /// Their process group, by its dead leader's number, which the kernel does not reuse while the group lives.
        group: Pid,
    },
    /// A child has ended for good: remove everything that belongs to it.
    Forget(ChildId),
    /// Log something.
    Announce(Notice),
    /// The callers that have just asked for a reload wait for the current one.
    JoinReload,
    /// They wait for the one after it.
    QueueReload,
    /// They get a refusal.
    RefuseReload(Refusal),
    /// Make this generation.
    PrepareGeneration(u32),
    /// Remove the generation that was made: it is not wanted any more.
    DiscardGeneration,
    /// The new generation serves: its settings become valid.
    CommitGeneration,
    /// The new generation was given up.
    RollBackGeneration(Rollback),
    /// Answer the callers that wait for the current reload. Those that wait for the next one take their place.
    ReportReload(ReloadResult),
}

/// Something that operators want to read in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A child is ready, this long after its start.
    ChildReady(ChildLabel, Duration),
    /// Every child is ready, this long after the start of the launcher.
    ServiceReady(Duration),
    /// A child crashed and is started again after this time.
    Crashed(ChildLabel, Exit, Duration),
    /// A child that the launcher killed has ended and is started again after this time.
    Restarting(ChildLabel, Duration),
    /// The service stops.
    Stopping(Urgency),
    /// The stop took too long (`stop_timeout`).
    StopTimedOut,
    /// A child of an old generation took too long and is killed.
    RetirementTimedOut(ChildLabel),
    /// A child that was started again is not ready in time and is killed.
    RestartTimedOut(ChildLabel),
}
