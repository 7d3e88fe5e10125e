//! Time as the supervisor counts it: since the launcher started, by a clock that never jumps.

use std::time::Duration;

/// Time since the launcher started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Uptime(pub(crate) Duration);

impl Uptime {
    /// The time since an earlier moment; zero when that is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment a while later.
    #[must_use]
    pub(crate) fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }
}
