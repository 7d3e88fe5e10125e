//! A crash of uWSGI is one record: what happened, and the stack in C below it. Pure.
//!
//! ```text
//! !!! uWSGI process 24981 got Segmentation Fault !!!
//! *** backtrace of 24981 ***
//! uwsgi: worker 1(uwsgi_backtrace+0x35) [0x55d1cbf1a0d5]
//! *** end of backtrace ***
//! ```
//!
//! A harakiri writes the stack too. It leaves in one write, so lines of others hardly ever stand in
//! it; those that do are not taken. Limits and waits are those of [`super::group`].

use std::time::Duration;

use memchr::memmem;

use super::{
    group::{Candidate, Groups, Joined},
    origin::{Origin, number},
    record::Level,
    worker::undated,
};

/// The crashes whose stacks are not complete.
#[derive(Debug, Default)]
pub(super) struct Crashes {
    groups: Groups,
    /// Whose stack is being written.
    stack_of: Option<u32>,
}

impl Crashes {
    /// Takes a line of uWSGI's if it tells of a crash; `line` says when it came.
    pub(super) fn take(&mut self, line: Candidate<'_>, emit: impl FnMut(Joined<'_>)) -> bool {
        let Some((pid, more)) = self.part(undated(line.text)) else {
            return false;
        };
        let crashed = Candidate {
            origin: Origin {
                request_id: "",
                pid: Some(pid),
                more,
            },
            level: Some(Level::Error),
            ..line
        };
        self.groups.take(crashed, emit)
    }

    /// Whether the next line may be one that only belongs to uWSGI because of those before it.
    pub(super) fn continues(&self, line: &[u8]) -> bool {
        self.stack_of.is_some()
            && self.groups.deadline().is_some()
            && (is_end(line) || is_frame(line))
    }

    /// When the next record has waited long enough.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.groups.deadline()
    }

    /// The records that wait for more.
    pub(super) fn groups(&mut self) -> &mut Groups {
        &mut self.groups
    }

    /// Whose crash the line is about, and whether more of it follows.
    fn part(&mut self, line: &[u8]) -> Option<(u32, bool)> {
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
