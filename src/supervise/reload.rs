//! Reload, blue/green: a new generation starts beside the old one, on the same sockets; once all of it is ready, the old
//! one finishes what it does. Whatever fails on the way ends the new generation and leaves the old one as it is.
//!
//! uWSGI's own reload with an application that does not load is a total outage, and nginx's resets busy keep-alive
//! connections; so neither is used.
#![forbid(unsafe_code)]
#![deny(clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use nix::unistd::Pid;

use super::Uptime;
use super::child::Retire;
use super::state::{Action, Child, ChildId, Life, Note, Phase, ReloadOutcome, State};
use super::stopping::begin_to_stop;
use super::supervisor::Supervisor;
use crate::sys::reap::Exit;

impl Child {
    /// When a retiring child is killed.
    pub(super) fn kill_at(&self) -> Option<Uptime> {
        let over = matches!(self.state, State::Ended | State::Killing { .. });
        match self.life {
            Life::Retiring { kill_at } if !over => kill_at,
            Life::Serving | Life::Canary | Life::Candidate { .. } | Life::Retiring { .. } => None,
        }
    }
}

impl Supervisor {
    /// Whether a reload is under way.
    pub fn is_reloading(&self) -> bool {
        self.reload_deadline.is_some() || self.settling
    }

    /// Adds the children of a new generation, each with the one that it replaces; their ids follow the last one. With
    /// a canary, the first of them, the others wait until it was ready. They have `patience` to become ready.
    pub fn begin_reload(
        &mut self,
        canary: Option<Child>,
        candidates: Vec<(Child, ChildId)>,
        patience: Duration,
        now: Uptime,
    ) -> Vec<Action> {
        let first = self.children.len();
        self.children.extend(canary.map(|canary| Child {
            life: Life::Canary,
            ..canary
        }));
        let tried = self.children.len() > first;
        for (child, replaces) in candidates {
            self.children.push(Child {
                life: Life::Candidate { replaces },
                ..child
            });
        }
        self.patience = patience;
        self.reload_deadline = Some(now.after(patience));
        let last = if tried {
            first + 1
        } else {
            self.children.len()
        };
        (first..last).map(Action::Spawn).collect()
    }

    /// A canary that was ready has done its duty: the others of its generation are started.
    pub(super) fn canary_ready(
        &mut self,
        id: ChildId,
        pid: Pid,
        now: Uptime,
        actions: &mut Vec<Action>,
    ) {
        let canary = &mut self.children[id];
        canary.life = Life::Retiring { kill_at: None };
        canary.state = State::Killing { pid };
        actions.push(Action::Kill(id, pid));
        self.reload_deadline = Some(now.after(self.patience));
        actions.extend(self.candidates().into_iter().map(Action::Spawn));
    }

    /// The child that serves in a role's place: the one that a reload replaces.
    pub fn serving(&self, like: impl Fn(&Child) -> bool) -> Option<ChildId> {
        self.children
            .iter()
            .position(|child| child.life == Life::Serving && like(child))
    }

    /// Once every candidate is ready, they take over.
    pub(super) fn commit_when_ready(&mut self, now: Uptime, actions: &mut Vec<Action>) {
        let candidates = self.candidates();
        let ready = candidates
            .iter()
            .all(|id| matches!(self.children[*id].state, State::Running { .. }));
        if self.reload_deadline.is_none() || candidates.is_empty() || !ready {
            return;
        }
        self.reload_deadline = None;
        for id in candidates {
            let Life::Candidate { replaces } = self.children[id].life else {
                continue;
            };
            self.children[id].life = Life::Serving;
            self.children[id].restarts = self.children[replaces].restarts;
            self.retire(replaces, now, actions);
            self.retire_orphans(replaces, now, actions);
        }
        self.settling = true;
    }

    /// A reload is done once nobody of the old generation takes requests any more.
    pub(super) fn settle(&mut self, actions: &mut Vec<Action>) {
        let taking = |child: &Child| {
            matches!(child.life, Life::Retiring { .. })
                && matches!(child.state, State::Draining { .. })
        };
        if self.settling && !self.children.iter().any(taking) {
            self.settling = false;
            actions.push(Action::ReloadEnded(ReloadOutcome::Done));
        }
    }

