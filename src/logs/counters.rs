//! What became of the records, in numbers. Pure.

use std::time::Duration;

use super::record::Source;

/// Records and their bytes, as they stand in the log. A traceback is one record, and so is each
/// piece of a record that was too long for one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Records.
    pub lines: u64,
    /// Bytes, line ends included.
    pub bytes: u64,
}

impl Count {
    /// Counts one record.
    pub fn add(&mut self, bytes: usize) {
        self.lines += 1;
        self.bytes += bytes as u64;
    }

    /// Counts one record less.
    pub fn remove(&mut self, bytes: usize) {
        self.lines -= 1;
        self.bytes -= bytes as u64;
    }
}

impl std::ops::Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            lines: self.lines + other.lines,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// What became of the records of one source. At any moment
/// `produced = delivered + dropped + buffered`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Read and rendered.
    pub produced: Count,
    /// Written to stdout to the last byte.
    pub delivered: Count,
    /// Given up, because the buffer was full or stdout gone.
    pub dropped: Count,
    /// On their way.
    pub buffered: Count,
    /// Access records that nobody wanted; they are not among the produced.
    pub skipped: u64,
    /// Of the produced, those that are pieces.
    pub partial: u64,
}

/// What became of all records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// By [`Source::index`].
    pub sources: [Tally; 6],
    /// How long stdout has been taking nothing, if that is so.
    pub stalled: Option<Duration>,
}

impl Counters {
    /// Of one source.
    pub fn of(&self, source: Source) -> &Tally {
        &self.sources[source.index()]
    }

    /// Given up, all sources together.
    pub fn dropped(&self) -> Count {
        self.sum(|tally| tally.dropped)
    }

    /// On their way, all sources together.
    pub fn buffered(&self) -> Count {
        self.sum(|tally| tally.buffered)
    }

    /// One figure over all sources.
    pub fn sum(&self, figure: impl Fn(&Tally) -> Count) -> Count {
        self.sources
            .iter()
            .map(figure)
            .fold(Count::default(), |sum, count| sum + count)
    }
}

/// How the log ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The last word on every record. What could not be written within the limit is dropped; only a
    /// terminal that holds a write (Ctrl-S) leaves something buffered, whose fate nobody knows.
    pub counters: Counters,
    /// Everything that was read got written, and everything that was written by the parts got read.
    pub complete: bool,
}
