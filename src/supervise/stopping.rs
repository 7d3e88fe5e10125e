//! The state machine's way out: the proxy first, so that nobody waits for an answer that cannot come, then the application,
//! all of it within one budget; whoever asks again is in a hurry.
#![forbid(unsafe_code)]
#![deny(clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use nix::unistd::Pid;

use super::Uptime;
use super::child::Role;
use super::state::{
    Action, Child, ChildId, Life, Note, Outcome, Pace, Phase, ReloadOutcome, State,
};
use super::supervisor::Supervisor;

/// Requests to stop that come so close together are one: timeout(1), shells and process managers signal a process and
/// its group at once, and nobody asks twice in such a time.
const SAME_REQUEST: Duration = Duration::from_millis(50);

/// uWSGI that is asked to stop while a worker comes up may wait for ever for that worker, which has missed its signal
/// (2 of 3 runs with 17 workers). After so many asks, five seconds in which nobody had a request for it, the workers are
/// killed, and it ends as it should.
const ASKS_BEFORE_HELP: u32 = 50;

impl Supervisor {
    pub(super) fn stop_asked(&mut self, now: Uptime, actions: &mut Vec<Action>) {
        if self
            .last_stop_asked
            .is_some_and(|last| now.since(last) < SAME_REQUEST)
        {
            return;
        }
        self.last_stop_asked = Some(now);
        match self.phase {
            Phase::Starting { .. } | Phase::Serving => {
                self.begin_stop(Outcome::Asked, now, actions);
            }
            Phase::Stopping {
                pace: Pace::Graceful,
                ..
            } => {
                self.asked_again(Outcome::Cut);
                self.stop_faster(Pace::Fast, now, actions);
            }
            Phase::Stopping { .. } => {
                self.asked_again(Outcome::Forced);
                self.stop_faster(Pace::Kill, now, actions);
            }
            Phase::Done(_) => {}
        }
    }

    /// Whoever asks again knows what it costs: the outcome says who wanted it.
    pub(super) fn asked_again(&mut self, how: Outcome) {
        if let Phase::Stopping {
            outcome: outcome @ (Outcome::Asked | Outcome::Cut),
            ..
        } = &mut self.phase
        {
            *outcome = how;
        }
    }

    pub(super) fn begin_stop(&mut self, outcome: Outcome, now: Uptime, actions: &mut Vec<Action>) {
        if matches!(self.phase, Phase::Stopping { .. } | Phase::Done(_)) {
            return;
        }
        let deadline = now.after(self.stop_timeout);
        self.phase = Phase::Stopping {
            deadline,
            outcome,
            pace: Pace::Graceful,
        };
        actions.push(Action::Note(Note::Stopping(Pace::Graceful)));
        self.roll_back(ReloadOutcome::Stopping, now, actions);
        let never_served = self
            .children
            .iter()
            .any(|child| child.role == Role::Application && !child.ever_ready);
        if outcome != Outcome::Asked || never_served {
            self.give_up_application(actions);
        }
    }

    /// An application that does not serve and will not: who waits for it shall not wait until time is up.
    pub(super) fn give_up_application(&mut self, actions: &mut Vec<Action>) {
        for (id, child) in self.children.iter_mut().enumerate() {
            if child.life != Life::Serving
                || child.role != Role::Application
                || matches!(child.state, State::Running { .. })
            {
                continue;
            }
            if let Some(pid) = child.state.pid() {
                child.state = State::Killing { pid };
                actions.push(Action::Kill(id, pid));
            } else {
                child.state = State::Ended;
            }
            actions.push(Action::CloseSockets(id));
        }
    }

