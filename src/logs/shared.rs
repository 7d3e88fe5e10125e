//! What the two threads, the sinks and the handle share: the ring behind a lock, and who waits.
//!
//! No lock is held while something is read, rendered or written, so nobody waits for longer than a
//! copy of 64 KiB takes.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use super::{
    batch::Batch,
    counters::Counters,
    options::{AccessFilter, LogOptions, OnFull},
    recent::RecentErrors,
    record::Level,
    ring::{Gap, Ring},
    stage::Now,
};

/// The launcher's own records may go so far beyond the bound when nothing is to be dropped: they
/// must neither wait nor push out what others were promised to keep.
const RESERVE: usize = 64 * 1024;

/// What the pipes held when the parts ended may go so far beyond the bound: it comes at once, and
/// the memory that the parts took is free.
const LEFT: usize = 16 << 20;

/// A write that takes longer than this is a stall worth telling.
const STALL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Shared {
    born: Instant,
    state: Mutex<State>,
    /// There is something to write, or nothing will ever be.
    data: Condvar,
    /// There may be room, or waiting for it is over.
    room: Condvar,
    /// A thread has ended.
    ended: Condvar,
    recent: Mutex<RecentErrors>,
    /// The launcher's last record, to stand behind everything else.
    last: Mutex<Option<(Level, String)>>,
}

#[derive(Debug)]
struct State {
    ring: Ring,
    on_full: OnFull,
    access: AccessFilter,
    intake: Intake,
    /// The writer is done.
    written: bool,
    /// The writer waits for data.
    idle: bool,
    /// Since when the writer has been writing the same batch.
    writing: Option<Instant>,
}

/// What comes from the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intake {
    /// All that they write.
    Open,
    /// All that they write, and none of them waits for room: they are being stopped, and one that
    /// waits cannot end.
    Leaving,
    /// What is left of it now that they are gone, until then at the latest.
    Draining(Instant),
    /// Nothing any more.
    Closed {
        /// The pipes were read until they were empty.
        drained: bool,
    },
}

/// What the writer gets.
#[derive(Debug)]
pub(super) struct Work {
    /// What is missing in front of the batch.
    pub(super) gap: Option<Gap>,
    /// The oldest records.
    pub(super) batch: Batch,
}

impl Shared {
    pub(super) fn new(options: &LogOptions) -> Self {
        Self {
            born: Instant::now(),
            state: Mutex::new(State {
                ring: Ring::new(bytes(options)),
                on_full: options.on_full,
                access: options.access,
                intake: Intake::Open,
                written: false,
                idle: false,
                writing: None,
            }),
            data: Condvar::new(),
            room: Condvar::new(),
            ended: Condvar::new(),
            recent: Mutex::default(),
            last: Mutex::new(None),
        }
    }

