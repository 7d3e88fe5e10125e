//! A crash of uWSGI as one record: the message and the C stack below it. Pure.
//!
//! ```text
//! !!! uWSGI process 24981 got Segmentation Fault !!!
//! *** backtrace of 24981 ***
//! uwsgi: worker 1(uwsgi_backtrace+0x35) [0x55d1cbf1a0d5]
//! *** end of backtrace ***
//! ```
//!
//! A harakiri writes the stack, too. The stack is one write, so lines of other processes hardly ever
//! interrupt it; those that do are not joined. Limits and timeouts are those of [`super::grouping`].

use std::time::Duration;

use memchr::memmem;

use super::{
    grouping::{CandidateLine, JoinedRecord, RecordGroups},
    origin::number,
    uwsgi_worker::undated,
};
use crate::logs::record::{Level, Origin};

/// The crashes whose stacks are incomplete.
#[derive(Debug, Default)]
pub(super) struct Crashes {
    groups: RecordGroups,
    /// The process whose stack is being written.
    stack_of: Option<u32>,
}

impl Crashes {
    /// Takes a line of uWSGI if it is part of a crash report; false for any other line.
    pub(super) fn take(
        &mut self,
        line: CandidateLine<'_>,
        emit: impl FnMut(JoinedRecord<'_>),
    ) -> bool {
        let Some((pid, more)) = self.classify(undated(line.text)) else {
            return false;
        };
        let crashed = CandidateLine {
            origin: Origin {
                pid: Some(pid),
                more,
                ..Origin::default()
            },
            level: Some(Level::Error),
            ..line
        };
        self.groups.take(crashed, emit)
    }

    /// Whether the line is uWSGI's only because of the lines before it: part of a stack, or its end.
    pub(super) fn continues(&self, line: &[u8]) -> bool {
        self.stack_of.is_some()
            && self.groups.deadline().is_some()
            && (is_end(line) || is_frame(line))
    }

    /// The earliest time for [`RecordGroups::tick`] on [`Crashes::groups`].
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.groups.deadline()
    }

    /// The incomplete records.
    pub(super) fn groups(&mut self) -> &mut RecordGroups {
        &mut self.groups
    }

    /// The process that crashed, and whether more lines of the report follow.
    fn classify(&mut self, line: &[u8]) -> Option<(u32, bool)> {
        if let Some(pid) = crashed(line) {
            return Some((pid, true));
        }
        if let Some(pid) = framed(line, b"*** backtrace of ", b" ***") {
            self.stack_of = Some(pid);
            return Some((pid, true));
        }
        if !self.continues(line) {
            return None;
        }
        let pid = self.stack_of?;
        let end = is_end(line);
        if end {
            self.stack_of = None;
        }
        Some((pid, !end))
    }
}

fn crashed(line: &[u8]) -> Option<u32> {
    let rest = line
        .strip_prefix(b"!!! uWSGI process ")?
        .strip_suffix(b" !!!")?;
    number(&rest[..memmem::find(rest, b" got ")?])
}

fn framed(line: &[u8], before: &[u8], after: &[u8]) -> Option<u32> {
    number(line.strip_prefix(before)?.strip_suffix(after)?)
}

fn is_end(line: &[u8]) -> bool {
    line == b"*** end of backtrace ***"
}

/// As `backtrace_symbols(3)` writes it: `file(function+0x12) [0x7f0012ab]`.
fn is_frame(line: &[u8]) -> bool {
    let address = line
        .strip_suffix(b"]")
        .and_then(|line| Some(&line[memmem::rfind(line, b"[0x")? + 3..]));
    address.is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit))
}
