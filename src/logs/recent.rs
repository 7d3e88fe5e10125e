//! The last errors, for `status`: an operator's first question is what went wrong just now. Pure.

use std::collections::VecDeque;

use super::{escape, record::Source};

/// How many are kept.
pub(super) const KEPT: usize = 20;

/// Characters of a message that are kept.
const CHARS: usize = 500;

/// An error that was written to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    /// RFC 3339, UTC.
    pub ts: String,
    /// The part that wrote it.
    pub source: Source,
    /// The beginning of what it says; may hold line ends.
    pub message: String,
}

impl Recent {
    /// Keeps the beginning of a message.
    pub(super) fn new(ts: &[u8], source: Source, message: &[u8]) -> Self {
        Self {
            ts: String::from_utf8_lossy(ts).into_owned(),
            source,
            message: shorten(&String::from_utf8_lossy(message)),
        }
    }
}

/// The last errors, and how many there have been.
#[derive(Debug, Default)]
pub(super) struct RecentErrors {
    kept: VecDeque<Recent>,
    total: u64,
}

impl RecentErrors {
    pub(super) fn extend(&mut self, errors: impl Iterator<Item = Recent>) {
        for error in errors {
            if self.kept.len() >= KEPT {
                self.kept.pop_front();
            }
            self.kept.push_back(error);
            self.total += 1;
        }
    }

    /// Errors so far, those that are not kept any more included.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The kept errors after the first `count`, the oldest first.
    pub(super) fn after(&self, count: u64) -> Vec<Recent> {
        let new = usize::try_from(self.total.saturating_sub(count)).unwrap_or(usize::MAX);
        let skipped = self.kept.len().saturating_sub(new);
        self.kept.iter().skip(skipped).cloned().collect()
    }
}

/// Stands for what is left out.
const GAP: &str = "\n…\n";

/// The first words and the last: a traceback's last line names the exception.
fn shorten(message: &str) -> String {
    let count = message.chars().count();
    if count <= CHARS {
        return message.to_owned();
    }
    let head: String = message
        .chars()
        .take(CHARS / 4 - GAP.chars().count())
        .collect();
    let tail: String = message.chars().skip(count - CHARS * 3 / 4).collect();
    format!("{head}{GAP}{tail}")
}

/// What an operator wants to read of an error in one line: what was being done, and what went wrong.
///
/// | the record | shown |
/// | --- | --- |
/// | lines without a traceback | the first: whoever writes several begins with what matters |
/// | a traceback alone | the line that names the exception, of a chain the last |
/// | a line that introduces a traceback | that line, then the one that names the exception |
///
/// Python's own rule, that the last line says it, fails for an exception whose text has several lines, for notes, and for
/// `logging.exception()` outside of an `except`, which ends in `NoneType: None`.
pub fn gist(message: &str) -> String {
    let mut out = Vec::new();
    // It goes to a terminal, and what it quotes may come from anybody.
    escape::text(line(message).as_bytes(), &mut out);
    String::from_utf8(out).unwrap_or_default()
}

fn line(message: &str) -> String {
    let mut lines = message.lines().skip_while(|line| line.trim().is_empty());
    let Some(first) = lines.next() else {
        return String::new();
    };
    // A SyntaxError of the main program has no header: its place comes first, indented.
    let is_bare = is_header(first) || is_frame(first);
    // The header may be in the gap of what was shortened.
    let has_frames = || {
        message
            .lines()
            .any(|line| is_header(line) || is_frame(line))
    };
    let Some(exception) = exception(is_bare, lines).filter(|_| has_frames()) else {
        return first.trim().to_owned();
    };
    if is_bare {
        return exception.to_owned();
    }
    let colon = if first.ends_with(':') { "" } else { ":" };
    format!("{first}{colon} {exception}")
}

/// The first line that is not indented below the last frames.
fn exception<'a>(is_bare: bool, lines: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut in_frames = is_bare;
    let mut cut = false;
    let mut found = None;
    for line in lines {
        // Of an exception group all is indented behind a bar.
        let line = line.strip_prefix("  | ").unwrap_or(line);
        if std::mem::take(&mut cut) {
            // What follows a gap begins within a line, and that in most cases within the frames.
            in_frames = true;
            found = Some(line);
        } else if line == GAP.trim() {
            cut = true;
        } else if is_header(line) {
            in_frames = true;
        } else if in_frames && !line.is_empty() && !line.starts_with(' ') {
            found = Some(line);
            in_frames = false;
        }
    }
    found
}

fn is_header(line: &str) -> bool {
    line.ends_with("Traceback (most recent call last):")
}

fn is_frame(line: &str) -> bool {
    line.starts_with("  File \"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_keep_both_ends() {
        let long = format!("ERROR in app\n{}\nValueError: boom", "x".repeat(5000));
        let short = shorten(&long);
        assert!(
            short.starts_with("ERROR in app\n") && short.ends_with("\nValueError: boom"),
            "{short}"
        );
        assert_eq!(shorten("short"), "short");
    }

    const TRACEBACK: &str =
        "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    g()\nKeyError: 'k'";

    #[track_caller]
    fn check_gist(message: &str, expected: &str) {
        assert_eq!(gist(message), expected, "{message}");
    }

    #[test]
    fn several_lines_begin_with_what_matters() {
        check_gist("first\nsecond", "first");
        check_gist("\n  first\nsecond", "first");
        check_gist("one", "one");
        check_gist("\x1b[31mred\nsecond", "\\x1b[31mred");
        check_gist("", "");
        check_gist("ERROR:root:what\nNoneType: None", "ERROR:root:what");
    }

    #[test]
    fn a_traceback_is_its_exception_and_what_introduced_it() {
        check_gist(TRACEBACK, "KeyError: 'k'");
        check_gist(
            &format!("ERROR in app: Exception on / [GET]\n{TRACEBACK}\n[SQL: SELECT 1]\nnote"),
            "ERROR in app: Exception on / [GET]: KeyError: 'k'",
        );
        check_gist(
            &format!("Exception in thread Thread-1 (f):\n{TRACEBACK}"),
            "Exception in thread Thread-1 (f): KeyError: 'k'",
        );
        let during = "During handling of the above exception, another exception occurred:";
        check_gist(
            &format!(
                "{TRACEBACK}\n\n{during}\n\n{}",
                TRACEBACK.replace("KeyError", "OSError")
            ),
            "OSError: 'k'",
        );
        check_gist(
            "  File \"main.py\", line 3\n    def (:\n        ^\nSyntaxError: invalid syntax",
            "SyntaxError: invalid syntax",
        );
        check_gist(
            "  + Exception Group Traceback (most recent call last):\n  |   File \"a.py\", line 1\n  | ExceptionGroup: two\n  +-+---- 1 ----\n    | ValueError: 1",
            "ExceptionGroup: two",
        );
    }

    #[test]
    fn what_was_shortened_has_a_gist_too() {
        let frames = "  File \"a.py\", line 1, in f\n    g()\n".repeat(50);
        let header = "ERROR in app\nTraceback (most recent call last):";
        check_gist(
            &shorten(&format!("{header}\n{frames}KeyError: 'k'")),
            "ERROR in app: KeyError: 'k'",
        );
        let long = shorten(&format!("{header}\n{frames}KeyError: {}", "x".repeat(1000)));
        assert_eq!(gist(&long), format!("ERROR in app: {}", "x".repeat(375)));
        let plain = shorten(&format!("{}\nsecond", "x".repeat(5000)));
        assert!(!gist(&plain).contains("second"), "{plain}");
    }
}
