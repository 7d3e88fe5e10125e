//! The blue/green reload: a new generation starts beside the old one, on the same sockets; once all its children are
//! ready, the old one finishes its requests. A failure before that ends the new generation and does not affect the old
//! one.
//!
//! Neither program's own reload is used: uWSGI's is a total outage when the application cannot be imported, and nginx's
//! resets busy keep-alive connections.

use std::time::Duration;

use nix::unistd::Pid;

use super::Machine;
use super::action::{Action, Notice};
use super::child::{Child, Purpose};
use super::event::NewGeneration;
use super::identity::ChildId;
use super::outcome::{NotMade, Refusal, ReloadResult, Rollback};
use super::state::{ChildState, Next, Phase, Reload};
use crate::supervise::uptime::Uptime;

/// Requests within this time are one reload. A later one may be about a change that the current reload has not read, so
/// it causes one more reload afterwards.
const GATHERING: Duration = Duration::from_millis(50);

/// Time between the switch and its report. In it the proxy of the old generation accepts the connections that clients
/// have begun, and closes its sockets, so clients that connect after the report reach only the new generation.
pub(crate) const LAST_CONNECTIONS: Duration = Duration::from_millis(25);

/// Time between a rollback and its report, for the last log lines of the child that has failed.
const LAST_LINES: Duration = Duration::from_millis(250);

impl Reload {
    /// When the present state of the reload times out.
    pub(super) fn deadline(&self) -> Option<Uptime> {
        match self {
            Self::Gathering { until } => Some(*until),
            Self::Starting { deadline, .. } => Some(*deadline),
            Self::Reporting { at, .. } => Some(*at),
            Self::Idle | Self::Preparing { .. } | Self::Switching { .. } => None,
        }
    }
}

impl Machine {
    /// Whether a new generation is being started or taking over.
    pub(crate) fn is_reloading(&self) -> bool {
        match self.reload {
            Reload::Starting { .. } | Reload::Switching { .. } => true,
            Reload::Idle
            | Reload::Gathering { .. }
            | Reload::Preparing { .. }
            | Reload::Reporting { .. } => false,
        }
    }

    /// Begins a reload, joins the one that is about to begin, or queues one more after the current one.
    pub(super) fn reload_requested(&mut self) {
        match self.phase {
            Phase::Starting { .. } => return self.act(Action::RefuseReload(Refusal::Starting)),
            Phase::Stopping { .. } | Phase::Done(_) => {
                return self.act(Action::RefuseReload(Refusal::Stopping));
            }
            Phase::Serving => {}
        }
        match self.reload {
            Reload::Idle => {
                self.reload = Reload::Gathering {
                    until: self.now.after(GATHERING),
                };
                self.act(Action::JoinReload);
            }
            Reload::Gathering { .. } => self.act(Action::JoinReload),
            Reload::Preparing { .. }
            | Reload::Starting { .. }
            | Reload::Switching { .. }
            | Reload::Reporting { .. } => {
                self.reload_again = true;
                self.act(Action::QueueReload);
            }
        }
    }

    /// Continues the reload when its state has timed out.
    pub(super) fn reload_due(&mut self) {
        if self.reload.deadline().is_none_or(|at| self.now < at) {
            return;
        }
        match std::mem::replace(&mut self.reload, Reload::Idle) {
            Reload::Gathering { .. } if self.phase != Phase::Serving => {
                self.report(ReloadResult::Refused(Refusal::Abandoned));
            }
            Reload::Gathering { .. } => {
                self.newest_generation += 1;
                let generation = self.newest_generation;
                self.reload = Reload::Preparing { generation };
                self.act(Action::PrepareGeneration(generation));
            }
            starting @ Reload::Starting { .. } => {
                self.reload = starting;
                self.start_of_generation_overdue();
            }
            Reload::Reporting { result, .. } => self.report(result),
            Reload::Idle | Reload::Preparing { .. } | Reload::Switching { .. } => {}
        }
    }

