//! Records become lines of the log. Pure.
//!
//! One renderer for each source: it holds what does not change from line to line. A record that
//! would be longer than [`LINE_MAX`] is written as several, each whole in itself and marked with an
//! id, a number and, on the last, that it is the last.

use super::{
    Format,
    access::Entry,
    as_json, as_text,
    batch::Batch,
    escape::boundary,
    origin::Origin,
    recent::Recent,
    record::{Level, Record, Source},
    stamp::Stamp,
};

/// The longest line, with its line end. Container engines cut at this size, and JSON that was cut is
/// JSON no more.
pub const LINE_MAX: usize = 16 * 1024;

/// The longest [`super::record::Detail::Fields`] that are written as fields; what is longer would
/// not leave room for a message.
pub const FIELDS_MAX: usize = 4 * 1024;

/// Writes the records of one source.
#[derive(Debug)]
pub struct Renderer {
    format: Format,
    source: Source,
    /// Tells the renderers apart in the ids of pieces.
    way: usize,
    stamp: Stamp,
    /// What stands between the time and the message, by level.
    heads: [String; 4],
    /// Records that were written in pieces so far.
    cuts: u64,
}

/// A record that is written in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The same on all of its pieces.
    pub id: String,
    /// The number of the next piece, from 0.
    pub next: u64,
}

/// Which piece of a record a line is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) id: &'a str,
    pub(super) seq: u64,
    pub(super) last: bool,
}

impl Renderer {
    /// A renderer for one source.
    pub fn new(format: Format, source: Source) -> Self {
        let head = |level| match format {
            Format::Json => as_json::head(source, level),
            Format::Text { colour } => as_text::head(source, level, colour),
        };
        Self {
            format,
            source,
            way: source.index(),
            stamp: Stamp::new(),
            heads: [Level::Debug, Level::Info, Level::Warn, Level::Error].map(head),
            cuts: 0,
        }
    }

    /// The one for uWSGI's lines that come through the application's pipe.
    pub(super) fn for_workers(format: Format) -> Self {
        Self {
            way: Source::ALL.len(),
            ..Self::new(format, Source::Uwsgi)
        }
    }

    /// Writes a record, in pieces if it is too long.
    pub fn record(&mut self, record: &Record<'_>, batch: &mut Batch) {
        self.note(record.at, record.level, record.message, batch);
        self.write(record, None, batch);
        if batch.open() <= LINE_MAX {
            batch.seal(self.source, false);
        } else {
            batch.undo();
            let mut cut = self.cut(record.at);
            self.pieces(record, &mut cut, true, batch);
        }
    }

    /// Begins a record whose message will be handed to [`Renderer::pieces`].
    pub fn cut(&mut self, at: u64) -> Cut {
        self.cuts += 1;
        // Unique in one life of the launcher, and with the time in it almost surely beyond.
        Cut {
            id: format!("{at:x}-{}-{}", self.way, self.cuts),
            next: 0,
        }
    }

    /// Writes (more of) a message in pieces; `last` says that nothing follows.
    pub fn pieces(&mut self, record: &Record<'_>, cut: &mut Cut, last: bool, batch: &mut Batch) {
        let mut rest = record.message;
        loop {
            let mut size = boundary(rest, LINE_MAX);
            loop {
                let (message, after) = rest.split_at(size);
                let piece = Piece {
                    id: &cut.id,
                    seq: cut.next,
                    last: last && after.is_empty(),
                };
                self.write(&Record { message, ..*record }, Some(piece), batch);
                // All but the message is far below half a line, and no byte becomes more than six.
                let over = batch.open().saturating_sub(LINE_MAX);
                if over == 0 || size < LINE_MAX / 32 {
                    break;
                }
                batch.undo();
                // Plain text fits when it is shorter by what was too much; escapes make more of it.
                let less = over.min(size / 8);
                size = boundary(rest, size - less);
            }
            batch.seal(self.source, true);
            cut.next += 1;
            rest = &rest[size..];
            if rest.is_empty() {
                return;
            }
        }
    }

    fn write(&mut self, record: &Record<'_>, piece: Option<Piece<'_>>, batch: &mut Batch) {
        self.stamp.set(record.at);
        let (head, out) = (&self.heads[record.level as usize], batch.buffer());
        match self.format {
            Format::Json => as_json::record(&self.stamp, head, record, piece, out),
            Format::Text { .. } => as_text::record(&self.stamp, head, record, piece, out),
        }
    }

    /// Writes an access record; false when it is too long and nothing was written.
    pub fn access(&mut self, entry: &Entry<'_>, batch: &mut Batch) -> bool {
        self.stamp.set(entry.at);
        let (level, out) = (entry.level(), batch.buffer());
        let head = &self.heads[level as usize];
        match self.format {
            Format::Json => as_json::access(&self.stamp, head, entry, out),
            Format::Text { colour } => as_text::access(&self.stamp, head, entry, colour, out),
        }
        if level == Level::Error {
            let mut message = Vec::new();
            as_json::summary(entry, &mut message);
            self.note(entry.at, level, &message, batch);
        }
        self.seal_if_short(batch)
    }

    /// Writes a JSON object of the application, whose `message` is JSON without its quotes; false
    /// when it is too long and nothing was written.
    pub fn object(&mut self, record: &Record<'_>, object: &[u8], batch: &mut Batch) -> bool {
        self.stamp.set(record.at);
        let (head, out) = (&self.heads[record.level as usize], batch.buffer());
        match self.format {
            Format::Json => as_json::object(&self.stamp, head, record, object, out),
            Format::Text { .. } => {
                let text = as_text::object(object, record);
                let message = Record {
                    message: &text,
                    ..*record
                };
                as_text::record(&self.stamp, head, &message, None, out);
            }
        }
        let short = self.seal_if_short(batch);
        if short {
            self.note(record.at, record.level, record.message, batch);
        }
        short
    }

    fn seal_if_short(&self, batch: &mut Batch) -> bool {
        let short = batch.open() <= LINE_MAX;
        if short {
            batch.seal(self.source, false);
        } else {
            batch.undo();
        }
        short
    }

    fn note(&mut self, at: u64, level: Level, message: &[u8], batch: &mut Batch) {
        if level == Level::Error {
            self.stamp.set(at);
            batch.note(Recent::new(self.stamp.micros(), self.source, message));
        }
    }
}

/// Appends a number.
pub(super) fn decimal(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b"0123456789"[(number % 10) as usize];
        number /= 10;
        if number == 0 {
            return out.extend_from_slice(&digits[start..]);
        }
    }
}

/// Appends a duration as people say it: `3ms`, `1.25s`.
pub(super) fn duration(millis: u64, out: &mut Vec<u8>) {
    if millis < 1000 {
        decimal(millis, out);
        out.extend_from_slice(b"ms");
    } else {
        decimal(millis / 1000, out);
        let hundredths = millis % 1000 / 10;
        out.extend_from_slice(if hundredths < 10 { b".0" } else { b"." });
        decimal(hundredths, out);
        out.push(b's');
    }
}

/// Whether an origin says anything.
pub(super) fn is_known(origin: &Origin<'_>) -> bool {
    origin.pid.is_some() || !origin.request_id.is_empty()
}
