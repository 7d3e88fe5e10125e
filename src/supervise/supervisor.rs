//! The state machine: what happens next, decided from events and time alone.
#![forbid(unsafe_code)]
#![deny(clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use nix::unistd::Pid;

use super::Uptime;
use super::state::{Action, Child, ChildId, Event, Life, Note, Outcome, Pace, Phase, State};
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
    pub(super) random: u64,
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
        let of_restarts = self
            .children
            .iter()
            .filter_map(|child| self.restart_deadline(child));
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
            .chain(of_restarts)
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
            Event::Spawned(id, pid) => self.spawned(id, pid, now, &mut actions),
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
                    self.children[id].given_up = true;
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

    fn spawned(&mut self, id: ChildId, pid: Pid, now: Uptime, actions: &mut Vec<Action>) {
        let child = &mut self.children[id];
        if child.state == State::Idle {
            child.state = State::Starting { pid, since: now };
            child.given_up = false;
        } else {
            // Another one of its generation could not be started meanwhile, so nobody wants it any more.
            child.state = State::Killing { pid };
            actions.push(Action::Kill(id, pid));
        }
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
        self.retire_orphans(id, now, actions);
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
        let leaves_orphans = self.children[id].leaves_orphans(exit);
        if leaves_orphans {
            self.adopt_orphans(id, pid, now, actions);
        }
        if self.children[id].life == Life::Serving {
            self.server_exited(id, exit, now, actions);
        } else {
            self.extra_exited(id, exit, now, actions);
        }
        if leaves_orphans && self.children[id].state == State::Ended {
            // Nobody comes after them.
            self.retire_orphans(id, now, actions);
        }
    }

    fn server_exited(&mut self, id: ChildId, exit: Exit, now: Uptime, actions: &mut Vec<Action>) {
        match self.children[id].state {
            State::Draining { .. } | State::Stopping { .. } | State::Killing { .. } => {
                self.children[id].state = State::Ended;
            }
            State::Starting { .. } if !self.children[id].ever_ready => {
                self.children[id].state = State::Ended;
                self.begin_stop(Outcome::FailedToStart(id, exit), now, actions);
            }
            // While the proxy finishes its requests the application has to be there, so it is restarted even then.
            State::Starting { .. } | State::Running { .. } => self.crashed(id, exit, now, actions),
            State::Idle | State::Backoff { .. } | State::Ended => {}
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
        self.start_again(now, actions);
        self.give_up_restarts(now, actions);
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
}

#[cfg(test)]
#[path = "supervisor_tests.rs"]
pub(super) mod tests;
