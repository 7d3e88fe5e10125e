//! How the loop lets a child finish: the drain, the last connections, the graceful signal.

use nix::unistd::Pid;

use super::runner::Runner;
use crate::supervise::machine::child::Child;
use crate::supervise::machine::identity::ChildId;
use crate::supervise::machine::state::{ChildState, Phase};
use crate::supervise::program::Program;

impl Runner {
    /// The kernel and a shell may both say that the terminal has gone, and that is not a second request to stop.
    pub(super) fn hung_up(&mut self) {
        if !matches!(self.machine.phase(), Phase::Stopping { .. }) {
            tracing::info!("The terminal has gone (SIGHUP): the service stops.");
            self.request_stop();
        }
    }

    /// Makes a child finish its requests while its successor serves.
    pub(super) fn retire(&mut self, id: ChildId, pid: Pid) {
        let Some(child) = self.machine.child(id) else {
            return;
        };
        let program = self.children.program(id);
        if let (true, Some(application)) =
            (child.was_replaced(), program.and_then(Program::application))
        {
            self.workers.reload(application.processes());
        }
        self.children.retire(id, pid, child.has_been_ready());
    }

    pub(super) fn drain(&mut self, id: ChildId) {
        if let Some(child) = self.machine.child(id) {
            let pid = child.state().pid();
            self.children
                .drain(id, pid.filter(|_| child.survivors_of().is_none()));
        }
    }

    /// Sends the graceful signal. During a stop, a proxy first accepts the connections that clients have begun: at the
    /// signal it closes its sockets, and closing a socket resets every connection in its queue.
    pub(super) fn stop_gracefully(&mut self, id: ChildId, pid: Pid) {
        let Some(child) = self.machine.child(id) else {
            return;
        };
        let state_of = |id| self.machine.child(id).map(Child::state);
        let of = child.survivors_of();
        // The plan of survivors has no sockets: they use those of the crashed child, unless it was started again.
        let holder = of.filter(|of| state_of(*of).is_some_and(|state| state.pid().is_none()));
        if matches!(self.machine.phase(), Phase::Stopping { .. })
            && self
                .children
                .accept_last_connections(id, pid, holder.unwrap_or(id))
        {
            return;
        }
        self.children.signal_gracefully(id, pid);
        let successor = of.and_then(state_of);
        if matches!(successor, Some(ChildState::Running { .. })) {
            self.children.end_drain(id);
        }
    }

    pub(super) fn last_connections_accepted(&self, id: ChildId, pid: Pid) {
        let child = self.machine.child(id);
        if child.is_some_and(|child| child.state().pid() == Some(pid)) {
            self.children.signal_gracefully(id, pid);
        }
    }
}
