//! One child as the machine sees it: its purpose, how it is stopped, its state and its history.

use std::time::Duration;

use nix::unistd::Pid;

use super::backoff::{Backoff, KillBudget};
use super::identity::{ChildId, ChildLabel};
use super::state::ChildState;
use crate::supervise::uptime::Uptime;
use crate::sys::reap::Exit;

/// The properties of a child that the machine decides by.
#[derive(Clone, Debug)]
pub(crate) struct ChildSpec {
    pub(crate) label: ChildLabel,
    pub(crate) stop: StopPolicy,
    pub(crate) survivors: SurvivorPolicy,
}

/// How a child is stopped.
#[derive(Clone, Debug)]
pub(crate) struct StopPolicy {
    /// Before its stop signal it finishes what it has begun, for this long at most; none: it gets the signal at once.
    pub(crate) drain: Option<Duration>,
    /// The graceful signal is repeated at this interval until the child has ended; none: it is sent once.
    pub(crate) repeat: Option<Duration>,
    /// What happens to its workers that miss their stop signal; none: it has none that could.
    pub(crate) stragglers: Option<StragglerPolicy>,
    /// Whether it has a command to finish its requests while its successor serves on the same sockets; otherwise it is
    /// drained and stopped.
    pub(crate) retires_on_request: bool,
    /// Time limit for finishing its requests in that case; none: as long as they take.
    pub(crate) retire_timeout: Option<Duration>,
    /// Whether it handles its stop signal while it starts. Otherwise it is killed then; it has served no request.
    pub(crate) stoppable_while_starting: bool,
}

/// What happens to workers that keep a child from ending although they do nothing to end themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StragglerPolicy {
    /// In place of each graceful signal whose number is a multiple of this one, they get one themselves.
    pub(crate) every: u32,
    /// From the graceful signal with this number on, they are killed instead.
    pub(crate) kill_from: u32,
}

/// What happens to the rest of a process group whose leader crashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SurvivorPolicy {
    /// They cannot serve without their leader and are killed.
    Kill,
    /// They go on serving, and finish once another child serves.
    Finish,
}

/// What a child is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It serves requests, or is started to do so.
    Serving,
    /// It is started before the others of its generation, to test it; it serves no clients.
    Canary,
    /// It takes the place of another child once all of its generation are ready.
    Candidate { replaces: ChildId },
    /// It finishes its requests while its successor serves; it is killed at `kill_at`.
    Retiring { kill_at: Option<Uptime> },
}

/// Why the launcher has killed a child that it starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// It was not ready in time after a restart. That counts as a crash.
    NotReady,
    /// Its main process was killed because it is damaged; the rest of it serves on until the new one does.
    Damaged,
    /// The watchdog found it hung. Its kills have a budget of their own and never end the service.
    Hung,
}

/// A child: its properties, its state and its history.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    pub(super) spec: ChildSpec,
    pub(super) purpose: Purpose,
    state: ChildState,
    since: Uptime,
    /// Starts after the first.
    pub(super) restarts: u32,
    pub(super) last_exit: Option<Exit>,
    pub(super) backoff: Backoff,
    pub(super) ever_ready: bool,
    /// Whether it served until a reload has replaced it.
    pub(super) replaced: bool,
    /// Why the launcher has killed it; none when it runs, or ended by itself.
    pub(super) given_up: Option<GivenUp>,
    pub(super) watchdog_kills: KillBudget,
    /// Of its main process, because it was damaged.
    pub(super) replacements: KillBudget,
    /// Why it is not ready, from its last readiness poll.
    pub(super) not_ready: Option<String>,
    /// For survivors: the child that crashed. They are its process group without the leader, and still serve.
    pub(super) survivors_of: Option<ChildId>,
}

impl Child {
    pub(super) fn new(spec: ChildSpec, purpose: Purpose, now: Uptime) -> Self {
        Self {
            spec,
            purpose,
            state: ChildState::Idle,
            since: now,
            restarts: 0,
            last_exit: None,
            backoff: Backoff::default(),
            ever_ready: false,
            replaced: false,
            given_up: None,
            watchdog_kills: KillBudget::default(),
            replacements: KillBudget::default(),
            not_ready: None,
            survivors_of: None,
        }
    }

