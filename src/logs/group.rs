//! Joins the lines of one record: a traceback, or what the entry module marked as one. Pure.
//!
//! Lines are joined for each process on its own, so tracebacks of workers that print at the same
//! time come apart. A record is kept until a line shows that it is over, but never for long, never
//! beyond a size, and never too many of them: a limit that is reached writes what is there.

use std::time::Duration;

use super::{
    origin::Origin,
    record::Level,
    traceback::{self, State},
};

/// A record waits this long for its next line.
pub const IDLE: Duration = Duration::from_millis(200);

/// The most lines of one record.
pub const LINES: usize = 500;

/// The most bytes of one record.
pub const BYTES: usize = 256 * 1024;

/// The most records that are waited for; with one for each worker it is never reached.
const WAITING: usize = 64;

/// A record whose lines were joined.
#[derive(Debug, Clone, Copy)]
pub struct Joined<'a> {
    /// When its first line was read, microseconds since 1970.
    pub at: u64,
    /// How grave it is, if that could be seen.
    pub level: Option<Level>,
    /// The request and process it belongs to.
    pub origin: Origin<'a>,
    /// Its lines, with line ends between them.
    pub text: &'a [u8],
}

/// A line that may be part of a record.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The request and process it belongs to.
    pub origin: Origin<'a>,
    /// The level it shows, if any.
    pub level: Option<Level>,
    /// What it says.
    pub text: &'a [u8],
    /// When it was read, microseconds since 1970.
    pub at: u64,
    /// The same moment since the launcher's start.
    pub up: Duration,
}

/// The records that are waited for.
#[derive(Debug, Default)]
pub struct Groups {
    waiting: Vec<Group>,
}

#[derive(Debug)]
struct Group {
    at: u64,
    touched: Duration,
    level: Option<Level>,
    request_id: String,
    pid: Option<u32>,
    text: Vec<u8>,
    lines: usize,
    extent: Extent,
}

/// How it is known where a record ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// By its form.
    Traceback(State),
    /// By the mark on all of its lines but the last.
    Marked,
}

impl Groups {
    /// Takes a line if it belongs to a record of several lines, or may begin one. Hands on every
    /// record that is complete; they come before the line.
    pub fn take(&mut self, line: Candidate<'_>, mut emit: impl FnMut(Joined<'_>)) -> bool {
        let same = |group: &Group| group.pid == line.origin.pid;
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
        self.waiting.push(Group {
            at: line.at,
            touched: line.up,
            level,
            request_id: line.origin.request_id.to_owned(),
            pid: line.origin.pid,
            text: line.text.to_vec(),
            lines: 1,
            extent,
        });
        true
    }

    /// Hands on the records that have waited long enough.
    pub fn tick(&mut self, up: Duration, mut emit: impl FnMut(Joined<'_>)) {
        while let Some(place) = self
            .waiting
            .iter()
            .position(|group| group.touched + IDLE <= up)
        {
            self.waiting.remove(place).end(&mut emit);
        }
    }

    /// Hands on what there is of the processes that are meant.
    pub fn flush(&mut self, meant: impl Fn(Option<u32>) -> bool, mut emit: impl FnMut(Joined<'_>)) {
        while let Some(place) = self.waiting.iter().position(|group| meant(group.pid)) {
            self.waiting.remove(place).end(&mut emit);
        }
    }

    /// When [`Groups::tick`] has something to do.
    pub fn deadline(&self) -> Option<Duration> {
        self.waiting.iter().map(|group| group.touched + IDLE).min()
    }
}

/// How the record is recognised that this line begins, and its level.
fn opens(line: Candidate<'_>) -> Option<(Extent, Option<Level>)> {
    let state = traceback::opens(line.text);
    let level = line.level.or(state.map(|_| Level::Error));
    if line.origin.more {
        return Some((Extent::Marked, level));
    }
    // Whoever logs an exception says what failed first, and rarely below `warning`.
    let head = || {
        line.level
            .filter(|&level| level >= Level::Warn)
            .map(|_| State::Head)
    };
    Some((Extent::Traceback(state.or_else(head)?), level))
}

impl Group {
    fn joins(&self, line: Candidate<'_>) -> Option<Extent> {
        if self.request_id != line.origin.request_id {
            return None;
        }
        match self.extent {
            Extent::Marked => Some(Extent::Marked),
            Extent::Traceback(state) => traceback::next(state, line.text).map(Extent::Traceback),
        }
    }

    fn join(&mut self, line: Candidate<'_>, extent: Extent, emit: &mut impl FnMut(Joined<'_>)) {
        if self.lines >= LINES || self.text.len() + line.text.len() > BYTES {
            self.emit(emit);
            self.text.clear();
            self.lines = 0;
            self.at = line.at;
        }
        self.touched = line.up;
        let before = std::mem::replace(&mut self.extent, extent);
        if extent == Extent::Traceback(State::Gap) {
            // Not ours until a chain follows.
            return;
        }
        if before == Extent::Traceback(State::Gap) {
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

    fn end(self, emit: &mut impl FnMut(Joined<'_>)) {
        self.emit(emit);
        if self.extent == Extent::Traceback(State::Gap) {
            emit(Joined {
                text: b"",
                level: None,
                ..self.joined()
            });
        }
    }

    fn emit(&self, emit: &mut impl FnMut(Joined<'_>)) {
        if self.lines > 0 {
            emit(self.joined());
        }
    }

    fn joined(&self) -> Joined<'_> {
        Joined {
            at: self.at,
            level: self.level,
            origin: Origin {
                request_id: &self.request_id,
                pid: self.pid,
                more: false,
            },
            text: &self.text,
        }
    }
}
