//! Waits for the end of survivors: the processes that a crashed child has left.

use std::time::Duration;

use nix::unistd::Pid;

use super::event::EventSender;
use crate::supervise::machine::event::Event;
use crate::supervise::machine::identity::ChildId;
use crate::sys::process;

/// Pause between two polls whether a process group still has members. Survivors are not always the launcher's own
/// children, so there may be no SIGCHLD for their end.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Sends an event when a process group has no member left.
pub(super) async fn wait(id: ChildId, group: Pid, events: EventSender) {
    while process::group_exists(group) {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    events.machine(Event::SurvivorsGone(id)).await;
}
