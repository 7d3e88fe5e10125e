//! The state machine: decides what happens to the service, from events and time alone. Pure.
//!
//! An [`Event`] goes in at a time, [`Action`]s come out; the loop ([`super::run`]) carries them out. Each event has one
//! method, which begins with the match on the state; each change of a child's state goes through
//! [`Machine::transition`].
//!
//! The states of a child:
//!
//! ```text
//!            spawned            ready
//!   Idle ───────────► Starting ───────► Running
//!    ▲                   │ exit           │ exit        stop        finished, or drain timeout
//!    │ time              ▼                ▼      Running ───► Draining ───► Stopping ──exit──► Ended
//!    └────────────── Backoff ◄────────────┘                                   │ deadline
//!                        │ budget spent                                       ▼
//!                        └──────► the service stops                        Killing ──exit──► Ended
//! ```
//!
//! The phases of the service: Starting (until every child has been ready once), Serving, Stopping (the proxy first, so
//! that no client waits for an answer that cannot come, then the application), Done.
//!
//! The states of a reload:
//!
//! ```text
//!          request          50 ms            made            candidates ready        old proxy drained
//!   Idle ─────────► Gathering ───► Preparing ────► Starting ─────────────────► Switching ───► Reporting ──► Idle
//!                                      │ not made      │ exit, deadline, stop                     ▲
//!                                      └───────────────┴───────── result: refused or rolled back ─┘
//! ```
//!
//! In reading order: [`event`], [`action`] and [`outcome`] are input and output; [`identity`], [`state`], [`child`] and
//! `children` are the data; `start`, `crash` (with `backoff`), `survivors`, `stop` and `reload` are the methods, [`waiting`] is for what a reload waits.
#![forbid(unsafe_code)]
#![deny(clippy::wildcard_enum_match_arm)]

pub(crate) mod action;
pub(crate) mod backoff;
pub(crate) mod child;
mod children;
mod crash;
pub(crate) mod event;
pub(crate) mod identity;
pub(crate) mod outcome;
pub(crate) mod reload;
mod start;
pub(crate) mod state;
mod stop;
mod stragglers;
mod survivors;
#[cfg(test)]
mod tests;
pub(crate) mod waiting;

use std::time::Duration;

use self::action::Action;
use self::child::{Child, ChildSpec, Purpose};
use self::children::Children;
use self::event::Event;
use self::identity::{ChildId, Role};
use self::state::{ChildState, Phase, Reload, Urgency};
use crate::supervise::uptime::Uptime;

/// The service: its children, its phase, and the reload in progress.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    children: Children,
    phase: Phase,
    reload: Reload,
    /// Another reload was requested while one is in progress.
    reload_again: bool,
    /// The number of the newest generation, whether it serves or not.
    newest_generation: u32,
    start_timeout: Duration,
    stop_timeout: Duration,
    last_stop_request: Option<Uptime>,
    /// State of the random number generator for the jitter of restarts.
    random: u64,
    /// The time of the event that is being handled.
    now: Uptime,
    /// The actions for that event so far.
    actions: Vec<Action>,
}

impl Machine {
    /// A service before [`Event::Start`]. `seed` is for the jitter of restarts.
    pub(crate) fn new(
        generation: u32,
        start_timeout: Duration,
        stop_timeout: Duration,
        seed: u64,
    ) -> Self {
        Self {
            children: Children::default(),
            phase: Phase::Starting {
                deadline: Uptime::default().after(start_timeout),
            },
            reload: Reload::Idle,
            reload_again: false,
            newest_generation: generation,
            start_timeout,
            stop_timeout,
            last_stop_request: None,
            random: seed | 1,
            now: Uptime::default(),
            actions: Vec::new(),
        }
    }

    /// An id for a child of the next generation.
    pub(crate) fn new_id(&mut self) -> ChildId {
        self.children.new_id()
    }

    /// Adds a child of the first generation; they are started in the order in which they are added.
    pub(crate) fn add(&mut self, spec: ChildSpec) -> ChildId {
        let id = self.children.new_id();
        self.children
            .insert(id, Child::new(spec, Purpose::Serving, self.now));
        id
    }

    pub(crate) fn phase(&self) -> &Phase {
        &self.phase
    }

    pub(crate) fn child(&self, id: ChildId) -> Option<&Child> {
        self.children.get(id)
    }

    pub(crate) fn children(&self) -> impl Iterator<Item = (ChildId, &Child)> {
        self.children.iter()
    }

