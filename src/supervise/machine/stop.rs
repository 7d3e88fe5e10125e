//! The stop of the service: the proxy first, so that no client waits for a response that cannot come, then the
//! application, within one time limit; each further request to stop makes it more urgent.

use std::time::Duration;

use nix::unistd::Pid;

use super::Machine;
use super::action::{Action, Notice};
use super::child::Child;
use super::identity::{ChildId, Role};
use super::outcome::{Outcome, Rollback};
use super::state::{ChildState, Phase, Urgency};
use super::stragglers;
use crate::supervise::uptime::Uptime;

/// What is left for exit handlers of the application after a second request to stop.
const FAST_STOP: Duration = Duration::from_secs(5);
/// Requests to stop within this time count as one: timeout(1), shells and process managers signal a process and its
/// group at the same time, and no operator sends a second signal that fast.
const SAME_REQUEST: Duration = Duration::from_millis(50);

impl Machine {
    pub(super) fn stop_requested(&mut self) {
        let again = |last: Uptime| self.now.since(last) < SAME_REQUEST;
        if self.last_stop_request.is_some_and(again) {
            return;
        }
        self.last_stop_request = Some(self.now);
        match self.phase {
            Phase::Starting { .. } | Phase::Serving => self.begin_stop(Outcome::Stopped),
            Phase::Stopping {
                urgency: Urgency::Graceful,
                ..
            } => {
                self.requested_again(Outcome::Cut);
                self.stop_fast();
            }
            Phase::Stopping { .. } => {
                self.requested_again(Outcome::Forced);
                self.kill_all();
            }
            Phase::Done(_) => {}
        }
    }

    /// Records that a more urgent stop was requested, so that the outcome is not a failure.
    fn requested_again(&mut self, how: Outcome) {
        if let Phase::Stopping {
            outcome: outcome @ (Outcome::Stopped | Outcome::Cut),
            ..
        } = &mut self.phase
        {
            *outcome = how;
        }
    }

    pub(super) fn begin_stop(&mut self, outcome: Outcome) {
        match self.phase {
            Phase::Stopping { .. } | Phase::Done(_) => return,
            Phase::Starting { .. } | Phase::Serving => {}
        }
        let requested = outcome == Outcome::Stopped;
        // After a start that has failed, no request is under way.
        let has_served = self.phase == Phase::Serving;
        self.phase = Phase::Stopping {
            deadline: self.now.after(self.stop_timeout),
            outcome,
            urgency: Urgency::Graceful,
        };
        if requested || has_served {
            self.act(Action::Announce(Notice::Stopping(Urgency::Graceful)));
        }
        self.roll_back(Rollback::Stopping);
        let never_served = self
            .children
            .all()
            .any(|child| child.label().role == Role::Application && !child.ever_ready);
        if !requested || never_served {
            self.give_up_application();
        }
    }

    /// Ends an application that is not serving and will not be, so that clients that wait for it get an error at once.
    fn give_up_application(&mut self) {
        for id in self.children.ids(|child| {
            child.serves() && child.label().role == Role::Application && !child.is_running()
        }) {
            if self
                .children
                .get(id)
                .is_some_and(|child| child.state().pid().is_some())
            {
                self.kill(id);
            } else if !self.has_ended(id) {
                self.transition(id, ChildState::Ended);
            }
            self.act(Action::CloseSockets(id));
        }
    }

    fn has_ended(&self, id: ChildId) -> bool {
        self.children
            .get(id)
            .is_none_or(|child| child.state() == ChildState::Ended)
    }

    fn raise_urgency(&mut self, raised: Urgency) {
        if let Phase::Stopping { urgency, .. } = &mut self.phase {
            *urgency = raised;
            self.act(Action::Announce(Notice::Stopping(raised)));
        }
    }

    fn stop_fast(&mut self) {
        let soon = self.now.after(FAST_STOP);
        if let Phase::Stopping { deadline, .. } = &mut self.phase {
            *deadline = soon.min(*deadline);
        }
        self.raise_urgency(Urgency::Fast);
        for id in self.children.ids(|_| true) {
            let Some(child) = self.children.get(id) else {
                continue;
            };
            match child.state() {
                ChildState::Starting { pid }
                | ChildState::Running { pid }
                | ChildState::Draining { pid, .. }
                | ChildState::Stopping { pid, .. } => {
                    let again = child.spec.stop.repeat.map(|wait| self.now.after(wait));
                    let stopping = ChildState::Stopping {
                        pid,
                        again,
                        signals: 1,
                    };
                    let signal_workers =
                        child.is_finishing() && child.spec.stop.stragglers.is_some();
                    self.transition(id, stopping);
                    self.act(if signal_workers {
                        Action::SignalStragglers(id, pid)
                    } else {
                        Action::StopFast(id, pid)
                    });
                }
                ChildState::Idle | ChildState::Backoff { .. } => {
                    self.transition(id, ChildState::Ended);
                }
                ChildState::Killing { .. } | ChildState::Ended => {}
            }
        }
    }

