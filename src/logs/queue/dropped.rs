//! What is missing in the log since the last notice about it. Pure.

use super::counters::RecordCount;

/// Records that were dropped between two records of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DroppedRecords {
    /// When the first of them was dropped, microseconds since 1970.
    pub since: u64,
    /// By [`Source::index`](crate::logs::record::Source::index).
    pub sources: [RecordCount; 6],
}

impl DroppedRecords {
    /// The sum over all sources.
    pub(crate) fn total(&self) -> RecordCount {
        self.sources
            .iter()
            .fold(RecordCount::default(), |sum, &count| sum + count)
    }

    /// This and what was dropped later, as one.
    pub(crate) fn with_later(mut self, later: Option<Self>) -> Self {
        if let Some(later) = later {
            for (count, more) in self.sources.iter_mut().zip(later.sources) {
                *count = *count + more;
            }
        }
        self
    }
}
