//! The states of a child, of the service and of a reload. Values only.

use std::time::Duration;

use nix::unistd::Pid;

use super::outcome::{Outcome, ReloadResult};
use crate::supervise::uptime::Uptime;

/// The state of one child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChildState {
    /// It is about to be started.
    Idle,
    /// It runs and is not ready yet.
    Starting { pid: Pid },
    /// It serves.
    Running { pid: Pid },
    /// It finishes what it has begun, until `until` at the latest: a proxy closes each client connection after the next
    /// response, an application takes no further request.
    Draining { pid: Pid, until: Uptime },
    /// It was sent its stop signal `signals` times; `again` is when the next one is due.
    Stopping {
        pid: Pid,
        again: Option<Uptime>,
        signals: u32,
    },
    /// It was sent SIGKILL.
    Killing { pid: Pid },
    /// It crashed and is started again at `until`.
    Backoff { until: Uptime },
    /// It has ended and is not started again.
    Ended,
}

impl ChildState {
    /// The process, while there is one. For survivors this is the number of their process group.
    pub(crate) fn pid(self) -> Option<Pid> {
        match self {
            Self::Starting { pid }
            | Self::Running { pid }
            | Self::Draining { pid, .. }
            | Self::Stopping { pid, .. }
            | Self::Killing { pid } => Some(pid),
            Self::Idle | Self::Backoff { .. } | Self::Ended => None,
        }
    }

    /// Whether the diagram of [`super`] has an arrow from this state to `next`.
    pub(super) fn may_become(self, next: Self) -> bool {
        match self {
            Self::Idle => matches!(
                next,
                Self::Starting { .. } | Self::Backoff { .. } | Self::Ended
            ),
            Self::Starting { .. } | Self::Running { .. } => next != Self::Idle,
            // A child that retires, and whose stop signal must wait for its last request.
            Self::Stopping { again: None, .. } if matches!(next, Self::Draining { .. }) => true,
            Self::Draining { .. } | Self::Stopping { .. } => matches!(
                next,
                Self::Stopping { .. } | Self::Killing { .. } | Self::Ended
            ),
            Self::Killing { .. } => matches!(next, Self::Killing { .. } | Self::Ended),
            Self::Backoff { .. } => matches!(next, Self::Idle | Self::Ended),
            // A process that was started although its start had been cancelled meanwhile.
            Self::Ended => matches!(next, Self::Killing { .. }),
        }
    }
}

/// The state of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not every child has been ready yet; the start fails at `deadline`.
    Starting { deadline: Uptime },
    /// Every child has been ready once.
    Serving,
    /// The service stops; at `deadline` the remaining children are killed.
    Stopping {
        deadline: Uptime,
        outcome: Outcome,
        urgency: Urgency,
    },
    /// No child is left.
    Done(Outcome),
}

/// How urgently the service is stopped; each further request to stop raises it by one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// In-flight requests are finished.
    Graceful,
    /// In-flight requests are cut.
    Fast,
    /// Every child gets SIGKILL.
    Kill,
}

/// The state of a reload. There is one reload at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reload {
    /// No reload is in progress.
    Idle,
    /// A reload was requested; further requests join it until `until`.
    Gathering { until: Uptime },
    /// The next generation is read, validated and written.
    Preparing { generation: u32 },
    /// Its canary or its candidates start beside the old generation; the reload is rolled back at `deadline`.
    Starting { deadline: Uptime, next: Next },
    /// Its candidates serve; a proxy of the old generation still accepts connections.
    Switching { next: Next },
    /// The result is known; it is reported at `at`.
    Reporting { at: Uptime, result: ReloadResult },
}

/// The machine's settings of a new generation; they take effect when it is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) generation: u32,
    pub(super) start_timeout: Duration,
    pub(super) stop_timeout: Duration,
}
