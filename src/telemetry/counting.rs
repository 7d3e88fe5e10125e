//! Counts what passes through the log, on its threads, and tells it to the sampler.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::happenings::Happenings;
use super::traffic::Traffic;
use crate::logs::observed::{Observed, Observer};
use crate::status::{ErrorGroup, EventStatus, SlowRequestStatus, TrafficStatus};

/// The counts behind a lock, which is taken once for a batch of requests.
#[derive(Debug)]
pub(crate) struct Counting {
    started: Instant,
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    traffic: Traffic,
    happenings: Happenings,
}

/// All that was counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) traffic: TrafficStatus,
    pub(super) slow_requests: Vec<SlowRequestStatus>,
    pub(super) errors: Vec<ErrorGroup>,
    pub(super) events: Vec<EventStatus>,
}

impl Counting {
    /// Counts since `started`.
    pub(crate) fn new(started: Instant) -> Self {
        Self {
            started,
            counted: Mutex::default(),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let counted = self.lock();
        Counts {
            traffic: counted.traffic.status(self.started.elapsed()),
            slow_requests: counted.happenings.slow_requests(),
            errors: counted.happenings.errors(),
            events: counted.happenings.events(),
        }
    }

    /// A panic ends the launcher (`panic = "abort"`), so only a test can find the lock poisoned.
    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Counting {
    fn observe(&self, seen: &mut Observed) {
        let now = self.started.elapsed();
        let mut counted = self.lock();
        let Counted {
            traffic,
            happenings,
        } = &mut *counted;
        if !seen.requests.is_empty() {
            traffic.record(&seen.requests, now);
        }
        traffic.cut(seen.cut);
        seen.slow.drain(..).for_each(|slow| happenings.slow(slow));
        seen.errors
            .drain(..)
            .for_each(|error| happenings.error(error));
        seen.events
            .drain(..)
            .for_each(|event| happenings.event(event));
    }
}