    pub(super) fn now(&self) -> Now {
        let wall = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            wall: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
            up: self.born.elapsed(),
        }
    }

    /// Takes records of the parts; waits for room if nothing is to be dropped.
    pub(super) fn put(&self, batch: &mut Batch, now: u64) {
        if batch.is_empty() {
            return;
        }
        self.remember(batch);
        let mut state = self.lock();
        let len = batch.bytes().len();
        while state.blocks() && !state.ring.has_room(len, 0) {
            state = self
                .room
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.ring.put(batch);
        state.make_room(now);
        self.wake_writer(state);
    }

    /// Takes records of the launcher; never waits.
    pub(super) fn put_own(&self, batch: &mut Batch, now: u64) {
        self.remember(batch);
        let mut state = self.lock();
        if state.is_closed()
            || (state.blocks() && !state.ring.has_room(batch.bytes().len(), RESERVE))
        {
            state.ring.admit(batch);
            state.ring.settle(std::mem::take(batch), 0, now);
            return;
        }
        state.ring.put(batch);
        state.make_room(now);
        self.wake_writer(state);
    }

    /// The next records to write; waits for them. None when there will be no more.
    pub(super) fn next(&self) -> Option<Work> {
        let mut state = self.lock();
        state.writing = None;
        loop {
            if let Some(batch) = state.ring.take() {
                state.writing = Some(Instant::now());
                let gap = state.ring.take_gap();
                return Some(Work { gap, batch });
            }
            if state.is_closed() {
                let gap = state.ring.take_gap()?;
                return Some(Work {
                    gap: Some(gap),
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

    /// Counts a record that goes past the queue.
    pub(super) fn admit(&self, batch: &Batch) {
        self.lock().ring.admit(batch);
    }

    /// Closes the account of a batch.
    pub(super) fn settle(&self, batch: Batch, written: usize, now: u64) {
        let mut state = self.lock();
        state.ring.settle(batch, written, now);
        let blocks = state.blocks();
        drop(state);
        if blocks {
            self.room.notify_all();
        }
    }

    pub(super) fn restore_gap(&self, gap: Gap) {
        self.lock().ring.restore_gap(gap);
    }

    pub(super) fn access(&self) -> AccessFilter {
        self.lock().access
    }

    pub(super) fn set(&self, options: &LogOptions) {
        let mut state = self.lock();
        state.on_full = options.on_full;
        state.access = options.access;
        state.ring.set_limit(bytes(options));
        drop(state);
        self.room.notify_all();
    }

    /// Keeps what is to be the last record.
    pub(super) fn keep_last(&self, level: Level, message: &str) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((level, message.to_owned()));
    }

    /// Gives it, once.
    pub(super) fn take_last(&self) -> Option<(Level, String)> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// The parts are being stopped: from now on none of them waits for room.
    pub(super) fn leave(&self) {
        let mut state = self.lock();
        if state.intake == Intake::Open {
            state.intake = Intake::Leaving;
        }
        drop(state);
        self.room.notify_all();
    }

    /// Tells the reader to read what is there and end.
    pub(super) fn drain(&self, until: Instant) {
        self.lock().intake = Intake::Draining(until);
        self.room.notify_all();
    }

    pub(super) fn drain_until(&self) -> Option<Instant> {
        match self.lock().intake {
            Intake::Draining(until) => Some(until),
            Intake::Open | Intake::Leaving | Intake::Closed { .. } => None,
        }
    }

    /// The reader's last word: no more records.
    pub(super) fn close(&self, drained: bool) {
        let mut state = self.lock();
        state.intake = Intake::Closed { drained };
        drop(state);
        self.data.notify_all();
        self.ended.notify_all();
    }

    /// The writer's last word.
    pub(super) fn written(&self, now: u64) {
        let mut state = self.lock();
        // After a limit there may be records that nobody will take any more.
        state.ring.abandon(now);
        state.written = true;
        drop(state);
        self.ended.notify_all();
    }

    /// Waits until the writer is done, but not beyond `until`.
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

    /// Whether the pipes were read to their end.
    pub(super) fn is_drained(&self) -> bool {
        self.lock().intake == Intake::Closed { drained: true }
    }

    pub(super) fn counters(&self) -> Counters {
        let state = self.lock();
        Counters {
            sources: state.ring.tallies(),
            stalled: state
                .writing
                .map(|since| since.elapsed())
                .filter(|&time| time >= STALL),
        }
    }

    pub(super) fn errors(&self) -> MutexGuard<'_, RecentErrors> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, batch: &mut Batch) {
        if !batch.errors.is_empty() {
            self.errors().extend(batch.errors.drain(..));
        }
    }

    fn wake_writer(&self, state: MutexGuard<'_, State>) {
        let idle = state.idle;
        drop(state);
        if idle {
            self.data.notify_one();
        }
    }

    /// A thread that panicked ended the launcher; the accounts are as good as they were.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether a full ring makes the parts wait. Never once they are being stopped: they could not
    /// end.
    fn blocks(&self) -> bool {
        self.on_full == OnFull::Block && self.intake == Intake::Open
    }

    /// Keeps the ring within its bound, where that is not done by waiting.
    fn make_room(&mut self, now: u64) {
        match (self.intake, self.on_full) {
            (Intake::Open, OnFull::Block) => {}
            (Intake::Open | Intake::Leaving, OnFull::Drop) => self.ring.make_room(0, now),
            (Intake::Leaving, OnFull::Block) | (Intake::Draining(_) | Intake::Closed { .. }, _) => {
                self.ring.make_room(LEFT, now);
            }
        }
    }

    fn is_closed(&self) -> bool {
        matches!(self.intake, Intake::Closed { .. })
    }
}

fn bytes(options: &LogOptions) -> usize {
    usize::try_from(options.buffer).unwrap_or(usize::MAX)
}