    fn kill_all(&mut self) {
        self.raise_urgency(Urgency::Kill);
        let mut culprit = None;
        for id in self.children.ids(|_| true) {
            let Some(child) = self.children.get(id) else {
                continue;
            };
            match child.state() {
                ChildState::Starting { .. }
                | ChildState::Running { .. }
                | ChildState::Draining { .. }
                | ChildState::Stopping { .. }
                | ChildState::Killing { .. } => {
                    // Prefer a child that has not obeyed its stop signal to one that has not been sent it yet.
                    if culprit.is_none() || !child.is_running() {
                        culprit = Some(child.label());
                    }
                    self.kill(id);
                }
                ChildState::Idle | ChildState::Backoff { .. } => {
                    self.transition(id, ChildState::Ended);
                }
                ChildState::Ended => {}
            }
        }
        if let (
            Some(child),
            Phase::Stopping {
                outcome: outcome @ (Outcome::Stopped | Outcome::Cut | Outcome::StragglersKilled(_)),
                ..
            },
        ) = (culprit, &mut self.phase)
        {
            *outcome = Outcome::StopTimedOut(child);
        }
    }

    /// Kills the remaining children of a stop that has taken too long.
    pub(super) fn stop_overdue(&mut self) {
        if let Phase::Stopping {
            deadline, urgency, ..
        } = self.phase
            && self.now >= deadline
            && urgency < Urgency::Kill
        {
            self.act(Action::Announce(Notice::StopTimedOut));
            self.kill_all();
        }
    }

    pub(super) fn proxy_serves(&self) -> bool {
        self.children
            .all()
            .any(|child| child.label().role == Role::Proxy && child.state().pid().is_some())
    }

    /// Called after each event: continues a stop with the proxy, then the application, then ends the run.
    pub(super) fn continue_stop(&mut self) {
        let Phase::Stopping {
            urgency, outcome, ..
        } = &self.phase
        else {
            return;
        };
        let outcome = outcome.clone();
        if *urgency == Urgency::Graceful {
            self.stop_in_order();
        }
        if self
            .children
            .all()
            .all(|child| child.state() == ChildState::Ended)
        {
            self.phase = Phase::Done(outcome);
            self.end_reload();
        }
    }

    fn stop_in_order(&mut self) {
        let proxy_serves = self.proxy_serves();
        for id in self.children.ids(|_| true) {
            let Some(child) = self.children.get(id) else {
                continue;
            };
            if child.label().role == Role::Proxy || !proxy_serves {
                self.stop_child(id);
            }
            // A retiring child is finishing its requests; without a proxy it gets no more, so it gets the signal too.
            if let Some(child) = self.children.get(id)
                && let ChildState::Stopping {
                    pid, again: None, ..
                } = child.state()
                && child.spec.stop.repeat.is_some()
                && !proxy_serves
            {
                self.drain_or_signal(id, pid);
            }
        }
    }

    /// The first step of stopping one child in any state.
    pub(super) fn stop_child(&mut self, id: ChildId) {
        let Some(child) = self.children.get(id) else {
            return;
        };
        match child.state() {
            ChildState::Idle | ChildState::Backoff { .. } => {
                self.transition(id, ChildState::Ended);
            }
            ChildState::Starting { .. } if !child.spec.stop.stoppable_while_starting => {
                self.kill(id);
            }
            ChildState::Starting { pid } => self.send_stop_signal(id, pid),
            ChildState::Running { pid } => self.drain_or_signal(id, pid),
            ChildState::Draining { .. }
            | ChildState::Stopping { .. }
            | ChildState::Killing { .. }
            | ChildState::Ended => {}
        }
    }

    /// Lets a child finish what it has begun, where it can; its stop signal follows.
    fn drain_or_signal(&mut self, id: ChildId, pid: Pid) {
        let limit = self
            .children
            .get(id)
            .and_then(|child| child.spec.stop.drain);
        let Some(limit) = limit else {
            return self.send_stop_signal(id, pid);
        };
        let until = self.now.after(limit);
        self.transition(id, ChildState::Draining { pid, until });
        self.act(Action::Drain(id));
    }

    pub(super) fn drained(&mut self, id: ChildId, pid: Pid) {
        if let Some(child) = self.children.get(id)
            && matches!(child.state(), ChildState::Draining { pid: current, .. } if current == pid)
        {
            self.send_stop_signal(id, pid);
        }
    }

    fn send_stop_signal(&mut self, id: ChildId, pid: Pid) {
        let Some(child) = self.children.get(id) else {
            return;
        };
        let policy = &child.spec.stop;
        let signals = match child.state() {
            ChildState::Stopping { signals, .. } => signals + 1,
            ChildState::Idle
            | ChildState::Starting { .. }
            | ChildState::Running { .. }
            | ChildState::Draining { .. }
            | ChildState::Killing { .. }
            | ChildState::Backoff { .. }
            | ChildState::Ended => 1,
        };
        let again = policy.repeat.map(|interval| self.now.after(interval));
        let action = stragglers::action(policy, signals, id, pid);
        let stopping = ChildState::Stopping {
            pid,
            again,
            signals,
        };
        self.transition(id, stopping);
        self.act(action);
    }

    /// Sends the stop signals that are due: after drains that have timed out, and repetitions.
    pub(super) fn stop_signals_due(&mut self) {
        for id in self.children.ids(|_| true) {
            let state = self.children.get(id).map(Child::state);
            match state {
                Some(ChildState::Draining { pid, until }) if self.now >= until => {
                    self.send_stop_signal(id, pid);
                }
                Some(ChildState::Stopping {
                    pid,
                    again: Some(due),
                    ..
                }) if self.now >= due => self.send_stop_signal(id, pid),
                Some(
                    ChildState::Idle
                    | ChildState::Starting { .. }
                    | ChildState::Running { .. }
                    | ChildState::Draining { .. }
                    | ChildState::Stopping { .. }
                    | ChildState::Killing { .. }
                    | ChildState::Backoff { .. }
                    | ChildState::Ended,
                )
                | None => {}
            }
        }
    }
}
