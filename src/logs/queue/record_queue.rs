//! The bounded queue of rendered records, with the accounts of each source. Pure.
//!
//! The queue holds whole records. Beyond its limit in bytes the oldest records are dropped, one by
//! one, and counted by source; one notice in front of the oldest remaining record says what is
//! missing. Records are collected into batches, so that the writer writes much at once.

use std::collections::VecDeque;

use super::{batch::Batch, counters::Tally, dropped::DroppedRecords};
use crate::logs::options::SMALLEST_BUFFER;
use crate::logs::record::{ShedCause, Source};

/// Records are collected into batches of up to this many bytes.
const BATCH_BYTES: usize = 64 * 1024;

/// Empty batches that are kept for reuse.
const SPARE: usize = 4;

/// The queue and its accounts.
#[derive(Debug)]
pub(crate) struct RecordQueue {
    batches: VecDeque<Batch>,
    spare: Vec<Batch>,
    /// Bytes in the queue, without those that the writer holds.
    bytes: usize,
    limit: usize,
    dropped: Option<DroppedRecords>,
    tallies: [Tally; 6],
    shed: [u64; ShedCause::ALL.len()],
}

impl RecordQueue {
    /// An empty queue; `limit` is in bytes and at least [`SMALLEST_BUFFER`].
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            batches: VecDeque::new(),
            spare: Vec::new(),
            bytes: 0,
            limit: limit.max(SMALLEST_BUFFER),
            dropped: None,
            tallies: [Tally::default(); 6],
            shed: [0; ShedCause::ALL.len()],
        }
    }

    /// Changes the limit, with effect from the next [`RecordQueue::make_room`] on.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit.max(SMALLEST_BUFFER);
    }

    /// Whether `bytes` more would stay within the limit and `reserve` bytes; an empty queue accepts any number.
    pub(crate) fn has_room(&self, bytes: usize, reserve: usize) -> bool {
        self.batches.is_empty() || self.bytes + bytes <= self.limit + reserve
    }

    /// Moves all records of `batch` into the queue, even beyond the limit, and empties `batch`.
    pub(crate) fn put(&mut self, batch: &mut Batch) {
        self.admit(batch);
        self.bytes += batch.bytes().len();
        match self.batches.back_mut() {
            Some(last) if last.bytes().len() + batch.bytes().len() <= BATCH_BYTES => {
                last.append(batch);
            }
            _ if batch.count() == 0 => {}
            _ => {
                let next = self.spare.pop().unwrap_or_default();
                self.batches.push_back(std::mem::replace(batch, next));
            }
        }
        batch.clear();
    }

    /// Drops the oldest records until the rest is within the limit and `reserve` bytes. The last batch stays even where it
    /// alone is larger: the writer must have had a chance to take it.
    pub(crate) fn make_room(&mut self, reserve: usize, now: u64) {
        while self.bytes > self.limit + reserve
            && self.batches.len() > 1
            && let Some(first) = self.batches.front_mut()
        {
            if let Some((len, record)) = first.shift() {
                self.bytes -= len;
                self.drop_record(record.source, len, now);
            }
            // The writer would take an empty batch for records to write.
            if self.batches.front().is_some_and(|first| first.count() == 0) {
                let empty = self.batches.pop_front().unwrap_or_default();
                self.recycle(empty);
            }
        }
    }

    /// Counts records as produced and buffered, without putting them into the queue.
    pub(crate) fn admit(&mut self, batch: &Batch) {
        for (len, record) in batch.records() {
            let tally = &mut self.tallies[record.source.index()];
            tally.produced.add(len);
            tally.buffered.add(len);
            tally.partial += u64::from(record.partial);
        }
        for (tally, more) in self.tallies.iter_mut().zip(batch.skipped) {
            tally.skipped += more;
        }
        for (sum, more) in self.shed.iter_mut().zip(batch.shed) {
            *sum += more;
        }
    }

    /// Removes the oldest records for the writer, which must [`settle`](RecordQueue::settle) them.
    pub(crate) fn take(&mut self) -> Option<Batch> {
        let batch = self.batches.pop_front()?;
        self.bytes -= batch.bytes().len();
        Some(batch)
    }

    /// What was dropped in front of the oldest record, for a notice.
    pub(crate) fn take_dropped(&mut self) -> Option<DroppedRecords> {
        self.dropped.take()
    }

    /// Puts back what a notice could not be written about.
    pub(crate) fn restore_dropped(&mut self, dropped: DroppedRecords) {
        self.dropped = Some(dropped.with_later(self.dropped));
    }

    /// Closes the account of records of which the first `written` bytes were written. A record
    /// that was not written to its end counts as dropped.
    pub(crate) fn settle(&mut self, batch: Batch, written: usize, now: u64) {
        let mut end = 0;
        for (len, record) in batch.records() {
            end += len;
            if end <= written {
                let tally = &mut self.tallies[record.source.index()];
                tally.buffered.remove(len);
                tally.delivered.add(len);
            } else {
                self.drop_record(record.source, len, now);
            }
        }
        self.recycle(batch);
    }

    /// Drops everything in the queue.
    pub(crate) fn abandon(&mut self, now: u64) {
        while let Some(batch) = self.take() {
            self.settle(batch, 0, now);
        }
    }

    /// The accounts, by [`Source::index`].
    pub(crate) fn tallies(&self) -> [Tally; 6] {
        self.tallies
    }

    /// Refused requests, by [`ShedCause::index`].
    pub(crate) fn shed(&self) -> [u64; ShedCause::ALL.len()] {
        self.shed
    }

    fn drop_record(&mut self, source: Source, len: usize, now: u64) {
        let tally = &mut self.tallies[source.index()];
        tally.buffered.remove(len);
        tally.dropped.add(len);
        let dropped = self.dropped.get_or_insert(DroppedRecords {
            since: now,
            ..DroppedRecords::default()
        });
        dropped.sources[source.index()].add(len);
    }

    fn recycle(&mut self, mut batch: Batch) {
        if self.spare.len() < SPARE {
            batch.clear();
            self.spare.push(batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{RecordQueue, SMALLEST_BUFFER};
    use crate::logs::queue::batch::Batch;
    use crate::logs::queue::counters::{RecordCount, Tally};
    use crate::logs::record::Source;
    use proptest::prelude::*;

    fn batch(sizes: &[(usize, usize)]) -> Batch {
        let mut batch = Batch::default();
        for &(size, source) in sizes {
            batch.buffer().extend(std::iter::repeat_n(b'x', size));
            batch.seal(Source::ALL[source], 0, false);
        }
        batch
    }

    #[track_caller]
    fn check(queue: &RecordQueue) {
        for tally in queue.tallies() {
            assert_eq!(
                tally.produced,
                tally.delivered + tally.dropped + tally.buffered
            );
        }
    }

    #[test]
    fn the_oldest_are_dropped_first_and_reported_once() {
        let mut queue = RecordQueue::new(0);
        let half = SMALLEST_BUFFER / 2;
        for source in 0..4 {
            queue.put(&mut batch(&[(half + 1, source)]));
            queue.make_room(0, 100 + source as u64);
        }
        let dropped = queue.take_dropped().unwrap();
        assert_eq!((dropped.since, dropped.total().lines), (101, 3));
        assert_eq!(dropped.sources[3], RecordCount::default());
        assert_eq!(queue.take_dropped(), None);
        assert_eq!(
            queue.take().unwrap().records().next().unwrap().1.source,
            Source::ALL[3]
        );
    }

    #[test]
    fn the_last_batch_is_kept_whatever_its_size() {
        let mut queue = RecordQueue::new(0);
        queue.put(&mut batch(&[
            (2 * SMALLEST_BUFFER, 0),
            (2 * SMALLEST_BUFFER, 1),
        ]));
        queue.make_room(0, 0);
        assert_eq!(queue.take().unwrap().count(), 2);
    }

    #[test]
    fn a_record_that_was_not_written_to_its_end_is_dropped() {
        let mut queue = RecordQueue::new(0);
        queue.put(&mut batch(&[(10, 1), (10, 1), (10, 1)]));
        let taken = queue.take().unwrap();
        queue.settle(taken, 29, 7);
        let tally = queue.tallies()[1];
        assert_eq!((tally.delivered.lines, tally.dropped.lines), (2, 1));
        assert_eq!(queue.take_dropped().unwrap().since, 7);
    }

    proptest! {
        #[test]
        fn every_record_is_counted_once_and_in_order(
            steps in prop::collection::vec(
                (prop::collection::vec((1usize..9000, 0usize..6), 0..20), any::<bool>(), 0usize..90_000),
                0..60,
            ),
        ) {
            let mut queue = RecordQueue::new(0);
            let (mut produced, mut reported) = (RecordCount::default(), RecordCount::default());
            for (sizes, write, written) in steps {
                for &(size, _) in &sizes {
                    produced.add(size);
                }
                queue.put(&mut batch(&sizes));
                queue.make_room(0, 1);
                check(&queue);
                if write && let Some(taken) = queue.take() {
                    if let Some(dropped) = queue.take_dropped() {
                        reported = reported + dropped.total();
                    }
                    queue.settle(taken, written, 1);
                    check(&queue);
                }
            }
            queue.abandon(1);
            check(&queue);
            let sum = |figure: fn(&Tally) -> RecordCount| {
                queue.tallies().iter().map(figure).fold(RecordCount::default(), |sum, count| sum + count)
            };
            prop_assert_eq!(sum(|tally| tally.produced), produced);
            prop_assert_eq!(sum(|tally| tally.buffered), RecordCount::default());
            let dropped = sum(|tally| tally.dropped);
            prop_assert_eq!(reported + queue.take_dropped().unwrap_or_default().total(), dropped);
        }
    }
}
