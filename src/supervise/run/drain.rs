//! The end of a child's connections: waits until its clients have gone, and takes no new ones.

use nix::unistd::Pid;

use super::event::{EventSender, LoopEvent};
use crate::supervise::child::ChildPlan;
use crate::supervise::machine::event::Event;
use crate::supervise::machine::identity::ChildId;
use crate::supervise::machine::reload::LAST_CONNECTIONS;
use crate::supervise::program::Program;
use crate::sys::socket_filter;

/// Makes a child close its clients' connections.
pub(super) fn begin(plan: &ChildPlan) {
    if let Program::Proxy(proxy) = &plan.program
        && let Err(error) = proxy.begin_drain()
    {
        // Only clients that reuse a connection at that very moment are worse off.
        tracing::warn!(child = plan.name, %error, "Cannot tell clients to close their connections.");
    }
}

/// Ends the draining of survivors. Their successor tests the same file, and would close its connections after each
/// answer as long as the file exists.
pub(super) fn end(plan: &ChildPlan) {
    if let Program::Proxy(proxy) = &plan.program
        && let Err(error) = proxy.end_drain()
    {
        tracing::warn!(child = plan.name, %error, "Cannot end the draining: connections are closed after each answer.");
    }
}

/// Waits until no client is connected any more.
pub(super) async fn wait(id: ChildId, pid: Pid, program: Program, events: EventSender) {
    if let Program::Proxy(proxy) = program
        && proxy.drained().await
    {
        events.machine(Event::Drained(id, pid)).await;
    }
}

/// Closes the launcher's copies of a proxy's sockets, after a filter that refuses new connections was attached to each:
/// the proxy accepts those that had begun to connect, and no others. A socket that is closed resets every connection that
/// waits in it.
pub(super) fn refuse_new_connections(plan: &mut ChildPlan) {
    for socket in plan.sockets.list.drain(..) {
        if let Err(error) = socket_filter::drop_new_connections(&socket) {
            tracing::debug!(%error, "Clients that connect at this very moment may be reset.");
        }
    }
}

/// Gives a proxy the time to accept what had begun to connect.
pub(super) async fn accept_last_connections(id: ChildId, pid: Pid, events: EventSender) {
    tokio::time::sleep(LAST_CONNECTIONS).await;
    events
        .send(LoopEvent::LastConnectionsAccepted(id, pid))
        .await;
}