    pub(super) fn stop_faster(&mut self, faster: Pace, now: Uptime, actions: &mut Vec<Action>) {
        let Phase::Stopping { pace, .. } = &mut self.phase else {
            return;
        };
        *pace = faster;
        actions.push(Action::Note(Note::Stopping(faster)));
        let mut killed = None;
        for (id, child) in self.children.iter_mut().enumerate() {
            let Some(pid) = child.state.pid() else {
                continue;
            };
            if faster == Pace::Kill {
                // The culprit is who was asked to stop and did not, not who was still waiting for its turn.
                if killed.is_none() || !matches!(child.state, State::Running { .. }) {
                    killed = Some(id);
                }
                child.state = State::Killing { pid };
                actions.push(Action::Kill(id, pid));
            } else {
                let again = child.stop.repeat.map(|span| now.after(span));
                child.state = State::Stopping {
                    pid,
                    again,
                    asks: 1,
                };
                actions.push(Action::StopFast(id, pid));
            }
        }
        if let (
            Some(id),
            Phase::Stopping {
                outcome: outcome @ (Outcome::Asked | Outcome::Cut),
                ..
            },
        ) = (killed, &mut self.phase)
        {
            *outcome = Outcome::Killed(id);
        }
    }

    pub(super) fn proxy_serves(&self) -> bool {
        self.children
            .iter()
            .any(|child| child.role == Role::Proxy && child.state.pid().is_some())
    }

    /// While the service stops: the proxy first, then the application, then done.
    pub(super) fn go_on_stopping(&mut self, now: Uptime, actions: &mut Vec<Action>) {
        let Phase::Stopping { outcome, pace, .. } = self.phase else {
            return;
        };
        if pace == Pace::Graceful {
            let proxy_serves = self.proxy_serves();
            for (id, child) in self.children.iter_mut().enumerate() {
                if child.role == Role::Proxy || !proxy_serves {
                    begin_to_stop(id, child, now, actions);
                }
                // One that was asked to finish has nothing left to finish once nobody can ask it any more.
                if let State::Stopping {
                    pid, again: None, ..
                } = child.state
                    && !proxy_serves
                    && child.stop.repeat.is_some()
                {
                    ask_to_stop(id, child, pid, now, actions);
                }
            }
        }
        for child in &mut self.children {
            if matches!(child.state, State::Idle | State::Backoff { .. }) && pace > Pace::Graceful {
                child.state = State::Ended;
            }
        }
        if self
            .children
            .iter()
            .all(|child| child.state == State::Ended)
        {
            self.phase = Phase::Done(outcome);
        }
    }
}

/// The first step of stopping one child, whatever it is doing.
pub(super) fn begin_to_stop(
    id: ChildId,
    child: &mut Child,
    now: Uptime,
    actions: &mut Vec<Action>,
) {
    match child.state {
        State::Idle | State::Backoff { .. } => child.state = State::Ended,
        State::Starting { pid, .. } if !child.stop.listens_while_starting => {
            child.state = State::Killing { pid };
            actions.push(Action::Kill(id, pid));
        }
        State::Starting { pid, .. } => ask_to_stop(id, child, pid, now, actions),
        State::Running { pid, .. } => match &child.stop.drain {
            Some((_, wait)) => {
                child.state = State::Draining {
                    pid,
                    until: now.after(*wait),
                };
                actions.push(Action::Drain(id));
            }
            None => ask_to_stop(id, child, pid, now, actions),
        },
        State::Draining { .. } | State::Stopping { .. } | State::Killing { .. } | State::Ended => {}
    }
}

pub(super) fn ask_to_stop(
    id: ChildId,
    child: &mut Child,
    pid: Pid,
    now: Uptime,
    actions: &mut Vec<Action>,
) {
    let asks = if let State::Stopping { asks, .. } = child.state {
        asks + 1
    } else {
        1
    };
    let again = child.stop.repeat.map(|span| now.after(span));
    child.state = State::Stopping { pid, again, asks };
    actions.push(if asks == ASKS_BEFORE_HELP {
        Action::KillWorkers(id, pid)
    } else {
        Action::StopGracefully(id, pid)
    });
}
