//! What the loop waits for beside signals and commands: the events of its own tasks, and deadlines.

use std::time::Instant;

use nix::unistd::Pid;
use tokio::sync::mpsc;

use crate::supervise::generation::Made;
use crate::supervise::machine::event::Event;
use crate::supervise::machine::identity::ChildId;
use crate::supervise::machine::outcome::NotMade;
use crate::supervise::program::WatchdogFinding;

/// Events that may wait.
const QUEUE: usize = 64;

/// An event of the loop.
pub(super) enum LoopEvent {
    /// One for the machine.
    Machine(Event),
    /// A proxy whose sockets take no new connections has accepted those that had begun.
    LastConnectionsAccepted(ChildId, Pid),
    /// A watchdog found something.
    Found(ChildId, Pid, WatchdogFinding),
    /// The next generation was made, or could not be.
    Made(Box<Result<Made, NotMade>>),
}

/// Where tasks send their events.
#[derive(Clone)]
pub(super) struct EventSender(mpsc::Sender<LoopEvent>);

/// The two ends of the event channel.
pub(super) fn channel() -> (EventSender, mpsc::Receiver<LoopEvent>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (EventSender(sender), receiver)
}

impl EventSender {
    pub(super) async fn send(&self, event: LoopEvent) {
        if self.0.send(event).await.is_err() {
            tracing::debug!("The loop has ended.");
        }
    }

    pub(super) async fn machine(&self, event: Event) {
        self.send(LoopEvent::Machine(event)).await;
    }
}

/// Waits until a deadline; for ever when there is none.
pub(super) async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
