//! Joins the lines of one record: a traceback, or lines that the entry module marked as one. Pure.
//!
//! Lines are joined separately for each process, so tracebacks that workers print at the same time
//! are not mixed. An incomplete record is kept until a line shows that it has ended, within limits of
//! time, size and number: at a limit the lines so far are written.

use std::time::Duration;

use super::traceback::{self, TracebackState};
use crate::logs::record::{Level, Origin};

/// An incomplete record waits this long for its next line.
pub(crate) const IDLE: Duration = Duration::from_millis(200);

/// The most lines of one record.
pub(crate) const LINES: usize = 500;

/// The most bytes of one record.
pub(crate) const BYTES: usize = 256 * 1024;

/// The most incomplete records at a time. There is at most one for each process, so workers alone hardly reach it.
const WAITING: usize = 64;

/// A record of several lines, joined.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JoinedRecord<'a> {
    /// When its first line was read, microseconds since 1970.
    pub at: u64,
    /// The severity, if the lines show one.
    pub level: Option<Level>,
    /// The request and process it belongs to.
    pub origin: Origin<'a>,
    /// The lines, with line ends between them.
    pub text: &'a [u8],
}

/// A line that may be part of a record of several lines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CandidateLine<'a> {
    /// The request and process it belongs to.
    pub origin: Origin<'a>,
    /// The level that the line shows, if any.
    pub level: Option<Level>,
    /// The line without its head.
    pub text: &'a [u8],
    /// When it was read, microseconds since 1970.
    pub at: u64,
    /// The same moment on the monotonic clock, since the log began.
    pub up: Duration,
}

/// The incomplete records of one source, at most one for each process.
#[derive(Debug, Default)]
pub(crate) struct RecordGroups {
    waiting: Vec<OpenGroup>,
}

/// A record that may continue.
#[derive(Debug)]
struct OpenGroup {
    at: u64,
    touched: Duration,
    level: Option<Level>,
    request_id: String,
    trace_id: String,
    pid: Option<u32>,
    text: Vec<u8>,
    lines: usize,
    extent: Extent,
}

/// What shows where a record ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// The form of a traceback.
    Traceback(TracebackState),
    /// The `+` in the heads of all lines but the last.
    Marked,
}

impl RecordGroups {
    /// Takes a line that belongs to a record of several lines or may begin one; false for any other
    /// line. Passes on every record that is now complete; these precede the line.
    pub(crate) fn take(
        &mut self,
        line: CandidateLine<'_>,
        mut emit: impl FnMut(JoinedRecord<'_>),
    ) -> bool {
        let same = |group: &OpenGroup| group.pid == line.origin.pid;
        if !self.waiting.is_empty()
            && let Some(place) = self.waiting.iter().position(same)
        {
            let group = &mut self.waiting[place];
            match group.joins(line) {
                Some(extent) => {
                    group.join(line, extent, &mut emit);
                    if extent == Extent::Marked && !line.origin.more {
                        self.waiting.remove(place).end(&mut emit);
                    }
                    return true;
                }
                None => self.waiting.remove(place).end(&mut emit),
            }
        }
        let Some((extent, level)) = opens(line) else {
            return false;
        };
        if self.waiting.len() >= WAITING {
            self.waiting.remove(0).end(&mut emit);
        }
        self.waiting.push(OpenGroup {
            at: line.at,
            touched: line.up,
            level,
            request_id: line.origin.request_id.to_owned(),
            trace_id: line.origin.trace_id.to_owned(),
            pid: line.origin.pid,
            text: line.text.to_vec(),
            lines: 1,
            extent,
        });
        true
    }

    /// Passes on the records whose next line did not come in time ([`IDLE`]).
    pub(crate) fn tick(&mut self, up: Duration, mut emit: impl FnMut(JoinedRecord<'_>)) {
        while let Some(place) = self
            .waiting
            .iter()
            .position(|group| group.touched + IDLE <= up)
        {
            self.waiting.remove(place).end(&mut emit);
        }
    }

    /// Passes on the incomplete records of the processes for which `meant` returns true.
    pub(crate) fn flush(
        &mut self,
        meant: impl Fn(Option<u32>) -> bool,
        mut emit: impl FnMut(JoinedRecord<'_>),
    ) {
        while let Some(place) = self.waiting.iter().position(|group| meant(group.pid)) {
            self.waiting.remove(place).end(&mut emit);
        }
    }

    /// The earliest time for [`RecordGroups::tick`] to pass on a record; none when none waits.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.waiting.iter().map(|group| group.touched + IDLE).min()
    }
}

/// Whether the line may begin a record of several lines: what shows its end, and its level.
fn opens(line: CandidateLine<'_>) -> Option<(Extent, Option<Level>)> {
    let state = traceback::opens(line.text);
    let level = line.level.or(state.map(|_| Level::Error));
    if line.origin.more {
        return Some((Extent::Marked, level));
    }
    // A logged exception begins with a line about what failed, and rarely below level `warning`.
    let head = || {
        line.level
            .filter(|&level| level >= Level::Warn)
            .map(|_| TracebackState::Head)
    };
    Some((Extent::Traceback(state.or_else(head)?), level))
}

impl OpenGroup {
    fn joins(&self, line: CandidateLine<'_>) -> Option<Extent> {
        let of_another =
            self.request_id != line.origin.request_id || self.trace_id != line.origin.trace_id;
        if of_another {
            return None;
        }
        match self.extent {
            Extent::Marked => Some(Extent::Marked),
            Extent::Traceback(state) => traceback::next(state, line.text).map(Extent::Traceback),
        }
    }

    fn join(
        &mut self,
        line: CandidateLine<'_>,
        extent: Extent,
        emit: &mut impl FnMut(JoinedRecord<'_>),
    ) {
        if self.lines >= LINES || self.text.len() + line.text.len() > BYTES {
            self.emit(emit);
            self.text.clear();
            self.lines = 0;
            self.at = line.at;
        }
        self.touched = line.up;
        let before = std::mem::replace(&mut self.extent, extent);
        if extent == Extent::Traceback(TracebackState::Blank) {
            // The blank line belongs to the record only if a chain follows.
            return;
        }
        if before == Extent::Traceback(TracebackState::Blank) {
            self.push(b"");
        }
        self.push(line.text);
        if extent == Extent::Marked && self.level.is_none() {
            self.level = traceback::opens(line.text).map(|_| Level::Error);
        }
    }

    fn push(&mut self, line: &[u8]) {
        if self.lines > 0 {
            self.text.push(b'\n');
        }
        self.text.extend_from_slice(line);
        self.lines += 1;
    }

    fn end(self, emit: &mut impl FnMut(JoinedRecord<'_>)) {
        self.emit(emit);
        if self.extent == Extent::Traceback(TracebackState::Blank) {
            emit(JoinedRecord {
                text: b"",
                level: None,
                ..self.joined()
            });
        }
    }

    fn emit(&self, emit: &mut impl FnMut(JoinedRecord<'_>)) {
        if self.lines > 0 {
            emit(self.joined());
        }
    }

    fn joined(&self) -> JoinedRecord<'_> {
        JoinedRecord {
            at: self.at,
            level: self.level,
            origin: Origin {
                request_id: &self.request_id,
                trace_id: &self.trace_id,
                pid: self.pid,
                more: false,
            },
            text: &self.text,
        }
    }
}
