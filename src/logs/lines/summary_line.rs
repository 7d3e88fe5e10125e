//! The one line that `status` shows of an error. Pure.

use crate::logs::queue::recent_errors::OMISSION;
use crate::logs::writing::escape;

/// One line for a terminal: what was being done, and what went wrong.
///
/// | the message | the line |
/// | --- | --- |
/// | lines without a traceback | the first: programs that write several lines begin with the most important |
/// | a traceback alone | the line that names the exception, of a chain the last |
/// | a line before a traceback | that line, then the one that names the exception |
///
/// The last line would be the wrong choice for an exception whose text has several lines, for notes, and for
/// `logging.exception()` outside of an `except`, which ends in `NoneType: None`.
pub(crate) fn summary_line(message: &str) -> String {
    let mut out = Vec::new();
    // The line goes to a terminal, and a client may have sent what the message quotes.
    escape::text(select(message).as_bytes(), &mut out);
    String::from_utf8(out).unwrap_or_default()
}

fn select(message: &str) -> String {
    let mut lines = message.lines().skip_while(|line| line.trim().is_empty());
    let Some(first) = lines.next() else {
        return String::new();
    };
    // A SyntaxError of the main program has no header: it begins with the indented place of the error.
    let is_bare = is_header(first) || is_frame(first);
    // The header may be missing in a message that was shortened.
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

/// The first line below the last frames that is not indented.
fn exception<'a>(is_bare: bool, lines: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut in_frames = is_bare;
    let mut after_omission = false;
    let mut found = None;
    for line in lines {
        // All lines of an exception group are indented behind a bar.
        let line = line.strip_prefix("  | ").unwrap_or(line);
        if std::mem::take(&mut after_omission) {
            // An omission ends within a line, in most cases among the frames.
            in_frames = true;
            found = Some(line);
        } else if line == OMISSION.trim() {
            after_omission = true;
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
    use super::summary_line;
    use crate::logs::queue::recent_errors::RecentError;
    use crate::logs::record::Source;

    /// The message as it is kept.
    fn shorten(message: &str) -> String {
        RecentError::new(b"", Source::AppStderr, message.as_bytes()).message
    }

    const TRACEBACK: &str =
        "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    g()\nKeyError: 'k'";

    #[track_caller]
    fn check(message: &str, expected: &str) {
        assert_eq!(summary_line(message), expected, "{message}");
    }

    #[test]
    fn several_lines_begin_with_what_matters() {
        check("first\nsecond", "first");
        check("\n  first\nsecond", "first");
        check("one", "one");
        check("\x1b[31mred\nsecond", "\\x1b[31mred");
        check("", "");
        check("ERROR:root:what\nNoneType: None", "ERROR:root:what");
    }

    #[test]
    fn a_traceback_is_its_exception_and_what_introduced_it() {
        check(TRACEBACK, "KeyError: 'k'");
        check(
            &format!("ERROR in app: Exception on / [GET]\n{TRACEBACK}\n[SQL: SELECT 1]\nnote"),
            "ERROR in app: Exception on / [GET]: KeyError: 'k'",
        );
        check(
            &format!("Exception in thread Thread-1 (f):\n{TRACEBACK}"),
            "Exception in thread Thread-1 (f): KeyError: 'k'",
        );
        let during = "During handling of the above exception, another exception occurred:";
        check(
            &format!(
                "{TRACEBACK}\n\n{during}\n\n{}",
                TRACEBACK.replace("KeyError", "OSError")
            ),
            "OSError: 'k'",
        );
        check(
            "  File \"main.py\", line 3\n    def (:\n        ^\nSyntaxError: invalid syntax",
            "SyntaxError: invalid syntax",
        );
        check(
            "  + Exception Group Traceback (most recent call last):\n  |   File \"a.py\", line 1\n  | ExceptionGroup: two\n  +-+---- 1 ----\n    | ValueError: 1",
            "ExceptionGroup: two",
        );
    }

    #[test]
    fn shortened_messages_have_a_summary_line_too() {
        let frames = "  File \"a.py\", line 1, in f\n    g()\n".repeat(50);
        let header = "ERROR in app\nTraceback (most recent call last):";
        check(
            &shorten(&format!("{header}\n{frames}KeyError: 'k'")),
            "ERROR in app: KeyError: 'k'",
        );
        let long = shorten(&format!("{header}\n{frames}KeyError: {}", "x".repeat(1000)));
        assert_eq!(
            summary_line(&long),
            format!("ERROR in app: {}", "x".repeat(375))
        );
        let plain = shorten(&format!("{}\nsecond", "x".repeat(5000)));
        assert!(!summary_line(&plain).contains("second"), "{plain}");
    }
}
