//! How records become lines of the log. Pure.
//!
//! There is one renderer for each source: it keeps what does not change from line to line. A record
//! that would be longer than [`LINE_MAX`] is written as several chunks, each a valid line with an id,
//! a number and, on the last chunk, a mark that it is the last.

use super::{
    chunk::{ChunkSeries, RecordChunk},
    escape::boundary,
    json,
    stamp::Stamp,
    text, text_object,
};
use crate::logs::options::Format;
use crate::logs::queue::batch::Batch;
use crate::logs::queue::error_kinds::{self, LoggedError};
use crate::logs::queue::recent_errors::RecentError;
use crate::logs::record::{AccessRecord, Detail, Level, Origin, Record, Source};

/// The longest line in bytes, with its line end. Container engines split longer lines, and a part of
/// a JSON object is not valid JSON.
pub const LINE_MAX: usize = 16 * 1024;

/// The longest [`Detail::Fields`] in bytes that are written as
/// fields; longer ones would leave no room for a message.
pub(crate) const FIELDS_MAX: usize = 4 * 1024;

/// Writes the records of one source.
#[derive(Debug)]
pub struct Renderer {
    format: Format,
    source: Source,
    /// Distinguishes the renderers in the ids of chunks.
    number: usize,
    stamp: Stamp,
    /// Records below this level are left out.
    least: Level,
    /// The text between the time and the message, by level.
    heads: [String; 4],
    /// How many records were written in chunks so far.
    chunked: u64,
}

impl Renderer {
    /// A renderer for one source.
    pub fn new(format: Format, source: Source) -> Self {
        let head = |level| match format {
            Format::Json => json::head(source, level),
            Format::Text { colour } => text::head(source, level, colour),
        };
        Self {
            format,
            source,
            number: source.index(),
            least: Level::Debug,
            stamp: Stamp::new(),
            heads: [Level::Debug, Level::Info, Level::Warn, Level::Error].map(head),
            chunked: 0,
        }
    }

    /// For uWSGI's lines on the application's stderr.
    pub(crate) fn for_workers(format: Format) -> Self {
        Self {
            number: Source::ALL.len(),
            ..Self::new(format, Source::Uwsgi)
        }
    }

    /// Leaves records below `least` out from now on, and counts them as skipped. Access records have a filter of their own.
    pub(crate) fn set_level(&mut self, least: Level) {
        self.least = least;
    }

    fn is_below(&self, level: Level, batch: &mut Batch) -> bool {
        let below = level < self.least;
        if below {
            batch.skip(self.source);
        }
        below
    }

    /// Writes a record, in chunks if it is too long for one line.
    pub fn record(&mut self, record: &Record<'_>, batch: &mut Batch) {
        if self.is_below(record.level, batch) {
            return;
        }
        self.note_error(record, None, batch);
        self.write(record, None, batch);
        if batch.unsealed() <= LINE_MAX {
            batch.seal(self.source, self.stamp.day(), false);
        } else {
            batch.undo();
            let mut chunks = self.begin_chunks(record.at);
            self.chunks(record, &mut chunks, true, batch);
        }
    }

    /// Begins a record whose message will be passed to [`Renderer::chunks`].
    pub(crate) fn begin_chunks(&mut self, at: u64) -> ChunkSeries {
        self.chunked += 1;
        // Unique in one run of the launcher, and with the time almost surely in all runs.
        ChunkSeries {
            id: format!("{at:x}-{}-{}", self.number, self.chunked),
            next: 0,
        }
    }

