//! The accounts: how many records were produced, delivered and dropped. Pure.

use std::time::Duration;

use crate::logs::record::{ShedCause, Source};

/// Records and their bytes, as they appear in the log. A traceback is one record, and so is each chunk of a record that was
/// too long for one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordCount {
    /// Records, called lines in the log and in metrics.
    pub lines: u64,
    /// Bytes, line ends included.
    pub bytes: u64,
}

impl RecordCount {
    /// Counts one more record, of `bytes` bytes.
    pub fn add(&mut self, bytes: usize) {
        self.lines += 1;
        self.bytes += bytes as u64;
    }

    /// Counts one record less, of `bytes` bytes.
    pub fn remove(&mut self, bytes: usize) {
        self.lines -= 1;
        self.bytes -= bytes as u64;
    }
}

impl std::ops::Add for RecordCount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            lines: self.lines + other.lines,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// The account of one source. At any moment `produced = delivered + dropped + buffered`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Read and rendered.
    pub produced: RecordCount,
    /// Written to stdout to the last byte.
    pub delivered: RecordCount,
    /// Not written, because the buffer was full or stdout closed.
    pub dropped: RecordCount,
    /// In the queue or being written.
    pub buffered: RecordCount,
    /// Access records of health checks and those that the filter excluded, and records below the level of the log; not among
    /// the produced.
    pub skipped: u64,
    /// How many of the produced are chunks of longer records.
    pub partial: u64,
}

/// The accounts of all sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// By [`Source::index`].
    pub sources: [Tally; 6],
    /// Requests that the product itself has refused, by [`ShedCause::index`].
    pub shed: [u64; ShedCause::ALL.len()],
    /// How long stdout has accepted nothing, if it is stalled.
    pub stalled: Option<Duration>,
}

impl Counters {
    /// The account of one source.
    pub fn of(&self, source: Source) -> &Tally {
        &self.sources[source.index()]
    }

    /// Dropped records of all sources.
    pub fn dropped(&self) -> RecordCount {
        self.sum(|tally| tally.dropped)
    }

    /// Records of all sources that are in the queue or being written.
    pub fn buffered(&self) -> RecordCount {
        self.sum(|tally| tally.buffered)
    }

    /// The sum of one figure over all sources.
    pub fn sum(&self, figure: impl Fn(&Tally) -> RecordCount) -> RecordCount {
        self.sources
            .iter()
            .map(figure)
            .fold(RecordCount::default(), |sum, count| sum + count)
    }
}

/// How the log ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The final accounts. What could not be written within the limit counts as dropped. Records stay buffered only when a
    /// terminal holds a write (Ctrl-S): then it is unknown whether they are written.
    pub counters: Counters,
    /// Everything that the children wrote was read, and everything that was read was written.
    pub complete: bool,
}
