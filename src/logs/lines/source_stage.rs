//! The whole path of one source, from a read to rendered records. Pure.
//!
//! Time comes in as a value and nothing waits, so a test can pass any bytes in any reads at any moment
//! and check the records.

use std::time::Duration;

use super::{frame::Framer, line_handler::LineHandler, origin::LineMark};
use crate::logs::options::{AccessFilter, Format};
use crate::logs::queue::batch::Batch;
use crate::logs::record::{Level, Moment, Source};

/// A line without an end is written after this long.
pub const UNENDED: Duration = Duration::from_secs(1);

/// The state of one source between two reads.
#[derive(Debug)]
pub struct SourceStage {
    framer: Framer,
    /// When bytes last came, on the monotonic clock.
    fed: Duration,
    lines: LineHandler,
}

impl SourceStage {
    /// For a source that has a pipe; `mark` begins the heads of the application's lines.
    pub fn new(source: Source, format: Format, mark: LineMark) -> Self {
        let has_heads = matches!(source, Source::AppStdout | Source::AppStderr);
        Self {
            framer: Framer::with(has_heads.then_some(mark)),
            fed: Duration::ZERO,
            lines: LineHandler::new(source, format, mark),
        }
    }

    /// Leaves records below `least` out, but for access records, which have a filter of their own.
    #[must_use]
    pub fn from_level(mut self, least: Level) -> Self {
        self.lines.set_level(least);
        self
    }

    /// Changes which access records are kept from now on.
    pub fn set_access(&mut self, filter: AccessFilter) {
        self.lines.set_access(filter);
    }

    /// Takes the bytes of one read.
    pub fn feed(&mut self, bytes: &[u8], now: Moment, batch: &mut Batch) {
        self.fed = now.up;
        self.framer
            .feed(bytes, |line| self.lines.line(line, now, batch));
    }

    /// Writes lines without an end and incomplete records whose timeout is over.
    pub fn tick(&mut self, now: Moment, batch: &mut Batch) {
        if self.framer.is_pending() && self.fed + UNENDED <= now.up {
            self.framer.flush(|line| self.lines.line(line, now, batch));
        }
        self.lines.tick(now, batch);
    }

    /// Writes everything that is left.
    pub fn flush(&mut self, now: Moment, batch: &mut Batch) {
        self.framer.flush(|line| self.lines.line(line, now, batch));
        self.lines.flush(batch);
    }

    /// The earliest time, since the log began, for [`SourceStage::tick`] to write something; none when nothing waits.
    pub fn deadline(&self) -> Option<Duration> {
        let line = self.framer.is_pending().then(|| self.fed + UNENDED);
        line.into_iter().chain(self.lines.deadline()).min()
    }
}
