//! Rendered records one after another, and where each ends. Pure.
//!
//! A batch is what the pipeline passes on: one buffer for many records, so that no record costs an
//! allocation. The marks keep what the bytes alone do not tell: whose record it is, and in text
//! where one of several lines ends.

use super::{
    recent::{KEPT, Recent},
    record::Source,
};

/// Where a record ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Offset after its last byte.
    pub end: usize,
    /// The part that wrote it.
    pub source: Source,
    /// A piece of a record that was too long for one.
    pub partial: bool,
}

/// Rendered records.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    marks: Vec<Mark>,
    /// How many records at the start were taken away again.
    gone: usize,
    /// Access records that were read and are not wanted.
    pub skipped: u64,
    /// The last errors among the records.
    pub errors: Vec<Recent>,
}

impl Batch {
    /// The buffer to which a record is written, before [`Batch::seal`].
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends the record that was written since the last one.
    pub fn seal(&mut self, source: Source, partial: bool) {
        self.marks.push(Mark {
            end: self.bytes.len(),
            source,
            partial,
        });
    }

    /// Takes back what was written since the last record.
    pub fn undo(&mut self) {
        self.bytes
            .truncate(self.marks.last().map_or(0, |mark| mark.end));
    }

    /// How many bytes were written since the last record.
    pub fn open(&self) -> usize {
        self.bytes.len() - self.marks.last().map_or(0, |mark| mark.end)
    }

    /// Remembers an error for those who ask later; the last ones stay.
    pub fn note(&mut self, error: Recent) {
        if self.errors.len() >= KEPT {
            self.errors.remove(0);
        }
        self.errors.push(error);
    }

    /// The records that are still there.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.start()..]
    }

    /// Each record that is still there: its length and its mark.
    pub fn records(&self) -> impl Iterator<Item = (usize, Mark)> {
        let mut start = self.start();
        self.marks[self.gone..].iter().map(move |&mark| {
            let len = mark.end - start;
            start = mark.end;
            (len, mark)
        })
    }

    /// How many records are still there.
    pub fn count(&self) -> usize {
        self.marks.len() - self.gone
    }

    /// Whether there is nothing to tell, not even a skipped record.
    pub fn is_empty(&self) -> bool {
        self.count() == 0 && self.skipped == 0
    }

    /// Takes the first record away and returns its length and mark.
    pub fn shift(&mut self) -> Option<(usize, Mark)> {
        let first = self.records().next()?;
        self.gone += 1;
        Some(first)
    }

    /// Appends the records of another.
    pub fn append(&mut self, other: &Self) {
        let mut end = self.bytes.len();
        self.bytes.extend_from_slice(other.bytes());
        self.marks.extend(other.records().map(|(len, mark)| {
            end += len;
            Mark { end, ..mark }
        }));
    }

    /// Empties it for the next use. A buffer that one long record has blown up is given back.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(LARGEST);
        self.marks.clear();
        self.gone = 0;
        self.skipped = 0;
        self.errors.clear();
    }

    fn start(&self) -> usize {
        self.gone
            .checked_sub(1)
            .map_or(0, |last| self.marks[last].end)
    }
}

/// A buffer above this is not kept for the next batch.
const LARGEST: usize = 512 * 1024;
