//! What the two threads, the emitters and the handle share.

use tokio::sync::mpsc;

use super::{clock::Clock, shared_errors::SharedErrors, shared_queue::SharedQueue};
use crate::logs::options::LogOptions;
use crate::logs::queue::batch::Batch;
use crate::logs::record::WorkerEvent;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) queue: SharedQueue,
    pub(super) errors: SharedErrors,
    workers: mpsc::Sender<WorkerEvent>,
}

impl Shared {
    pub(super) fn new(options: &LogOptions, workers: mpsc::Sender<WorkerEvent>) -> Self {
        Self {
            clock: Clock::start(),
            queue: SharedQueue::new(options),
            errors: SharedErrors::default(),
            workers,
        }
    }

    /// Takes records of the children; waits for room if nothing may be dropped. `now` is in microseconds since 1970.
    pub(super) fn put(&self, batch: &mut Batch, now: u64) {
        for event in batch.workers.drain(..) {
            // Full when the launcher's loop has not turned for thousands of deaths: the reader never waits, and it is only
            // a count. Closed when the loop has ended.
            let _: Result<(), _> = self.workers.try_send(event);
        }
        if batch.is_empty() {
            return;
        }
        self.errors.record(batch);
        self.queue.put(batch, now);
    }

    /// Takes records of the launcher; never waits.
    pub(super) fn put_own(&self, batch: &mut Batch, now: u64) {
        self.errors.record(batch);
        self.queue.put_own(batch, now);
    }
}