    /// Reports a result, and begins the reload that was queued meanwhile.
    fn report(&mut self, result: ReloadResult) {
        self.reload = Reload::Idle;
        self.act(Action::ReportReload(result));
        if std::mem::take(&mut self.reload_again) {
            self.reload_requested();
        }
    }

    fn report_after(&mut self, wait: Duration, result: ReloadResult) {
        self.reload = Reload::Reporting {
            at: self.now.after(wait),
            result,
        };
    }

    pub(super) fn generation_not_made(&mut self, why: NotMade) {
        if let Reload::Preparing { .. } = self.reload {
            // The text is complete already, so there are no log lines to wait for.
            let result = ReloadResult::Refused(Refusal::NotMade(why));
            self.report_after(Duration::ZERO, result);
        }
    }

    pub(super) fn generation_prepared(&mut self, new: NewGeneration) {
        let Reload::Preparing { generation } = self.reload else {
            return;
        };
        match self.phase {
            Phase::Serving => {}
            Phase::Starting { .. } | Phase::Stopping { .. } | Phase::Done(_) => {
                let children = new.canary.into_iter().chain(new.children);
                for (id, _) in children {
                    self.act(Action::Forget(id));
                }
                self.act(Action::DiscardGeneration);
                let result = ReloadResult::Refused(Refusal::Abandoned);
                return self.report_after(Duration::ZERO, result);
            }
        }
        for (id, spec) in new.children {
            let Some(replaces) = self.children.serving(spec.label.role) else {
                self.act(Action::Forget(id));
                continue;
            };
            let candidate = Child::new(spec, Purpose::Candidate { replaces }, self.now);
            self.children.insert(id, candidate);
        }
        let canary = new.canary.map(|(id, spec)| {
            self.children
                .insert(id, Child::new(spec, Purpose::Canary, self.now));
            id
        });
        self.reload = Reload::Starting {
            deadline: self.now.after(new.start_timeout),
            next: Next {
                generation,
                start_timeout: new.start_timeout,
                stop_timeout: new.stop_timeout,
            },
        };
        match canary {
            Some(id) => self.act(Action::Spawn(id)),
            None => self.start_candidates(),
        }
    }

    fn start_candidates(&mut self) {
        for id in self.candidates() {
            self.act(Action::Spawn(id));
        }
    }

    fn candidates(&self) -> Vec<ChildId> {
        self.children.ids(|child| {
            matches!(child.purpose(), Purpose::Candidate { .. })
                && child.state() != ChildState::Ended
        })
    }

    /// The canary has been ready: it is killed, and the others of its generation are started.
    pub(super) fn canary_ready(&mut self, id: ChildId) {
        let Reload::Starting { deadline, next } = &mut self.reload else {
            return;
        };
        *deadline = self.now.after(next.start_timeout);
        if let Some(canary) = self.children.get_mut(id) {
            canary.purpose = Purpose::Retiring { kill_at: None };
        }
        self.kill(id);
        self.start_candidates();
    }

    /// Lets the candidates take over once all of them are ready.
    pub(super) fn switch_when_ready(&mut self) {
        let Reload::Starting { next, .. } = self.reload else {
            return;
        };
        let candidates = self.candidates();
        let is_running = |id: &ChildId| self.children.get(*id).is_some_and(Child::is_running);
        if candidates.is_empty() || !candidates.iter().all(is_running) {
            return;
        }
        self.reload = Reload::Switching { next };
        for id in candidates {
            let Some(Purpose::Candidate { replaces }) = self.children.get(id).map(Child::purpose)
            else {
                continue;
            };
            let restarts = self.children.get(replaces).map_or(0, Child::restarts);
            if let Some(child) = self.children.get_mut(id) {
                child.purpose = Purpose::Serving;
                child.restarts = restarts;
            }
            self.retire(replaces);
            self.retire_survivors(replaces);
        }
    }

    /// Commits once no child of the old generation accepts connections any more.
    pub(super) fn finish_switching(&mut self) {
        let Reload::Switching { next } = self.reload else {
            return;
        };
        let accepts = |child: &Child| {
            matches!(child.purpose(), Purpose::Retiring { .. })
                && matches!(child.state(), ChildState::Draining { .. })
        };
        if self.children.all().any(accepts) {
            return;
        }
        self.start_timeout = next.start_timeout;
        self.stop_timeout = next.stop_timeout;
        self.act(Action::CommitGeneration);
        let result = ReloadResult::Committed(next.generation);
        self.report_after(LAST_CONNECTIONS, result);
    }

