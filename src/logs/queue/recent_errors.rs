//! The last errors, for `status` and for a reload that fails: an operator first asks what went wrong just now. Pure.

use std::collections::VecDeque;

use crate::logs::record::Source;

/// How many errors are kept.
pub(crate) const KEPT: usize = 20;

/// Characters of a message that are kept.
const CHARS: usize = 500;

/// Stands in a message for what was left out of its middle.
pub(crate) const OMISSION: &str = "\n…\n";

/// An error that was written to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentError {
    /// RFC 3339, UTC.
    pub ts: String,
    /// The stream that it came from.
    pub source: Source,
    /// The text, without its middle when it is longer than 500 characters; may contain line ends.
    pub message: String,
}

impl RecentError {
    /// Shortens the message to what is kept.
    pub(crate) fn new(ts: &[u8], source: Source, message: &[u8]) -> Self {
        Self {
            ts: String::from_utf8_lossy(ts).into_owned(),
            source,
            message: shorten(&String::from_utf8_lossy(message)),
        }
    }
}

/// The last [`KEPT`] errors, and how many there were before.
#[derive(Debug, Default)]
pub(crate) struct RecentErrors {
    kept: VecDeque<RecentError>,
    recorded: u64,
}

impl RecentErrors {
    /// Adds an error; the oldest one goes when there are too many.
    pub(crate) fn record(&mut self, error: RecentError) {
        if self.kept.len() >= KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(error);
        self.recorded += 1;
    }

    /// How many errors were recorded so far, for a later [`RecentErrors::since`].
    pub(crate) fn cursor(&self) -> u64 {
        self.recorded
    }

    /// The kept errors that were recorded after `cursor`, the oldest first. With 0: all that are kept.
    pub(crate) fn since(&self, cursor: u64) -> Vec<RecentError> {
        let first = self.recorded - self.kept.len() as u64;
        let known = usize::try_from(cursor.saturating_sub(first)).unwrap_or(usize::MAX);
        self.kept.iter().skip(known).cloned().collect()
    }
}

/// Keeps the beginning and the end: the last line of a traceback names the exception.
fn shorten(message: &str) -> String {
    let count = message.chars().count();
    if count <= CHARS {
        return message.to_owned();
    }
    let head: String = message
        .chars()
        .take(CHARS / 4 - OMISSION.chars().count())
        .collect();
    let tail: String = message.chars().skip(count - CHARS * 3 / 4).collect();
    format!("{head}{OMISSION}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_keep_both_ends() {
        let long = format!("ERROR in app\n{}\nValueError: boom", "x".repeat(5000));
        let short = RecentError::new(b"", Source::AppStderr, long.as_bytes()).message;
        assert!(
            short.starts_with("ERROR in app\n") && short.ends_with("\nValueError: boom"),
            "{short}"
        );
        assert_eq!(shorten("short"), "short");
    }

    #[track_caller]
    fn check(errors: &RecentErrors, cursor: u64, expected: std::ops::Range<usize>) {
        let seen = errors.since(cursor);
        let seen: Vec<_> = seen.iter().map(|error| error.message.as_str()).collect();
        let expected: Vec<_> = expected.map(|number| number.to_string()).collect();
        assert_eq!(seen, expected, "since {cursor}");
    }

    #[test]
    fn errors_can_be_asked_for_from_a_cursor_on() {
        let mut errors = RecentErrors::default();
        let record = |errors: &mut RecentErrors, numbers: std::ops::Range<usize>| {
            for number in numbers {
                let message = number.to_string();
                errors.record(RecentError::new(b"", Source::Uwsgi, message.as_bytes()));
            }
        };
        check(&errors, 0, 0..0);
        record(&mut errors, 0..3);
        let cursor = errors.cursor();
        check(&errors, 0, 0..3);
        check(&errors, cursor, 0..0);
        record(&mut errors, 3..5);
        check(&errors, cursor, 3..5);
        // More than are kept: those that are, however old the cursor is.
        record(&mut errors, 5..5 + KEPT);
        check(&errors, cursor, 5..5 + KEPT);
        check(&errors, 0, 5..5 + KEPT);
        check(&errors, errors.cursor() - 1, 4 + KEPT..5 + KEPT);
        check(&errors, errors.cursor() + 1, 0..0);
    }
}
