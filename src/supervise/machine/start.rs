//! Events of a child's start (started, not started, not ready, ready), and of one that is hung.

use nix::unistd::Pid;

use super::Machine;
use super::action::{Action, Notice};
use super::backoff::AfterCrash;
use super::child::{Child, GivenUp, Purpose, SurvivorPolicy};
use super::crash::SPAWN_PAUSE;
use super::identity::ChildId;
use super::outcome::{Outcome, Rollback};
use super::state::{ChildState, Phase};
use crate::sys::process::SpawnFailure;

impl Machine {
    pub(super) fn start(&mut self) {
        for id in self.children.ids(|_| true) {
            self.act(Action::Spawn(id));
        }
    }

    pub(super) fn spawned(&mut self, id: ChildId, pid: Pid) {
        let state = self.children.get(id).map(Child::state);
        match state {
            Some(ChildState::Idle) => {
                self.transition(id, ChildState::Starting { pid });
                if let Some(child) = self.children.get_mut(id) {
                    child.given_up = None;
                }
            }
            // Its generation was given up in the meantime, because another child of it could not be started.
            Some(ChildState::Ended) => {
                self.transition(id, ChildState::Killing { pid });
                self.act(Action::Kill(id, pid));
            }
            None => self.act(Action::Kill(id, pid)),
            Some(
                ChildState::Starting { .. }
                | ChildState::Running { .. }
                | ChildState::Draining { .. }
                | ChildState::Stopping { .. }
                | ChildState::Killing { .. }
                | ChildState::Backoff { .. },
            ) => debug_assert!(false, "{id:?} was started in the state {state:?}"),
        }
    }

    pub(super) fn spawn_failed(&mut self, id: ChildId, failure: SpawnFailure) {
        let random = self.random();
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        if child.state() != ChildState::Idle {
            // Its start was cancelled in the meantime.
            return;
        }
        let label = child.label();
        match child.purpose() {
            Purpose::Candidate { .. } | Purpose::Canary => {
                self.transition(id, ChildState::Ended);
                self.roll_back(Rollback::CannotRun(label));
            }
            // Its generation was given up already.
            Purpose::Retiring { .. } => self.transition(id, ChildState::Ended),
            // It has run before, so the failure is probably temporary: the system is short of processes or memory.
            Purpose::Serving if child.ever_ready => {
                match child.backoff.crashed(self.now, None, random) {
                    AfterCrash::Restart(wait) => {
                        let until = self.now.after(wait.max(SPAWN_PAUSE));
                        self.transition(id, ChildState::Backoff { until });
                    }
                    AfterCrash::GiveUp => {
                        self.transition(id, ChildState::Ended);
                        self.begin_stop(Outcome::CannotRun(label, failure));
                    }
                }
            }
            Purpose::Serving => {
                self.transition(id, ChildState::Ended);
                self.begin_stop(Outcome::CannotRun(label, failure));
            }
        }
    }

    pub(super) fn not_ready(&mut self, id: ChildId, pid: Pid, reason: String) {
        if let Some(child) = self.children.get_mut(id)
            && child.state() == (ChildState::Starting { pid })
        {
            child.not_ready = Some(reason);
        }
    }

    pub(super) fn ready(&mut self, id: ChildId, pid: Pid) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        if child.state() != (ChildState::Starting { pid }) {
            // A late event of a process that has ended.
            return;
        }
        if child.purpose() == Purpose::Canary {
            self.canary_ready(id);
            return;
        }
        let (label, took) = (child.label(), self.now.since(child.since()));
        child.ever_ready = true;
        self.transition(id, ChildState::Running { pid });
        self.retire_survivors(id);
        self.act(Action::Announce(Notice::ChildReady(label, took)));
        self.switch_when_ready();
        if self.all_serve() && matches!(self.phase, Phase::Starting { .. }) {
            self.phase = Phase::Serving;
            self.act(Action::Announce(Notice::ServiceReady(self.now.0)));
        }
    }

    /// Replaces the main process of a damaged child, as after a crash and as often as its budget allows; its other processes
    /// finish their requests. A child that does not serve is left alone: it is found again when it does.
    pub(super) fn damaged(&mut self, id: ChildId, pid: Pid) {
        let now = self.now;
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        let replaceable = child.serves() && child.spec.survivors == SurvivorPolicy::Finish;
        if replaceable
            && child.state() == (ChildState::Running { pid })
            && child.given_up.is_none()
            && child.replacements.take(now)
        {
            child.given_up = Some(GivenUp::Damaged);
            let label = child.label();
            self.act(Action::Announce(Notice::Replacing(label)));
            self.act(Action::KillMain(id, pid));
        }
    }

    /// Kills a hung child, as often as its budget allows; then it is left alone, because killing it does not help.
    pub(super) fn hung(&mut self, id: ChildId, pid: Pid) {
        let now = self.now;
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        if child.state() != (ChildState::Running { pid }) {
            return;
        }
        let label = child.label();
        if child.watchdog_kills.take(now) {
            child.given_up = Some(GivenUp::Hung);
            self.act(Action::Announce(Notice::HungKilled(label)));
            self.act(Action::Kill(id, pid));
        } else {
            self.act(Action::Announce(Notice::HungLeft(label)));
        }
    }

    /// Gives up a start that has taken too long.
    pub(super) fn start_overdue(&mut self) {
        let Phase::Starting { deadline } = self.phase else {
            return;
        };
        if self.now < deadline {
            return;
        }
        let late = self.children.all().find(|child| !child.is_running());
        match late.map(|child| Outcome::NotReady(child.label(), child.not_ready.clone())) {
            Some(outcome) => self.begin_stop(outcome),
            None => self.phase = Phase::Serving,
        }
    }
}
