//! The state machine: what happens next, decided from events and time alone.
#![forbid(unsafe_code)]
#![deny(clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use nix::unistd::Pid;

use super::Uptime;
use super::backoff::Verdict;
use super::child::{Orphans, Role};
use super::state::{
    Action, Child, ChildId, Event, Life, Note, Outcome, Pace, Phase, ReloadOutcome, State,
};
use super::stopping::ask_to_stop;
use crate::sys::reap::Exit;

/// All children and the service as a whole.
#[derive(Clone, Debug)]
pub struct Supervisor {
    /// The children, in the order of starting.
    pub children: Vec<Child>,
    /// The service.
    pub phase: Phase,
    /// When a reload that is under way has failed.
    pub(super) reload_deadline: Option<Uptime>,
    pub(super) patience: Duration,
    /// The new generation serves, and someone of the old one still takes requests.
    pub(super) settling: bool,
    pub(super) stop_timeout: Duration,
    pub(super) last_stop_asked: Option<Uptime>,
    random: u64,
}

impl Supervisor {
    /// Children that are to be started. `seed` makes the jitter of restarts.
    pub fn new(
        children: Vec<Child>,
        start_timeout: Duration,
        stop_timeout: Duration,
        seed: u64,
    ) -> Self {
        let deadline = Uptime::default().after(start_timeout);
        Self {
            children,
            phase: Phase::Starting { deadline },
            reload_deadline: None,
            patience: start_timeout,
            settling: false,
            stop_timeout,
            last_stop_asked: None,
            random: seed | 1,
        }
    }

