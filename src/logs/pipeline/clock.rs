//! What time it is, on the clock that records show and on the one that timeouts use.

use std::time::{Instant, SystemTime};

use crate::logs::record::Moment;

/// Both clocks since the log began.
#[derive(Debug)]
pub(super) struct Clock {
    born: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            born: Instant::now(),
        }
    }

    pub(super) fn now(&self) -> Moment {
        let wall = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Moment {
            wall: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
            up: self.born.elapsed(),
        }
    }
}
