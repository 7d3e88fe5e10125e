//! The state machine's answer to crashes: start again, later each time, and give up when it is no use.
#![forbid(unsafe_code)]
#![deny(clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use super::Uptime;
use super::backoff::Verdict;
use super::child::Role;
use super::state::{
    Action, Child, ChildId, Life, Note, Outcome, Pace, Phase, ReloadOutcome, State,
};
use super::supervisor::Supervisor;
use crate::sys::reap::Exit;

/// A child that cannot be started is tried again after this time at the earliest.
const SPAWN_AGAIN: Duration = Duration::from_millis(100);

impl Supervisor {
    pub(super) fn crashed(
        &mut self,
        id: ChildId,
        exit: Exit,
        now: Uptime,
        actions: &mut Vec<Action>,
    ) {
        let random = self.random();
        let child = &mut self.children[id];
        let healthy = if let State::Running { since, .. } = child.state {
            Some(now.since(since))
        } else {
            None
        };
        match child.backoff.crashed(now, healthy, random) {
            Verdict::Restart(wait) => {
                child.restarts += 1;
                child.state = State::Backoff {
                    until: now.after(wait),
                };
                actions.push(Action::Note(if child.given_up {
                    Note::Restarts(id, wait)
                } else {
                    Note::Crashed(id, exit, wait)
                }));
                self.start_again(now, actions);
            }
            Verdict::GiveUp => {
                child.state = State::Ended;
                self.begin_stop(Outcome::CrashedTooOften(id, exit), now, actions);
            }
        }
    }

    pub(super) fn spawn_failed(
        &mut self,
        id: ChildId,
        code: u8,
        now: Uptime,
        actions: &mut Vec<Action>,
    ) {
        let random = self.random();
        let child = &mut self.children[id];
        child.state = State::Ended;
        match child.life {
            Life::Candidate { .. } | Life::Canary => {
                self.roll_back(ReloadOutcome::CannotRun(id), now, actions);
            }
            // Its generation has been given up already.
            Life::Retiring { .. } => {}
            // What ran before will run again: processes or memory are short, and the machine may recover.
            Life::Serving if child.ever_ready => match child.backoff.crashed(now, None, random) {
                Verdict::Restart(wait) => {
                    let until = now.after(wait.max(SPAWN_AGAIN));
                    child.state = State::Backoff { until };
                }
                Verdict::GiveUp => self.begin_stop(Outcome::CannotRun(id, code), now, actions),
            },
            Life::Serving => self.begin_stop(Outcome::CannotRun(id, code), now, actions),
        }
    }

    /// Starts what has waited long enough. A crash while the service stops is restarted only for the application, and
    /// only while a proxy still has requests for it.
    pub(super) fn start_again(&mut self, now: Uptime, actions: &mut Vec<Action>) {
        let proxy_serves = self.proxy_serves();
        for (id, child) in self.children.iter_mut().enumerate() {
            let State::Backoff { until } = child.state else {
                continue;
            };
            let wanted = match self.phase {
                Phase::Starting { .. } | Phase::Serving => true,
                Phase::Stopping { pace, .. } => {
                    pace == Pace::Graceful && child.role == Role::Application && proxy_serves
                }
                Phase::Done(_) => false,
            };
            if !wanted {
                child.state = State::Ended;
            } else if now >= until {
                child.state = State::Idle;
                actions.push(Action::Spawn(id));
            }
        }
    }

    /// A number in 0..1 (xorshift; Marsaglia 2003). Good enough to keep containers from restarting in step.
    fn random(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let bits = u32::try_from(self.random >> 32).unwrap_or(0);
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }

    /// When a child that crashed must be ready again. The first start has a deadline of its own, a candidate has its
    /// reload's.
    pub(super) fn restart_deadline(&self, child: &Child) -> Option<Uptime> {
        let State::Starting { since, .. } = child.state else {
            return None;
        };
        let again = child.life == Life::Serving && child.ever_ready && !child.given_up;
        again.then(|| since.after(self.patience))
    }

    /// Kills what crashed and does not become ready again; its end is one more crash.
    pub(super) fn give_up_restarts(&mut self, now: Uptime, actions: &mut Vec<Action>) {
        for id in 0..self.children.len() {
            let due = self
                .restart_deadline(&self.children[id])
                .is_some_and(|deadline| now >= deadline);
            if let (true, Some(pid)) = (due, self.children[id].state.pid()) {
                self.children[id].given_up = true;
                actions.push(Action::Note(Note::NotReadyAgain(id)));
                actions.push(Action::Kill(id, pid));
            }
        }
    }
}

#[cfg(test)]
#[path = "crashing_tests.rs"]
mod tests;
