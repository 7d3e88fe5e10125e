//! Exits and crashes: a crashed child is restarted with a growing delay, until its restart budget is spent.

use std::time::Duration;

use nix::unistd::Pid;

use super::Machine;
use super::action::{Action, Notice};
use super::backoff::AfterCrash;
use super::child::{Child, GivenUp};
use super::identity::{ChildId, Role};
use super::outcome::{Outcome, Rollback};
use super::state::{ChildState, Phase, Urgency};
use crate::supervise::uptime::Uptime;
use crate::sys::reap::Exit;

/// Minimum delay before a start that has failed is tried again.
pub(super) const SPAWN_PAUSE: Duration = Duration::from_millis(100);

impl Machine {
    pub(super) fn exited(&mut self, pid: Pid, exit: Exit) {
        let Some((id, child)) = self.children.with_pid(pid) else {
            return;
        };
        let leaves_survivors = child.leaves_survivors(exit);
        let (serves, is_new) = (child.serves(), child.is_new());
        let label = child.label();
        if leaves_survivors {
            self.adopt_survivors(id, pid);
        }
        if let Some(child) = self.children.get_mut(id) {
            child.last_exit = Some(exit);
        }
        if serves {
            self.serving_child_exited(id, exit);
        } else {
            self.transition(id, ChildState::Ended);
            if is_new {
                self.roll_back(Rollback::Exited(label, exit));
            } else {
                self.forget(id);
            }
        }
        let has_ended = self
            .children
            .get(id)
            .is_none_or(|child| child.state() == ChildState::Ended);
        if leaves_survivors && has_ended {
            // There will be no successor to wait for.
            self.retire_survivors(id);
        }
    }

    fn serving_child_exited(&mut self, id: ChildId, exit: Exit) {
        let Some(child) = self.children.get(id) else {
            return;
        };
        match child.state() {
            ChildState::Draining { .. }
            | ChildState::Stopping { .. }
            | ChildState::Killing { .. } => self.transition(id, ChildState::Ended),
            ChildState::Starting { .. } if !child.ever_ready => {
                let outcome = Outcome::FailedToStart(child.label(), exit);
                self.transition(id, ChildState::Ended);
                self.begin_stop(outcome);
            }
            // Also during a stop: the proxy needs the application until it has finished its requests.
            ChildState::Starting { .. } | ChildState::Running { .. } => self.crashed(id, exit),
            ChildState::Idle | ChildState::Backoff { .. } | ChildState::Ended => {}
        }
    }

    fn crashed(&mut self, id: ChildId, exit: Exit) {
        let random = self.random();
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        let healthy = child.is_running().then(|| self.now.since(child.since()));
        let next = match child.given_up {
            Some(GivenUp::Hung | GivenUp::Damaged) => AfterCrash::Restart(Duration::ZERO),
            Some(GivenUp::NotReady) | None => child.backoff.crashed(self.now, healthy, random),
        };
        match next {
            AfterCrash::Restart(wait) => {
                child.restarts += 1;
                let notice = if child.given_up.is_some() {
                    Notice::Restarting(child.label(), wait)
                } else {
                    Notice::Crashed(child.label(), exit, wait)
                };
                let until = self.now.after(wait);
                self.transition(id, ChildState::Backoff { until });
                self.act(Action::Announce(notice));
                self.restarts_due();
            }
            AfterCrash::GiveUp => {
                let outcome = Outcome::CrashedTooOften(child.label(), exit);
                self.transition(id, ChildState::Ended);
                self.begin_stop(outcome);
            }
        }
    }

    /// Starts children whose delay is over. During a stop only the application is restarted, and only while a proxy may
    /// still have requests for it.
    pub(super) fn restarts_due(&mut self) {
        let proxy_serves = self.proxy_serves();
        for id in self
            .children
            .ids(|child| matches!(child.state(), ChildState::Backoff { .. }))
        {
            let Some(child) = self.children.get(id) else {
                continue;
            };
            let wanted = match self.phase {
                Phase::Starting { .. } | Phase::Serving => true,
                Phase::Stopping { urgency, .. } => {
                    urgency == Urgency::Graceful
                        && child.label().role == Role::Application
                        && proxy_serves
                }
                Phase::Done(_) => false,
            };
            let due = matches!(child.state(), ChildState::Backoff { until } if self.now >= until);
            if !wanted {
                self.transition(id, ChildState::Ended);
            } else if due {
                self.transition(id, ChildState::Idle);
                self.act(Action::Spawn(id));
            }
        }
    }

    /// When a restarted child must be ready. The first start and a reload have deadlines of their own.
    pub(super) fn restart_deadline(&self, child: &Child) -> Option<Uptime> {
        let starting = matches!(child.state(), ChildState::Starting { .. });
        let again = child.serves() && child.ever_ready && child.given_up.is_none();
        (starting && again).then(|| child.since().after(self.start_timeout))
    }

    /// Kills restarted children that are not ready in time; their exit counts as one more crash.
    pub(super) fn restarts_overdue(&mut self) {
        let overdue = self.children.ids(|child| {
            self.restart_deadline(child)
                .is_some_and(|deadline| self.now >= deadline)
        });
        for id in overdue {
            if let Some(child) = self.children.get_mut(id)
                && let Some(pid) = child.state().pid()
            {
                child.given_up = Some(GivenUp::NotReady);
                let label = child.label();
                self.act(Action::Announce(Notice::RestartTimedOut(label)));
                self.act(Action::Kill(id, pid));
            }
        }
    }

    /// A number in 0..1 (xorshift; Marsaglia 2003). Good enough to keep containers from restarting in step.
    pub(super) fn random(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let bits = u32::try_from(self.random >> 32).unwrap_or(0);
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }
}
