//! Events of the loop's own tasks, and deadlines. Signals and commands have channels of their own.

use std::time::Instant;

use nix::unistd::Pid;
use tokio::sync::mpsc;

use crate::supervise::generation::Made;
use crate::supervise::machine::event::Event;
use crate::supervise::machine::identity::ChildId;
use crate::supervise::machine::outcome::NotMade;
use crate::supervise::program::WatchdogFinding;

/// Capacity of the event channel; tasks wait when it is full.
const QUEUE: usize = 64;

/// An event of the loop.
pub(super) enum LoopEvent {
    /// An event for the machine.
    Machine(Event),
    /// A proxy whose sockets refuse new connections has accepted those that clients had begun.
    LastConnectionsAccepted(ChildId, Pid),
    /// A finding of the watchdog of this process.
    Found(ChildId, Pid, WatchdogFinding),
    /// The next generation was made, or could not be.
    Made(Box<Result<Made, NotMade>>),
}

/// The tasks' end of the event channel.
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
            tracing::debug!("An event was dropped, because the loop has ended.");
        }
    }

    pub(super) async fn machine(&self, event: Event) {
        self.send(LoopEvent::Machine(event)).await;
    }
}

/// The next message of a channel; for ever none when there is no channel or it is closed.
pub(super) async fn next_of<T>(channel: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    match channel {
        Some(channel) => channel.recv().await,
        None => None,
    }
}

/// Waits until a deadline; for ever when there is none.
pub(super) async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
