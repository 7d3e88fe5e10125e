//! The bounded queue between reading and writing, and the accounts of every record. Pure.
//!
//! It holds whole records. When there are too many bytes the oldest records go, one by one, and are
//! counted by source; what went is told once, in front of the oldest record that stayed. Records are
//! gathered in batches of some size, so that the writer has much to write at once.

use std::collections::VecDeque;

use super::{
    batch::Batch,
    counters::{Count, Tally},
    record::Source,
};

/// The least that a ring may hold: some records of the largest size.
const SMALLEST: usize = 64 * 1024;
const _: () = assert!(SMALLEST as u64 == super::options::SMALLEST_BUFFER);

/// Batches are gathered up to this size.
const GATHERED: usize = 64 * 1024;

/// Empty batches that are kept for later use.
const SPARE: usize = 4;

/// Records that are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gap {
    /// When the first of them was given up, microseconds since 1970.
    pub since: u64,
    /// By [`Source::index`].
    pub sources: [Count; 6],
}

impl Gap {
    /// All of them.
    pub fn total(&self) -> Count {
        self.sources
            .iter()
            .fold(Count::default(), |sum, &count| sum + count)
    }
}

/// The queue.
#[derive(Debug)]
pub struct Ring {
    queue: VecDeque<Batch>,
    spare: Vec<Batch>,
    /// In the queue; what the writer holds is not.
    bytes: usize,
    limit: usize,
    gap: Option<Gap>,
    tallies: [Tally; 6],
}

