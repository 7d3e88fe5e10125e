//! What a crashed child has left and what still serves: a child of its own, with the process group in place of a process,
//! that retires like an old generation once somebody else serves, and that a stop waits for like for any other.
#![forbid(unsafe_code)]

use nix::unistd::Pid;

use super::Uptime;
use super::child::Orphans;
use super::state::{Action, Child, ChildId, Life, State};
use super::supervisor::Supervisor;
use crate::sys::reap::Exit;

impl Child {
    /// Whether what is left of its process group serves on after such an end. One that ends as it was asked to leaves
    /// nobody.
    pub(super) fn leaves_orphans(&self, exit: Exit) -> bool {
        let crashed = match self.state {
            State::Starting { .. } | State::Running { .. } => true,
            State::Draining { .. } | State::Stopping { .. } => matches!(exit, Exit::Signal(_)),
            State::Idle | State::Killing { .. } | State::Backoff { .. } | State::Ended => false,
        };
        crashed && self.orphans == Orphans::Finish
    }
}

impl Supervisor {
    pub(super) fn adopt_orphans(
        &mut self,
        of: ChildId,
        group: Pid,
        now: Uptime,
        actions: &mut Vec<Action>,
    ) {
        let crashed = &self.children[of];
        let orphans = Child {
            life: Life::Retiring { kill_at: None },
            state: State::Running {
                pid: group,
                since: now,
            },
            ever_ready: true,
            orphans_of: Some(of),
            ..Child::new(crashed.role, crashed.stop.clone(), Orphans::Kill)
        };
        actions.push(Action::Adopt {
            orphans: self.children.len(),
            of,
            group,
        });
        self.children.push(orphans);
    }

    /// Somebody else serves in the place of a child: what it has left may finish.
    pub(super) fn retire_orphans(&mut self, of: ChildId, now: Uptime, actions: &mut Vec<Action>) {
        for id in 0..self.children.len() {
            let child = &self.children[id];
            if child.orphans_of == Some(of) && matches!(child.state, State::Running { .. }) {
                self.retire(id, now, actions);
            }
        }
    }

    /// A child has gone for good. Its files are those of its orphans too, so they stay until the last of them has gone.
    pub(super) fn forget(&self, id: ChildId, actions: &mut Vec<Action>) {
        let orphaned = |child: &Child| child.orphans_of == Some(id) && child.state != State::Ended;
        if self.children.iter().any(orphaned) {
            return;
        }
        actions.push(Action::Forget(id));
        if let Some(of) = self.children[id].orphans_of {
            let parent = &self.children[of];
            if parent.state == State::Ended && matches!(parent.life, Life::Retiring { .. }) {
                self.forget(of, actions);
            }
        }
    }
}
