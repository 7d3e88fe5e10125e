//! The machine's output: actions that the loop carries out, and notices for the log.

use std::time::Duration;

use nix::unistd::Pid;

use super::identity::{ChildId, ChildLabel};
use super::outcome::{Refusal, ReloadResult, Rollback};
use super::state::Urgency;
use crate::sys::reap::Exit;

/// An action of the loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start a child and its readiness poll.
    Spawn(ChildId),
    /// Make a child finish what it has begun: a proxy closes each client connection after the next response, an
    /// application takes no further request.
    Drain(ChildId),
    /// Send a child the signal that lets it finish its requests.
    StopGracefully(ChildId, Pid),
    /// Send a child the signal that cuts its requests.
    StopFast(ChildId, Pid),
    /// Send SIGKILL to a child's process group.
    Kill(ChildId, Pid),
    /// Send SIGKILL to a child's main process alone.
    KillMain(ChildId, Pid),
    /// Send the stop signal to the workers of a child themselves: they have missed it, or the child would not pass it on.
    SignalStragglers(ChildId, Pid),
    /// Send SIGKILL to these workers.
    KillStragglers(ChildId, Pid),
    /// Close the launcher's copies of a child's sockets: the child is not started again, and clients in the queues
    /// should get an error at once.
    CloseSockets(ChildId),
    /// Make a child finish its requests while its successor serves.
    Retire(ChildId, Pid),
    /// Supervise the survivors of a crashed child as a child of their own.
    AdoptSurvivors {
        /// The new child.
        survivors: ChildId,
        /// The child that crashed.
        of: ChildId,
        /// Their process group, by the number of its dead leader. The kernel does not reuse it while the group exists.
        group: Pid,
    },
    /// A child has ended for good: remove its plan and its files.
    Forget(ChildId),
    /// Write a log record.
    Announce(Notice),
    /// The newest requests for a reload join the current one.
    JoinReload,
    /// The newest requests for a reload wait for the one after the current one.
    QueueReload,
    /// The newest requests for a reload are refused.
    RefuseReload(Refusal),
    /// Make the generation of this number.
    PrepareGeneration(u32),
    /// Remove the generation that was made; it is not started.
    DiscardGeneration,
    /// The new generation serves: its settings take effect.
    CommitGeneration,
    /// The new generation was given up: its settings are dropped.
    RollBackGeneration(Rollback),
    /// Send the result to the clients of the current reload. Queued requests are decided about next.
    ReportReload(ReloadResult),
}

/// An event that operators see in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A child is ready, this long after its start.
    ChildReady(ChildLabel, Duration),
    /// Every child is ready, this long after the start of the launcher.
    ServiceReady(Duration),
    /// A child crashed with this exit, and is started again after this time.
    Crashed(ChildLabel, Exit, Duration),
    /// A child that the launcher killed has ended and is started again after this time.
    Restarting(ChildLabel, Duration),
    /// The main process of a damaged child is replaced.
    Replacing(ChildLabel),
    /// A hung child is killed.
    HungKilled(ChildLabel),
    /// A hung child is left alone: the watchdog has killed it as often as it may.
    HungLeft(ChildLabel),
    /// The service stops.
    Stopping(Urgency),
    /// The stop took too long (`stop_timeout`).
    StopTimedOut,
    /// A child of an old generation took too long and is killed.
    RetirementTimedOut(ChildLabel),
    /// A child that was started again is not ready in time and is killed.
    RestartTimedOut(ChildLabel),
}