impl Ring {
    /// An empty queue for so many bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            spare: Vec::new(),
            bytes: 0,
            limit: limit.max(SMALLEST),
            gap: None,
            tallies: [Tally::default(); 6],
        }
    }

    /// Changes the bound; it holds from the next push on.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.max(SMALLEST);
    }

    /// Whether so many bytes more would stay within the bound; an empty ring takes anything.
    pub fn has_room(&self, bytes: usize, reserve: usize) -> bool {
        self.queue.is_empty() || self.bytes + bytes <= self.limit + reserve
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes all records of `batch`, which is empty afterwards, whatever that does to the bound.
    pub fn put(&mut self, batch: &mut Batch) {
        self.admit(batch);
        self.bytes += batch.bytes().len();
        match self.queue.back_mut() {
            Some(last) if last.bytes().len() + batch.bytes().len() <= GATHERED => {
                last.append(batch);
            }
            _ if batch.count() == 0 => {}
            _ => {
                let next = self.spare.pop().unwrap_or_default();
                self.queue.push_back(std::mem::replace(batch, next));
            }
        }
        batch.clear();
    }

    /// Gives up the oldest records until the rest is within the bound and a reserve, or is what came last: even
    /// where that alone is more, the writer must have had a chance to take it.
    pub fn make_room(&mut self, reserve: usize, now: u64) {
        while self.bytes > self.limit + reserve
            && self.queue.len() > 1
            && let Some(first) = self.queue.front_mut()
        {
            if let Some((len, mark)) = first.shift() {
                self.bytes -= len;
                self.give_up(mark.source, len, now);
            }
            // An empty batch would be handed to the writer as if there were something to say.
            if self.queue.front().is_some_and(|first| first.count() == 0) {
                let empty = self.queue.pop_front().unwrap_or_default();
                self.recycle(empty);
            }
        }
    }

    /// Counts records that do not go through the queue as produced and on their way.
    pub fn admit(&mut self, batch: &Batch) {
        for (len, mark) in batch.records() {
            let tally = &mut self.tallies[mark.source.index()];
            tally.produced.add(len);
            tally.buffered.add(len);
            tally.partial += u64::from(mark.partial);
        }
        self.tallies[Source::NginxAccess.index()].skipped += batch.skipped;
    }

    /// The oldest records, for the writer, who must [`Ring::settle`] them.
    pub fn take(&mut self) -> Option<Batch> {
        let batch = self.queue.pop_front()?;
        self.bytes -= batch.bytes().len();
        Some(batch)
    }

    /// What is missing in front of the oldest record.
    pub fn take_gap(&mut self) -> Option<Gap> {
        self.gap.take()
    }

    /// Puts back a gap that could not be told.
    pub fn restore_gap(&mut self, gap: Gap) {
        let mut whole = gap;
        if let Some(later) = self.gap {
            for (count, more) in whole.sources.iter_mut().zip(later.sources) {
                *count = *count + more;
            }
        }
        self.gap = Some(whole);
    }

    /// Closes the account of records of which the first `written` bytes were written: a record
    /// that was not written to its end is lost.
    pub fn settle(&mut self, batch: Batch, written: usize, now: u64) {
        let mut end = 0;
        for (len, mark) in batch.records() {
            end += len;
            if end <= written {
                let tally = &mut self.tallies[mark.source.index()];
                tally.buffered.remove(len);
                tally.delivered.add(len);
            } else {
                self.give_up(mark.source, len, now);
            }
        }
        self.recycle(batch);
    }

    /// Gives up everything in the queue.
    pub fn abandon(&mut self, now: u64) {
        while let Some(batch) = self.take() {
            self.settle(batch, 0, now);
        }
    }

    /// What became of the records, by [`Source::index`].
    pub fn tallies(&self) -> [Tally; 6] {
        self.tallies
    }

    fn give_up(&mut self, source: Source, len: usize, now: u64) {
        let tally = &mut self.tallies[source.index()];
        tally.buffered.remove(len);
        tally.dropped.add(len);
        let gap = self.gap.get_or_insert(Gap {
            since: now,
            ..Gap::default()
        });
        gap.sources[source.index()].add(len);
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
    use super::{Count, Ring, SMALLEST};
    use crate::logs::{Source, batch::Batch};
    use proptest::prelude::*;

    fn batch(sizes: &[(usize, usize)]) -> Batch {
        let mut batch = Batch::default();
        for &(size, source) in sizes {
            batch.buffer().extend(std::iter::repeat_n(b'x', size));
            batch.seal(Source::ALL[source], false);
        }
        batch
    }

    #[track_caller]
    fn check(ring: &Ring) {
        for tally in ring.tallies() {
            assert_eq!(
                tally.produced,
                tally.delivered + tally.dropped + tally.buffered
            );
        }
    }

    #[test]
    fn the_oldest_go_first_and_the_gap_is_told_once() {
        let mut ring = Ring::new(0);
        let half = SMALLEST / 2;
        for source in 0..4 {
            ring.put(&mut batch(&[(half + 1, source)]));
            ring.make_room(0, 100 + source as u64);
        }
        let gap = ring.take_gap().unwrap();
        assert_eq!((gap.since, gap.total().lines), (101, 3));
        assert_eq!(gap.sources[3], Count::default());
        assert_eq!(ring.take_gap(), None);
        assert_eq!(
            ring.take().unwrap().records().next().unwrap().1.source,
            Source::ALL[3]
        );
    }

    #[test]
    fn what_came_last_is_kept_whatever_its_size() {
        let mut ring = Ring::new(0);
        ring.put(&mut batch(&[(2 * SMALLEST, 0), (2 * SMALLEST, 1)]));
        ring.make_room(0, 0);
        assert_eq!(ring.take().unwrap().count(), 2);
    }

    #[test]
    fn a_record_that_was_not_written_to_its_end_is_lost() {
        let mut ring = Ring::new(0);
        ring.put(&mut batch(&[(10, 1), (10, 1), (10, 1)]));
        let taken = ring.take().unwrap();
        ring.settle(taken, 29, 7);
        let tally = ring.tallies()[1];
        assert_eq!((tally.delivered.lines, tally.dropped.lines), (2, 1));
        assert_eq!(ring.take_gap().unwrap().since, 7);
    }

    proptest! {
        #[test]
        fn every_record_is_counted_once_and_in_order(
            steps in prop::collection::vec(
                (prop::collection::vec((1usize..9000, 0usize..6), 0..20), any::<bool>(), 0usize..90_000),
                0..60,
            ),
        ) {
            let mut ring = Ring::new(0);
            let (mut produced, mut told) = (Count::default(), Count::default());
            for (sizes, write, written) in steps {
                for &(size, _) in &sizes {
                    produced.add(size);
                }
                ring.put(&mut batch(&sizes));
                ring.make_room(0, 1);
                check(&ring);
                if write && let Some(taken) = ring.take() {
                    if let Some(gap) = ring.take_gap() {
                        told = told + gap.total();
                    }
                    ring.settle(taken, written, 1);
                    check(&ring);
                }
            }
            ring.abandon(1);
            check(&ring);
            let sum = |figure: fn(&crate::logs::Tally) -> Count| {
                ring.tallies().iter().map(figure).fold(Count::default(), |sum, count| sum + count)
            };
            prop_assert_eq!(sum(|tally| tally.produced), produced);
            prop_assert_eq!(sum(|tally| tally.buffered), Count::default());
            let dropped = sum(|tally| tally.dropped);
            prop_assert_eq!(told + ring.take_gap().unwrap_or_default().total(), dropped);
        }
    }
}
