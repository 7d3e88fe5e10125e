//! The queue behind a lock: taking records in, waiting for room, for data and for the end.
//!
//! The lock is never held during a read, a render or a write, so no thread waits for it longer than a
//! copy of 64 KiB takes.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::logs::options::{AccessFilter, LogOptions, OnFull};
use crate::logs::queue::batch::Batch;
use crate::logs::queue::counters::Counters;
use crate::logs::queue::dropped::DroppedRecords;
use crate::logs::queue::intake::Intake;
use crate::logs::queue::record_queue::RecordQueue;
use crate::logs::record::Level;

/// Where nothing may be dropped, the launcher's own records may exceed the limit by this many bytes: they must
/// neither wait nor take the room of the children's records.
const RESERVE: usize = 64 * 1024;

/// A write that takes longer than this counts as a stall of stdout.
const STALL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct SharedQueue {
    state: Mutex<QueueState>,
    /// There are records to write, or there will be no more.
    data: Condvar,
    /// There may be room, or waiting for it has ended.
    room: Condvar,
    /// A thread has ended.
    ended: Condvar,
}

#[derive(Debug)]
struct QueueState {
    queue: RecordQueue,
    on_full: OnFull,
    access: AccessFilter,
    intake: Intake,
    final_record: Option<FinalRecord>,
    /// The writer has ended.
    written: bool,
    /// The writer waits for data.
    idle: bool,
    /// Since when the writer has been writing the same batch.
    writing: Option<Instant>,
}

/// The launcher's last record, written after everything else.
#[derive(Debug)]
pub(super) struct FinalRecord {
    pub(super) level: Level,
    pub(super) message: String,
}

/// What the writer writes next.
#[derive(Debug)]
pub(super) struct NextWrite {
    /// What is missing in front of the batch.
    pub(super) dropped: Option<DroppedRecords>,
    /// The oldest records; empty at the end, when only the notice is left.
    pub(super) batch: Batch,
}

impl SharedQueue {
    pub(super) fn new(options: &LogOptions) -> Self {
        Self {
            state: Mutex::new(QueueState {
                queue: RecordQueue::new(options.buffer),
                on_full: options.on_full,
                access: options.access,
                intake: Intake::Open,
                final_record: None,
                written: false,
                idle: false,
                writing: None,
            }),
            data: Condvar::new(),
            room: Condvar::new(),
            ended: Condvar::new(),
        }
    }