    /// The survivors of `crashed`, the child with the id `of`.
    pub(super) fn survivors(crashed: &Self, of: ChildId, group: Pid, now: Uptime) -> Self {
        let spec = ChildSpec {
            survivors: SurvivorPolicy::Kill,
            ..crashed.spec.clone()
        };
        Self {
            state: ChildState::Running { pid: group },
            ever_ready: true,
            survivors_of: Some(of),
            ..Self::new(spec, Purpose::Retiring { kill_at: None }, now)
        }
    }

    pub(crate) fn label(&self) -> ChildLabel {
        self.spec.label
    }

    pub(crate) fn purpose(&self) -> Purpose {
        self.purpose
    }

    pub(crate) fn state(&self) -> ChildState {
        self.state
    }

    /// When it entered its state.
    pub(crate) fn since(&self) -> Uptime {
        self.since
    }

    pub(crate) fn restarts(&self) -> u32 {
        self.restarts
    }

    pub(crate) fn last_exit(&self) -> Option<Exit> {
        self.last_exit
    }

    pub(crate) fn not_ready(&self) -> Option<&str> {
        self.not_ready.as_deref()
    }

    pub(crate) fn survivors_of(&self) -> Option<ChildId> {
        self.survivors_of
    }

    pub(crate) fn has_been_ready(&self) -> bool {
        self.ever_ready
    }

    /// Whether it served until a reload has replaced it.
    pub(crate) fn was_replaced(&self) -> bool {
        self.replaced
    }

    pub(crate) fn serves(&self) -> bool {
        self.purpose == Purpose::Serving
    }

    /// Whether it belongs to a generation that is not committed.
    pub(crate) fn is_new(&self) -> bool {
        matches!(self.purpose, Purpose::Canary | Purpose::Candidate { .. })
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, ChildState::Running { .. })
    }

    /// Whether it was asked to finish what it has begun, and has not got its stop signal.
    pub(super) fn is_finishing(&self) -> bool {
        matches!(
            self.state,
            ChildState::Draining { .. } | ChildState::Stopping { again: None, .. }
        )
    }

    /// Enters a state: the only place where a state changes.
    pub(super) fn enter(&mut self, next: ChildState, now: Uptime) {
        debug_assert!(
            self.state.may_become(next),
            "{} goes from {:?} to {next:?}",
            self.spec.label.name,
            self.state
        );
        self.not_ready = None;
        self.state = next;
        self.since = now;
    }

    /// When a retiring child is killed.
    pub(super) fn kill_at(&self) -> Option<Uptime> {
        let over = matches!(self.state, ChildState::Ended | ChildState::Killing { .. });
        match self.purpose {
            Purpose::Retiring { kill_at } if !over => kill_at,
            Purpose::Serving
            | Purpose::Canary
            | Purpose::Candidate { .. }
            | Purpose::Retiring { .. } => None,
        }
    }

    /// Whether such an exit is what its stop signal, or its retirement, has asked for.
    pub(crate) fn ends_as_asked(&self, exit: Exit) -> bool {
        let asked = match self.state {
            ChildState::Stopping { .. } => true,
            ChildState::Draining { .. } => self.spec.stop.retires_on_request,
            ChildState::Idle
            | ChildState::Starting { .. }
            | ChildState::Running { .. }
            | ChildState::Killing { .. }
            | ChildState::Backoff { .. }
            | ChildState::Ended => false,
        };
        asked && matches!(exit, Exit::Code(_))
    }

    /// Whether the rest of its process group serves on after such an exit. A child that ends as it was asked to leaves
    /// no survivors.
    pub(crate) fn leaves_survivors(&self, exit: Exit) -> bool {
        let crashed = match self.state {
            ChildState::Starting { .. } | ChildState::Running { .. } => true,
            ChildState::Draining { .. } | ChildState::Stopping { .. } => {
                matches!(exit, Exit::Signal(_) | Exit::OutOfMemory { .. })
            }
            ChildState::Idle
            | ChildState::Killing { .. }
            | ChildState::Backoff { .. }
            | ChildState::Ended => false,
        };
        crashed && self.spec.survivors == SurvivorPolicy::Finish
    }
}