    fn candidates(&self) -> Vec<ChildId> {
        let candidate = |child: &Child| matches!(child.life, Life::Candidate { .. });
        (0..self.children.len())
            .filter(|id| candidate(&self.children[*id]) && self.children[*id].state != State::Ended)
            .collect()
    }

    pub(super) fn retire(&mut self, id: ChildId, now: Uptime, actions: &mut Vec<Action>) {
        let stop_timeout = self.stop_timeout;
        let child = &mut self.children[id];
        let candidate = matches!(child.life, Life::Candidate { .. });
        // One that has not become ready may never hear that it is to finish.
        let limit = child
            .stop
            .retire_limit
            .or(candidate.then_some(stop_timeout));
        let kill_at = limit.map(|limit| now.after(limit));
        child.life = Life::Retiring { kill_at };
        match (child.state, &child.stop.retire) {
            // A candidate takes requests from the common socket before all of it is ready.
            (State::Starting { pid, .. }, Retire::Command(..)) if candidate => {
                finish(id, child, pid, actions);
            }
            (State::Running { pid, .. }, Retire::Command(..)) => finish(id, child, pid, actions),
            (
                State::Idle
                | State::Starting { .. }
                | State::Running { .. }
                | State::Draining { .. }
                | State::Stopping { .. }
                | State::Killing { .. }
                | State::Backoff { .. }
                | State::Ended,
                _,
            ) => begin_to_stop(id, child, now, actions),
        }
        if self.children[id].state == State::Ended {
            self.forget(id, actions);
        }
    }

    /// Ends the new generation; nothing happens when there is none.
    pub(super) fn roll_back(
        &mut self,
        outcome: ReloadOutcome,
        now: Uptime,
        actions: &mut Vec<Action>,
    ) {
        if self.reload_deadline.take().is_none() {
            return;
        }
        for id in 0..self.children.len() {
            if matches!(
                self.children[id].life,
                Life::Candidate { .. } | Life::Canary
            ) {
                self.retire(id, now, actions);
            }
        }
        actions.push(Action::ReloadEnded(outcome));
    }

    /// A child that is not one of the serving ones has ended.
    pub(super) fn extra_exited(
        &mut self,
        id: ChildId,
        exit: Exit,
        now: Uptime,
        actions: &mut Vec<Action>,
    ) {
        self.children[id].state = State::Ended;
        if matches!(
            self.children[id].life,
            Life::Candidate { .. } | Life::Canary
        ) {
            self.roll_back(ReloadOutcome::Exited(id, exit), now, actions);
        } else {
            self.forget(id, actions);
        }
    }

    /// Deadlines of a reload and of what retires.
    pub(super) fn extras_due(&mut self, now: Uptime, actions: &mut Vec<Action>) {
        if self.reload_deadline.is_some_and(|deadline| now >= deadline) {
            let late = self.children.iter().position(|child| {
                matches!(child.life, Life::Candidate { .. } | Life::Canary)
                    && !matches!(child.state, State::Running { .. } | State::Ended)
            });
            self.roll_back(ReloadOutcome::NotReady(late.unwrap_or(0)), now, actions);
        }
        for (id, child) in self.children.iter_mut().enumerate() {
            let due = child.kill_at().is_some_and(|at| now >= at);
            if let (true, Some(pid)) = (due, child.state.pid()) {
                child.state = State::Killing { pid };
                if matches!(self.phase, Phase::Starting { .. } | Phase::Serving) {
                    actions.push(Action::Note(Note::RetiredByForce(id)));
                }
                actions.push(Action::Kill(id, pid));
            }
        }
    }

    /// Sets what a reload changed of the service itself.
    pub fn set_stop_timeout(&mut self, stop_timeout: Duration) {
        self.stop_timeout = stop_timeout;
    }
}

fn finish(id: ChildId, child: &mut Child, pid: Pid, actions: &mut Vec<Action>) {
    child.state = State::Stopping {
        pid,
        again: None,
        asks: 1,
    };
    actions.push(Action::Retire(id, pid));
}

#[cfg(test)]
#[path = "reload_tests.rs"]
mod tests;
