//! What the two threads, the emitters and the handle share.

use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;

use super::{clock::Clock, shared_errors::SharedErrors, shared_queue::SharedQueue};
use crate::logs::observed::Observer;
use crate::logs::options::LogOptions;
use crate::logs::queue::batch::Batch;
use crate::logs::record::WorkerEvent;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) queue: SharedQueue,
    pub(super) errors: SharedErrors,
    workers: mpsc::Sender<WorkerEvent>,
    /// None as long as nobody counts.
    pub(super) observer: OnceLock<Arc<dyn Observer>>,
}

impl Shared {
    pub(super) fn new(options: &LogOptions, workers: mpsc::Sender<WorkerEvent>) -> Self {
        Self {
            clock: Clock::start(),
            queue: SharedQueue::new(options),
            errors: SharedErrors::default(),
            workers,
            observer: OnceLock::new(),
        }
    }

    /// Takes records of the children; waits for room if nothing may be dropped. `now` is in microseconds since 1970.
    pub(super) fn put(&self, batch: &mut Batch, now: u64) {
        for event in batch.workers.drain(..) {
            // Full when the launcher's loop has not turned for thousands of deaths: the reader never waits, and it is only
            // a count. Closed when the loop has ended.
            let _: Result<(), _> = self.workers.try_send(event);
        }
        self.observe(batch);
        if batch.is_empty() {
            return;
        }
        self.errors.record(batch);
        self.queue.put(batch, now);
    }

    fn observe(&self, batch: &mut Batch) {
        if !batch.observed.is_empty() {
            if let Some(observer) = self.observer.get() {
                observer.observe(&mut batch.observed);
            }
            batch.observed.clear();
        }
    }

    /// Takes records of the launcher; never waits.
    pub(super) fn put_own(&self, batch: &mut Batch, now: u64) {
        self.observe(batch);
        self.errors.record(batch);
        self.queue.put_own(batch, now);
    }
}