    /// Whether every child serves and nothing is on the way out.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Serving && self.all_serve()
    }

    /// Whether every child that shall serve does.
    fn all_serve(&self) -> bool {
        self.children
            .iter()
            .filter(|child| child.life == Life::Serving)
            .all(|child| matches!(child.state, State::Running { .. }))
    }

    /// When [`Event::Timer`] is due.
    pub fn next_deadline(&self) -> Option<Uptime> {
        let of_phase = match self.phase {
            Phase::Stopping {
                pace: Pace::Kill, ..
            }
            | Phase::Serving
            | Phase::Done(_) => None,
            Phase::Starting { deadline } | Phase::Stopping { deadline, .. } => Some(deadline),
        };
        let of_retiring = self.children.iter().filter_map(Child::kill_at);
        let of_children = self.children.iter().filter_map(|child| match child.state {
            State::Backoff { until } | State::Draining { until, .. } => Some(until),
            State::Stopping { again, .. } => again,
            State::Idle
            | State::Starting { .. }
            | State::Running { .. }
            | State::Killing { .. }
            | State::Ended => None,
        });
        of_phase
            .into_iter()
            .chain(self.reload_deadline)
            .chain(of_retiring)
            .chain(of_children)
            .min()
    }

    /// Takes an event, gives what is to be done.
    pub fn on(&mut self, event: Event, now: Uptime) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Start => {
                for id in 0..self.children.len() {
                    actions.push(Action::Spawn(id));
                }
            }
            Event::Spawned(id, pid) => {
                self.children[id].state = State::Starting { pid, since: now }
            }
            Event::SpawnFailed(id, code) => self.spawn_failed(id, code, now, &mut actions),
            Event::Exited(pid, exit) => self.exited(pid, exit, now, &mut actions),
            Event::Ready(id, pid) => self.ready(id, pid, now, &mut actions),
            Event::Drained(id, pid) => {
                let child = &mut self.children[id];
                if matches!(child.state, State::Draining { pid: current, .. } if current == pid) {
                    ask_to_stop(id, child, pid, now, &mut actions);
                }
            }
            Event::Hung(id, pid) => {
                if matches!(self.children[id].state, State::Running { pid: current, .. } if current == pid)
                {
                    actions.push(Action::Note(Note::Hung(id)));
                    actions.push(Action::Kill(id, pid));
                }
            }
            Event::StopAsked => self.stop_asked(now, &mut actions),
            Event::Timer => self.timer(now, &mut actions),
        }
        self.settle(&mut actions);
        self.go_on_stopping(now, &mut actions);
        actions
    }

    fn ready(&mut self, id: ChildId, pid: Pid, now: Uptime, actions: &mut Vec<Action>) {
        let child = &mut self.children[id];
        let State::Starting {
            pid: current,
            since,
        } = child.state
        else {
            return;
        };
        if current != pid {
            return;
        }
        if child.life == Life::Canary {
            self.canary_ready(id, pid, now, actions);
            return;
        }
        child.state = State::Running { pid, since: now };
        child.ever_ready = true;
        if let Some(group) = child.left_behind.take() {
            actions.push(Action::FinishOrphans(id, group));
        }
        actions.push(Action::Note(Note::ChildReady(id, now.since(since))));
        self.commit_when_ready(now, actions);
        if self.all_serve() && matches!(self.phase, Phase::Starting { .. }) {
            self.phase = Phase::Serving;
            actions.push(Action::Note(Note::ServiceReady(now.0)));
        }
    }

    fn exited(&mut self, pid: Pid, exit: Exit, now: Uptime, actions: &mut Vec<Action>) {
        let Some(id) = self
            .children
            .iter()
            .position(|child| child.state.pid() == Some(pid))
        else {
            return;
        };
        self.children[id].last_exit = Some(exit);
        let stopping = matches!(self.phase, Phase::Stopping { .. } | Phase::Done(_));
        if self.children[id].life != Life::Serving {
            self.extra_exited(id, exit, now, actions);
            return;
        }
        match self.children[id].state {
            State::Draining { .. } | State::Stopping { .. } | State::Killing { .. } => {
                self.children[id].state = State::Ended;
            }
            State::Starting { .. } if !self.children[id].ever_ready => {
                self.children[id].state = State::Ended;
                if !stopping {
                    self.begin_stop(Outcome::FailedToStart(id, exit), now, actions);
                }
            }
            // While the proxy finishes its requests the application has to be there, so it is restarted even then.
            State::Starting { .. } | State::Running { .. } => {
                self.crashed(id, pid, exit, now, actions);
            }
            State::Idle | State::Backoff { .. } | State::Ended => {}
        }
    }

    fn crashed(
        &mut self,
        id: ChildId,
        pid: Pid,
        exit: Exit,
        now: Uptime,
        actions: &mut Vec<Action>,
    ) {
        let random = self.random();
        let child = &mut self.children[id];
        let healthy = match child.state {
            State::Running { since, .. } => Some(now.since(since)),
            State::Idle
            | State::Starting { .. }
            | State::Draining { .. }
            | State::Stopping { .. }
            | State::Killing { .. }
            | State::Backoff { .. }
            | State::Ended => None,
        };
        match child.orphans {
            Orphans::Kill => {}
            Orphans::Finish(_) => child.left_behind = child.left_behind.or(Some(pid)),
        }
        match child.backoff.crashed(now, healthy, random) {
            Verdict::Restart(wait) => {
                child.restarts += 1;
                child.state = State::Backoff {
                    until: now.after(wait),
                };
                actions.push(Action::Note(Note::Crashed(id, exit, wait)));
                self.restart_due(now, actions);
            }
            Verdict::GiveUp => {
                child.state = State::Ended;
                self.begin_stop(Outcome::CrashedTooOften(id, exit), now, actions);
            }
        }
    }

    fn spawn_failed(&mut self, id: ChildId, code: u8, now: Uptime, actions: &mut Vec<Action>) {
        self.children[id].state = State::Ended;
        if matches!(
            self.children[id].life,
            Life::Candidate { .. } | Life::Canary
        ) {
            self.roll_back(ReloadOutcome::CannotRun(id), now, actions);
        } else {
            self.begin_stop(Outcome::CannotRun(id, code), now, actions);
        }
    }

    fn timer(&mut self, now: Uptime, actions: &mut Vec<Action>) {
        match self.phase {
            Phase::Starting { deadline } if now >= deadline => {
                let late = self
                    .children
                    .iter()
                    .position(|child| !matches!(child.state, State::Running { .. }));
                self.begin_stop(Outcome::NotReady(late.unwrap_or(0)), now, actions);
            }
            Phase::Stopping { deadline, pace, .. } if now >= deadline && pace < Pace::Kill => {
                actions.push(Action::Note(Note::TimeIsUp));
                self.stop_faster(Pace::Kill, now, actions);
            }
            Phase::Starting { .. } | Phase::Serving | Phase::Stopping { .. } | Phase::Done(_) => {}
        }
        self.restart_due(now, actions);
        self.extras_due(now, actions);
        for (id, child) in self.children.iter_mut().enumerate() {
            match child.state {
                State::Draining { pid, until } if now >= until => {
                    ask_to_stop(id, child, pid, now, actions);
                }
                State::Stopping {
                    pid,
                    again: Some(due),
                    ..
                } if now >= due => ask_to_stop(id, child, pid, now, actions),
                State::Idle
                | State::Starting { .. }
                | State::Running { .. }
                | State::Draining { .. }
                | State::Stopping { .. }
                | State::Killing { .. }
                | State::Backoff { .. }
                | State::Ended => {}
            }
        }
    }

    /// Starts what has waited long enough. A crash while the service stops is restarted only for the application, and
    /// only while a proxy still has requests for it.
    fn restart_due(&mut self, now: Uptime, actions: &mut Vec<Action>) {
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
}

#[cfg(test)]
#[path = "supervisor_tests.rs"]
mod tests;