    /// The main processes of all children.
    pub(crate) fn main_processes(&self) -> Vec<nix::unistd::Pid> {
        self.children()
            .filter_map(|(_, child)| child.state().pid())
            .collect()
    }

    /// The main processes of the children in a role, of all generations.
    pub(crate) fn processes_in(&self, role: Role) -> Vec<nix::unistd::Pid> {
        self.children()
            .filter(|(_, child)| child.label().role == role)
            .filter_map(|(_, child)| child.state().pid())
            .collect()
    }

    /// The child that serves in a role: the one that a reload replaces.
    pub(crate) fn serving(&self, role: Role) -> Option<ChildId> {
        self.children.serving(role)
    }

    pub(crate) fn stop_timeout(&self) -> Duration {
        self.stop_timeout
    }

    /// Whether every child serves, after a complete start and not during a stop.
    pub(crate) fn is_ready(&self) -> bool {
        self.phase == Phase::Serving && self.all_serve()
    }

    /// Whether every child with the purpose of serving is ready.
    fn all_serve(&self) -> bool {
        self.children
            .all()
            .filter(|child| child.serves())
            .all(Child::is_running)
    }

    /// When [`Event::Timer`] is due.
    pub(crate) fn next_deadline(&self) -> Option<Uptime> {
        let of_phase = match &self.phase {
            Phase::Starting { deadline } => Some(*deadline),
            Phase::Stopping {
                deadline, urgency, ..
            } => (*urgency < Urgency::Kill).then_some(*deadline),
            Phase::Serving | Phase::Done(_) => None,
        };
        let of_restarts = self
            .children
            .all()
            .filter_map(|child| self.restart_deadline(child));
        let of_retiring = self.children.all().filter_map(Child::kill_at);
        let of_children = self.children.all().filter_map(|child| match child.state() {
            ChildState::Backoff { until } | ChildState::Draining { until, .. } => Some(until),
            ChildState::Stopping { again, .. } => again,
            ChildState::Idle
            | ChildState::Starting { .. }
            | ChildState::Running { .. }
            | ChildState::Killing { .. }
            | ChildState::Ended => None,
        });
        of_phase
            .into_iter()
            .chain(self.reload.deadline())
            .chain(of_restarts)
            .chain(of_retiring)
            .chain(of_children)
            .min()
    }

    /// Handles an event and returns the actions for it, in order.
    pub(crate) fn on(&mut self, event: Event, now: Uptime) -> Vec<Action> {
        self.now = now;
        match event {
            Event::Start => self.start(),
            Event::Spawned(id, pid) => self.spawned(id, pid),
            Event::SpawnFailed(id, failure) => self.spawn_failed(id, failure),
            Event::NotReady(id, pid, reason) => self.not_ready(id, pid, reason),
            Event::Ready(id, pid) => self.ready(id, pid),
            Event::Drained(id, pid) => self.drained(id, pid),
            Event::Hung(id, pid) => self.hung(id, pid),
            Event::Damaged(id, pid) => self.damaged(id, pid),
            Event::StragglersKilled(id) => self.stragglers_killed(id),
            Event::Exited(pid, exit) => self.exited(pid, exit),
            Event::SurvivorsGone(id) => self.survivors_gone(id),
            Event::StopRequested => self.stop_requested(),
            Event::ReloadRequested => self.reload_requested(),
            Event::GenerationPrepared(generation) => self.generation_prepared(generation),
            Event::GenerationNotMade(why) => self.generation_not_made(why),
            Event::Timer => self.timer(),
        }
        self.finish_switching();
        self.continue_stop();
        std::mem::take(&mut self.actions)
    }

    fn timer(&mut self) {
        self.start_overdue();
        self.stop_overdue();
        self.reload_due();
        self.restarts_due();
        self.restarts_overdue();
        self.retiring_overdue();
        self.stop_signals_due();
    }

    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Changes the state of a child. Every change goes through this method.
    fn transition(&mut self, id: ChildId, next: ChildState) {
        if let Some(child) = self.children.get_mut(id) {
            child.enter(next, self.now);
        }
    }

    /// Kills a child; nothing if it has no process.
    fn kill(&mut self, id: ChildId) {
        if let Some(pid) = self.children.get(id).and_then(|child| child.state().pid()) {
            self.transition(id, ChildState::Killing { pid });
            self.act(Action::Kill(id, pid));
        }
    }
}
