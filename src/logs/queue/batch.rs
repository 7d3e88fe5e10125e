//! Rendered records one after another, and where each ends. Pure.
//!
//! The pipeline passes batches on: one buffer for many records, so that no record costs an
//! allocation. The record ends keep what the bytes alone do not show: the source of a record, and
//! where a text record of several lines ends.

use super::recent_errors::{KEPT, RecentError};
use crate::logs::observed::Observed;
use crate::logs::record::{ShedCause, Source, WorkerEvent};

/// A buffer larger than this is not kept for the next batch.
const LARGEST: usize = 512 * 1024;

/// Where a record ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordEnd {
    /// Offset after its last byte.
    pub end: usize,
    /// The stream that the record came from.
    pub source: Source,
    /// The number of its day, from 1970-01-01 on.
    pub day: u32,
    /// A chunk of a record that was too long for one line.
    pub partial: bool,
}

/// Rendered records.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    ends: Vec<RecordEnd>,
    /// How many records at the start were removed.
    gone: usize,
    /// Records that were read and not kept, by [`Source::index`].
    pub skipped: [u64; Source::ALL.len()],
    /// Requests that the product itself has refused, kept or not, by [`ShedCause::index`].
    pub shed: [u64; ShedCause::ALL.len()],
    /// What the lines say about workers of the application.
    pub workers: Vec<WorkerEvent>,
    /// The last errors among the records.
    pub errors: Vec<RecentError>,
    /// What is to be counted of the records and of those that were not kept.
    pub observed: Observed,
}

impl Batch {
    /// The buffer that a record is written to before [`Batch::seal`].
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends the record that was written since the last call.
    pub fn seal(&mut self, source: Source, day: u32, partial: bool) {
        self.ends.push(RecordEnd {
            end: self.bytes.len(),
            source,
            day,
            partial,
        });
    }

    /// Removes what was written since the last record.
    pub fn undo(&mut self) {
        self.bytes
            .truncate(self.ends.last().map_or(0, |last| last.end));
    }

    /// How many bytes were written since the last record.
    pub fn unsealed(&self) -> usize {
        self.bytes.len() - self.ends.last().map_or(0, |last| last.end)
    }

    /// Counts a record that is not kept.
    pub fn skip(&mut self, source: Source) {
        self.skipped[source.index()] += 1;
    }

    /// Records an error for `status`; only the last ones are kept.
    pub fn note_error(&mut self, error: RecentError) {
        if self.errors.len() >= KEPT {
            self.errors.remove(0);
        }
        self.errors.push(error);
    }

    /// The bytes of the records that were not removed.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.start()..]
    }

    /// The length and the end of each record that was not removed.
    pub fn records(&self) -> impl Iterator<Item = (usize, RecordEnd)> {
        let mut start = self.start();
        self.ends[self.gone..].iter().map(move |&record| {
            let len = record.end - start;
            start = record.end;
            (len, record)
        })
    }

    /// How many records were not removed.
    pub fn count(&self) -> usize {
        self.ends.len() - self.gone
    }

    /// Whether there is nothing to count, not even a skipped record.
    pub fn is_empty(&self) -> bool {
        self.count() == 0 && self.skipped == [0; Source::ALL.len()]
    }

    /// Removes the first record; returns its length and end.
    pub fn shift(&mut self) -> Option<(usize, RecordEnd)> {
        let first = self.records().next()?;
        self.gone += 1;
        Some(first)
    }

    /// Appends the records of another batch.
    pub fn append(&mut self, other: &Self) {
        let mut end = self.bytes.len();
        self.bytes.extend_from_slice(other.bytes());
        self.ends.extend(other.records().map(|(len, record)| {
            end += len;
            RecordEnd { end, ..record }
        }));
    }

    /// Empties the batch for reuse. Memory that one long record took is freed.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(LARGEST);
        self.ends.clear();
        self.gone = 0;
        self.skipped = [0; Source::ALL.len()];
        self.shed = [0; ShedCause::ALL.len()];
        self.workers.clear();
        self.errors.clear();
    }

    fn start(&self) -> usize {
        self.gone
            .checked_sub(1)
            .map_or(0, |last| self.ends[last].end)
    }
}