    /// Takes records of the children; waits for room if nothing may be dropped.
    pub(super) fn put(&self, batch: &mut Batch, now: u64) {
        let mut state = self.lock();
        let len = batch.bytes().len();
        while state.waits_for_room() && !state.queue.has_room(len, 0) {
            state = self
                .room
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.queue.put(batch);
        state.make_room(now);
        self.wake_writer(state);
    }

    /// Takes records of the launcher; never waits.
    pub(super) fn put_own(&self, batch: &mut Batch, now: u64) {
        let mut state = self.lock();
        if state.intake.is_closed()
            || (state.waits_for_room() && !state.queue.has_room(batch.bytes().len(), RESERVE))
        {
            state.queue.admit(batch);
            state.queue.settle(std::mem::take(batch), 0, now);
            return;
        }
        state.queue.put(batch);
        state.make_room(now);
        self.wake_writer(state);
    }

    /// The next records to write; waits for them. None when there will be no more.
    pub(super) fn next(&self) -> Option<NextWrite> {
        let mut state = self.lock();
        state.writing = None;
        loop {
            if let Some(batch) = state.queue.take() {
                state.writing = Some(Instant::now());
                let dropped = state.queue.take_dropped();
                return Some(NextWrite { dropped, batch });
            }
            if state.intake.is_closed() {
                let dropped = state.queue.take_dropped()?;
                return Some(NextWrite {
                    dropped: Some(dropped),
                    batch: Batch::default(),
                });
            }
            state.idle = true;
            state = self
                .data
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.idle = false;
        }
    }

    /// Counts a record that is written without going through the queue.
    pub(super) fn admit(&self, batch: &Batch) {
        self.lock().queue.admit(batch);
    }

    /// Closes the account of a batch of which the first `written` bytes were written.
    pub(super) fn settle(&self, batch: Batch, written: usize, now: u64) {
        let mut state = self.lock();
        state.queue.settle(batch, written, now);
        let waits = state.waits_for_room();
        drop(state);
        if waits {
            self.room.notify_all();
        }
    }

    pub(super) fn restore_dropped(&self, dropped: DroppedRecords) {
        self.lock().queue.restore_dropped(dropped);
    }

    pub(super) fn access(&self) -> AccessFilter {
        self.lock().access
    }

    pub(super) fn set_options(&self, options: &LogOptions) {
        let mut state = self.lock();
        state.on_full = options.on_full;
        state.access = options.access;
        state.queue.set_limit(options.buffer);
        drop(state);
        self.room.notify_all();
    }

    /// The children are being stopped: from now on the reader does not wait for room.
    pub(super) fn children_stopping(&self) {
        let mut state = self.lock();
        if state.intake == Intake::Open {
            state.intake = Intake::Stopping;
        }
        drop(state);
        self.room.notify_all();
    }

    /// The children are gone: the reader shall read what is left, until `until` at the latest, and then end with
    /// `final_record`.
    pub(super) fn drain(&self, until: Instant, final_record: Option<FinalRecord>) {
        let mut state = self.lock();
        state.intake = Intake::Draining(until);
        state.final_record = final_record;
        drop(state);
        self.room.notify_all();
    }

    pub(super) fn drain_until(&self) -> Option<Instant> {
        match self.lock().intake {
            Intake::Draining(until) => Some(until),
            Intake::Open | Intake::Stopping | Intake::Closed { .. } => None,
        }
    }

    pub(super) fn take_final_record(&self) -> Option<FinalRecord> {
        self.lock().final_record.take()
    }

    /// The reader has ended: there will be no more records.
    pub(super) fn close(&self, drained: bool) {
        let mut state = self.lock();
        state.intake = Intake::Closed { drained };
        drop(state);
        self.data.notify_all();
        self.ended.notify_all();
    }

    /// The writer has ended.
    pub(super) fn finish_writing(&self, now: u64) {
        let mut state = self.lock();
        // When the time limit has passed, there may be records that will not be written any more.
        state.queue.abandon(now);
        state.written = true;
        drop(state);
        self.ended.notify_all();
    }

    /// Waits until the writer has ended, but not beyond `until`; whether it has.
    pub(super) fn wait_written(&self, until: Instant) -> bool {
        let mut state = self.lock();
        while !state.written {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self
                .ended
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    /// Whether the pipes were read until they were empty.
    pub(super) fn is_drained(&self) -> bool {
        self.lock().intake == Intake::Closed { drained: true }
    }

    pub(super) fn counters(&self) -> Counters {
        let state = self.lock();
        Counters {
            sources: state.queue.tallies(),
            shed: state.queue.shed(),
            stalled: state
                .writing
                .map(|since| since.elapsed())
                .filter(|&time| time >= STALL),
        }
    }

    fn wake_writer(&self, state: MutexGuard<'_, QueueState>) {
        let idle = state.idle;
        drop(state);
        if idle {
            self.data.notify_one();
        }
    }

    /// A panic ends the launcher (`panic = "abort"`), so only a test can find the lock poisoned.
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueueState {
    fn waits_for_room(&self) -> bool {
        self.intake.waits_for_room(self.on_full)
    }

    /// Keeps the queue within its limit where the reader does not wait for room.
    fn make_room(&mut self, now: u64) {
        if let Some(reserve) = self.intake.reserve(self.on_full) {
            self.queue.make_room(reserve, now);
        }
    }
}
