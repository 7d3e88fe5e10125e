//! Drains a child before its stop signal. The client connections of a proxy are closed, and new ones are refused; an
//! application finishes its requests, those whose clients have left and what runs after a response included.

use std::rc::Rc;
use std::time::Duration;

use nix::unistd::Pid;

use super::event::{EventSender, LoopEvent};
use crate::supervise::child::ChildPlan;
use crate::supervise::machine::event::Event;
use crate::supervise::machine::identity::ChildId;
use crate::supervise::machine::reload::LAST_CONNECTIONS;
use crate::supervise::program::{Application, Program};
use crate::sys::socket_filter;

/// Interval between two looks at an application that retires.
const LOOK: Duration = Duration::from_secs(3);

/// Makes a proxy close each connection after the next response, and an application take no further request.
pub(super) fn begin(plan: &ChildPlan) {
    match &plan.program {
        // Only clients that reuse a connection at the moment at which it is closed get an error.
        Program::Proxy(proxy) => {
            if let Err(error) = proxy.begin_drain() {
                tracing::warn!(child = plan.name, %error, "Cannot begin the drain: clients that reuse a connection during the stop may be reset.");
            }
        }
        // Its requests are waited for all the same.
        Program::Application(application) => {
            if let Err(error) = application.retire() {
                tracing::warn!(child = plan.name, %error, "Cannot tell the application to take no further requests: those whose clients have left may delay the stop.");
            }
        }
    }
}

/// Makes an application end the connections that clients hold open, which no drain would wait for.
pub(super) fn end_open_connections(plan: &ChildPlan) {
    if let Program::Application(application) = &plan.program
        && let Err(error) = application.end_open_connections()
    {
        tracing::warn!(child = plan.name, %error, "Cannot tell the application to close its WebSockets: the stop waits for them until its time is up.");
    }
}

/// Looks at an application that retires, until the task is aborted: the status tells which requests it still has, and nobody
/// may take its WebSockets for slow clients.
pub(super) async fn look(application: Rc<dyn Application>) {
    loop {
        application.look().await;
        // The interval between two looks. A uWSGI that finishes may not answer, and says so each time.
        tokio::time::sleep(LOOK).await;
    }
}

/// Ends the drain of survivors. Their successor checks the same file, and would close its connections after each
/// response as long as the file exists.
pub(super) fn end(plan: &ChildPlan) {
    if let Program::Proxy(proxy) = &plan.program
        && let Err(error) = proxy.end_drain()
    {
        tracing::warn!(child = plan.name, %error, "Cannot end the drain: connections are closed after each response.");
    }
}

/// Sends an event when a proxy has no client any more, and an application no request; none when a proxy cannot be
/// polled.
pub(super) async fn wait(id: ChildId, pid: Pid, program: Program, events: EventSender) {
    let drained = match program {
        Program::Proxy(proxy) => proxy.drained().await,
        Program::Application(application) => {
            application.finished().await;
            true
        }
    };
    if drained {
        events.machine(Event::Drained(id, pid)).await;
    }
}

/// Attaches a connection filter that drops new connections to each of a proxy's sockets, then closes the launcher's
/// copies: the proxy accepts the connections that clients have begun, and no others. Closing a socket resets every
/// connection in its queue.
pub(super) fn refuse_new_connections(plan: &mut ChildPlan) {
    for socket in plan.sockets.list.drain(..) {
        if let Err(error) = socket_filter::drop_new_connections(&socket) {
            tracing::debug!(%error, "Cannot attach the connection filter: clients that connect at this moment may be reset.");
        }
    }
}

/// Sends an event after the time in which a proxy accepts the connections that clients have begun.
pub(super) async fn accept_last_connections(id: ChildId, pid: Pid, events: EventSender) {
    tokio::time::sleep(LAST_CONNECTIONS).await;
    events
        .send(LoopEvent::LastConnectionsAccepted(id, pid))
        .await;
}
