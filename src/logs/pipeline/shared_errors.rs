//! The last errors behind a lock: both threads and every emitter record them, `status` and a reload read them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::logs::queue::{
    batch::Batch,
    recent_errors::{RecentError, RecentErrors},
};

/// One list for all sources, locked only while an error is recorded or read.
#[derive(Debug, Default)]
pub(super) struct SharedErrors(Mutex<RecentErrors>);

impl SharedErrors {
    /// Moves the errors out of a batch. Takes the lock only when there are some.
    pub(super) fn record(&self, batch: &mut Batch) {
        if batch.errors.is_empty() {
            return;
        }
        let mut errors = self.lock();
        for error in batch.errors.drain(..) {
            errors.record(error);
        }
    }

    pub(super) fn cursor(&self) -> u64 {
        self.lock().cursor()
    }

    pub(super) fn since(&self, cursor: u64) -> Vec<RecentError> {
        self.lock().since(cursor)
    }

    /// A panic ends the launcher (`panic = "abort"`), so only a test can find the lock poisoned.
    fn lock(&self) -> MutexGuard<'_, RecentErrors> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