    /// Writes a message, or more of it, in chunks; `last`: nothing of it follows.
    pub(crate) fn chunks(
        &mut self,
        record: &Record<'_>,
        series: &mut ChunkSeries,
        last: bool,
        batch: &mut Batch,
    ) {
        if record.level < self.least {
            // The record is counted once, at its end.
            if last {
                batch.skip(self.source);
            }
            return;
        }
        let mut rest = record.message;
        loop {
            let mut size = boundary(rest, LINE_MAX);
            loop {
                let (message, after) = rest.split_at(size);
                let chunk = RecordChunk {
                    id: &series.id,
                    seq: series.next,
                    last: last && after.is_empty(),
                };
                self.write(&Record { message, ..*record }, Some(chunk), batch);
                // Everything but the message is far below half a line, and no byte becomes more than six.
                let over = batch.unsealed().saturating_sub(LINE_MAX);
                if over == 0 || size < LINE_MAX / 32 {
                    break;
                }
                batch.undo();
                // Plain text fits when it is shorter by the excess; text with escapes has to be shortened by less.
                let less = over.min(size / 8);
                size = boundary(rest, size - less);
            }
            batch.seal(self.source, self.stamp.day(), true);
            series.next += 1;
            rest = &rest[size..];
            if rest.is_empty() {
                return;
            }
        }
    }

    fn write(&mut self, record: &Record<'_>, chunk: Option<RecordChunk<'_>>, batch: &mut Batch) {
        self.stamp.set(record.at);
        let (head, out) = (&self.heads[record.level as usize], batch.buffer());
        match self.format {
            Format::Json => json::record(&self.stamp, head, record, chunk, out),
            Format::Text { .. } if self.source == Source::Uwsgi => {
                // Both were read from the message.
                let (origin, detail) = (Origin::default(), Detail::None);
                let record = Record {
                    origin,
                    detail,
                    ..*record
                };
                text::record(&self.stamp, head, &record, chunk, out);
            }
            Format::Text { .. } => text::record(&self.stamp, head, record, chunk, out),
        }
    }

    /// Writes an access record; false when it is too long for one line and nothing was written.
    pub fn access(&mut self, record: &AccessRecord<'_>, batch: &mut Batch) -> bool {
        self.stamp.set(record.at);
        let (level, out) = (record.level(), batch.buffer());
        let head = &self.heads[level as usize];
        match self.format {
            Format::Json => json::access(&self.stamp, head, record, out),
            Format::Text { colour } => text::access(&self.stamp, head, record, colour, out),
        }
        if level == Level::Error {
            let mut message = Vec::new();
            json::summary(record, &mut message);
            self.note_recent(record.at, &message, batch);
        }
        self.seal_if_short(batch)
    }

    /// Writes a JSON object of the application, whose `message` is JSON without its quotes; false
    /// when it is too long for one line and nothing was written.
    pub fn object(&mut self, record: &Record<'_>, object: &[u8], batch: &mut Batch) -> bool {
        if self.is_below(record.level, batch) {
            return true;
        }
        self.stamp.set(record.at);
        let (head, out) = (&self.heads[record.level as usize], batch.buffer());
        match self.format {
            Format::Json => json::object(&self.stamp, head, record, object, out),
            Format::Text { .. } => {
                let message = text_object::message(object, record);
                let record = Record {
                    message: &message,
                    ..*record
                };
                text::record(&self.stamp, head, &record, None, out);
            }
        }
        let short = self.seal_if_short(batch);
        if short {
            self.note_error(record, Some(object), batch);
        }
        short
    }

    fn seal_if_short(&self, batch: &mut Batch) -> bool {
        let short = batch.unsealed() <= LINE_MAX;
        if short {
            batch.seal(self.source, self.stamp.day(), false);
        } else {
            batch.undo();
        }
        short
    }

    fn note_error(&mut self, record: &Record<'_>, object: Option<&[u8]>, batch: &mut Batch) {
        if record.level != Level::Error {
            return;
        }
        self.note_recent(record.at, record.message, batch);
        // The launcher's own are its events.
        if self.source != Source::Launcher {
            batch.observed.errors.push(error_kinds::facts(&LoggedError {
                at: record.at,
                source: self.source,
                message: record.message,
                request_id: record.origin.request_id,
                object,
            }));
        }
    }

    fn note_recent(&mut self, at: u64, message: &[u8], batch: &mut Batch) {
        self.stamp.set(at);
        batch.note_error(RecentError::new(self.stamp.micros(), self.source, message));
    }
}
