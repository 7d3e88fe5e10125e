//! Counts what passes through the log, on its threads, and tells it to the sampler.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::compose::Counts;
use super::happenings::Happenings;
use super::traffic::Traffic;
use crate::logs::observed::{Observed, Observer};

/// The counts behind a lock, which is taken once for a batch of requests.
#[derive(Debug)]
pub(crate) struct Counting {
    started: Instant,
    counted: Mutex<Counted>,
    /// Something has happened that an operator looks for.
    happened: Notify,
}

#[derive(Debug, Default)]
struct Counted {
    traffic: Traffic,
    happenings: Happenings,
}

impl Counting {
    /// Counts since `started`.
    pub(crate) fn new(started: Instant) -> Self {
        Self {
            started,
            counted: Mutex::default(),
            happened: Notify::new(),
        }
    }

    /// Waits for an error or an event.
    pub(super) async fn next_error(&self) {
        self.happened.notified().await;
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counted = self.lock();
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
        if !(seen.errors.is_empty() && seen.events.is_empty()) {
            self.happened.notify_one();
        }
        seen.slow.drain(..).for_each(|slow| happenings.slow(slow));
        seen.errors
            .drain(..)
            .for_each(|error| happenings.error(error));
        seen.events
            .drain(..)
            .for_each(|event| happenings.event(event));
    }
}
