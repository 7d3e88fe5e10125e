//! The identity of the chunks of a record that is too long for one line. Pure.

/// A record that is being written in chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChunkSeries {
    /// The same on all chunks of the record.
    pub(crate) id: String,
    /// The number of the next chunk, from 0.
    pub(crate) next: u64,
}

/// What one chunk shows about its place in the record.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordChunk<'a> {
    pub(super) id: &'a str,
    pub(super) seq: u64,
    pub(super) last: bool,
}