    /// Lets a child finish its requests and exit: its successor has taken over, or its generation was given up.
    pub(super) fn retire(&mut self, id: ChildId) {
        let Some(child) = self.children.get_mut(id) else {
            return;
        };
        let is_candidate = matches!(child.purpose(), Purpose::Candidate { .. });
        // A candidate that is not ready may never read the command to finish.
        let timeout = child
            .spec
            .stop
            .retire_timeout
            .or(is_candidate.then_some(self.stop_timeout));
        child.replaced = child.serves();
        child.purpose = Purpose::Retiring {
            kill_at: timeout.map(|timeout| self.now.after(timeout)),
        };
        let by_request = child.spec.stop.retires_on_request;
        match child.state() {
            // A candidate's first workers serve requests from the shared socket before it is ready.
            ChildState::Starting { pid } if by_request && is_candidate => {
                self.request_retirement(id, pid);
            }
            ChildState::Running { pid } if by_request => self.request_retirement(id, pid),
            ChildState::Idle
            | ChildState::Starting { .. }
            | ChildState::Running { .. }
            | ChildState::Draining { .. }
            | ChildState::Stopping { .. }
            | ChildState::Killing { .. }
            | ChildState::Backoff { .. }
            | ChildState::Ended => self.stop_child(id),
        }
        if self
            .children
            .get(id)
            .is_some_and(|child| child.state() == ChildState::Ended)
        {
            self.forget(id);
        }
    }

    fn request_retirement(&mut self, id: ChildId, pid: Pid) {
        let stopping = ChildState::Stopping {
            pid,
            again: None,
            signals: 1,
        };
        self.transition(id, stopping);
        self.act(Action::Retire(id, pid));
    }

    /// Ends the new generation if it is starting; in other states there is nothing to roll back.
    pub(super) fn roll_back(&mut self, why: Rollback) {
        let Reload::Starting { .. } = self.reload else {
            return;
        };
        self.report_after(LAST_LINES, ReloadResult::RolledBack(why.clone()));
        for id in self.children.ids(Child::is_new) {
            self.retire(id);
        }
        self.act(Action::RollBackGeneration(why));
    }

    /// Rolls back a generation whose start has taken too long.
    fn start_of_generation_overdue(&mut self) {
        let late = self.children.all().find(|child| {
            child.is_new() && !child.is_running() && child.state() != ChildState::Ended
        });
        // If all were running, they would have taken over.
        let Some(child) = late else {
            debug_assert!(false, "a generation that is ready has not taken over");
            return self.report_after(Duration::ZERO, ReloadResult::Refused(Refusal::Abandoned));
        };
        let why = Rollback::NotReady(child.label(), child.not_ready.clone());
        self.roll_back(why);
    }

    /// Kills retiring children that have not finished in time.
    pub(super) fn retiring_overdue(&mut self) {
        let overdue = self
            .children
            .ids(|child| child.kill_at().is_some_and(|at| self.now >= at));
        for id in overdue {
            let stopping = matches!(self.phase, Phase::Stopping { .. } | Phase::Done(_));
            if let (false, Some(child)) = (stopping, self.children.get(id)) {
                let label = child.label();
                self.act(Action::Announce(Notice::RetirementTimedOut(label)));
            }
            self.kill(id);
        }
    }

    /// Answers all clients that wait for a reload, because the run ends.
    pub(super) fn end_reload(&mut self) {
        match std::mem::replace(&mut self.reload, Reload::Idle) {
            Reload::Idle => {}
            Reload::Reporting { result, .. } => self.report(result),
            Reload::Gathering { .. }
            | Reload::Preparing { .. }
            | Reload::Starting { .. }
            | Reload::Switching { .. } => {
                self.report(ReloadResult::Refused(Refusal::Abandoned));
            }
        }
    }
}
