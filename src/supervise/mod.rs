//! Children: the state machine that decides, and the task that acts.
//!
//! [`state`] names what can be, [`supervisor`] decides: events in, actions out, time as a value. [`reload`] is its
//! part for new generations and `stopping` its way out, [`backoff`] counts crashes. [`runner`] is the only
//! `select!` loop: it waits for one event, asks the state machine, carries out the actions. [`child`] says what a child
//! is; it knows neither nginx nor uWSGI.
//!
//! A child's life:
//!
//! ```text
//!            spawn              ready
//!   Idle ───────────► Starting ───────► Running
//!    ▲                   │ exit           │ exit        stop         wait over
//!    │ time              ▼                ▼      Running ───► Draining ───► Stopping ──exit──► Ended
//!    └────────────── Backoff ◄────────────┘                                   │ deadline
//!                        │ budget spent                                       ▼
//!                        └──────► everything stops                         Killing ──exit──► Ended
//! ```
//!
//! The service's life: Starting (until every child has been ready once), Serving, Stopping (the proxy first, so that
//! nobody waits for an answer that cannot come, then the application), Done.
#![forbid(unsafe_code)]

pub mod backoff;
pub mod child;
pub mod command;
mod crashing;
pub mod helper;
mod launch;
mod leaving;
mod lingering;
mod orphans;
mod readiness;
pub mod reload;
pub mod reloading;
pub mod report;
pub mod runner;
mod snapshot;
pub mod state;
mod stopping;
pub mod supervisor;
mod tell;
pub mod watch;
mod watching;

use std::time::Duration;

/// Time since the launcher started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uptime(pub Duration);

impl Uptime {
    /// The span since an earlier time; zero when it is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The time a span later.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}
