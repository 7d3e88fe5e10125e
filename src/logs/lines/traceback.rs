//! Which lines belong to one Python traceback. Pure.
//!
//! ```text
//!        Head ──────────────┐      [..] ERROR in app: …, Exception in thread …:
//!          │ Traceback      │ Exception Group
//!          ▼                ▼
//!  ┌──► Frames           Tree ◄──┐ only indented lines
//!  │       │ KeyError: 1    │    │
//!  │       ▼                │    │
//!  │    Raised ─────────────┤    │
//!  │       │ blank          │ blank
//!  │       ▼                ▼    │
//!  │    Blank ◄─────────────┘    │ belongs to the traceback only if a chain follows
//!  │       │ During handling of …│
//!  │       ▼                     │
//!  └──── Chain ──────────────────┘
//! ```
//!
//! The lines alone do not show whether a line without indentation is a note or the second line of an
//! exception's message. Such lines become records of their own, unless the entry module marked them
//! (see [`super::origin`]).

/// The position of the last line in a traceback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TracebackState {
    /// A line that is often followed by a traceback.
    Head,
    /// The header or the frames below it.
    Frames,
    /// An exception group, or a stack without an exception: all indented.
    Tree,
    /// The line that names the exception, or more of its message.
    Raised,
    /// A blank line after that.
    Blank,
    /// The sentence between two chained exceptions, or a blank line after it.
    Chain,
}

/// The state after a first line, if it begins a traceback.
pub(crate) fn opens(line: &[u8]) -> Option<TracebackState> {
    match line.first()? {
        b' ' if is_group(line) => Some(TracebackState::Tree),
        // A SyntaxError of the main program has no header.
        b' ' => (line.starts_with(b"  File \"")
            && memchr::memmem::find(line, b"\", line ").is_some())
        .then_some(TracebackState::Frames),
        b'E' if is_announcement(line) => Some(TracebackState::Head),
        _ if line.ends_with(b" (most recent call last):") => header(line),
        _ => None,
    }
}

/// The state after `line` when it belongs to the traceback, none when it does not.
pub(crate) fn next(state: TracebackState, line: &[u8]) -> Option<TracebackState> {
    let indented = matches!(line.first(), Some(b' ' | b'\t'));
    match state {
        TracebackState::Frames if indented => Some(TracebackState::Frames),
        TracebackState::Frames => is_exception(line).then_some(TracebackState::Raised),
        TracebackState::Tree | TracebackState::Raised if line.is_empty() => {
            Some(TracebackState::Blank)
        }
        TracebackState::Tree => indented.then_some(TracebackState::Tree),
        TracebackState::Raised => (indented || is_more(line)).then_some(TracebackState::Raised),
        TracebackState::Blank => is_link(line).then_some(TracebackState::Chain),
        TracebackState::Chain if line.is_empty() => Some(TracebackState::Chain),
        TracebackState::Head | TracebackState::Chain => header(line),
    }
}

/// The state after `Traceback (most recent call last):` or a similar header; a logger may have written something before it.
fn header(line: &[u8]) -> Option<TracebackState> {
    if is_group(line) || line == b"Stack (most recent call last):" {
        Some(TracebackState::Tree)
    } else {
        line.ends_with(b"Traceback (most recent call last):")
            .then_some(TracebackState::Frames)
    }
}

fn is_group(line: &[u8]) -> bool {
    line.starts_with(b"  + Exception Group Traceback (most recent call last):")
}

/// What the interpreter writes before the traceback of an uncaught exception.
fn is_announcement(line: &[u8]) -> bool {
    line.starts_with(b"Exception in thread ")
        || line.starts_with(b"Exception ignored ")
        || line == b"Error in sys.excepthook:"
}

fn is_link(line: &[u8]) -> bool {
    line == b"During handling of the above exception, another exception occurred:"
        || line == b"The above exception was the direct cause of the following exception:"
}

/// `package.Name`, alone or before a colon. Names may contain letters beyond ASCII.
fn is_exception(line: &[u8]) -> bool {
    let name = memchr::memchr(b':', line).map_or(line, |colon| &line[..colon]);
    let letter =
        |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80 || b"_.<>".contains(byte);
    !name.is_empty() && !name[0].is_ascii_digit() && name.iter().all(letter)
}

/// Lines that `SQLAlchemy` adds below its message.
fn is_more(line: &[u8]) -> bool {
    line.starts_with(b"[SQL: ")
        || line.starts_with(b"[parameters: ")
        || line.starts_with(b"(Background on this error at: ")
}

#[cfg(test)]
mod tests {
    use super::{TracebackState, next, opens};

    /// `expected` is how many lines belong to the traceback, from the first one on.
    #[track_caller]
    fn check(text: &str, expected: usize) {
        let mut lines = text.lines();
        let mut state = opens(lines.next().unwrap().as_bytes());
        let mut count = 0;
        let mut seen = 0;
        while let Some(now) = state {
            seen += 1;
            if now != TracebackState::Blank {
                count = seen;
            }
            state = lines.next().and_then(|line| next(now, line.as_bytes()));
        }
        assert_eq!(count, expected, "{text}");
    }

    const SIMPLE: &str = "Traceback (most recent call last):
  File \"a.py\", line 1, in <module>
    f()
    ~^^
  [Previous line repeated 996 more times]
package.Error: what";

    #[test]
    fn simple() {
        check(SIMPLE, 6);
        check(&format!("{SIMPLE}\nnext record"), 6);
        check(&format!("{SIMPLE}\n\nnext record"), 6);
        check(
            &format!("{SIMPLE}\n  more of the message\n[SQL: SELECT 1]\nnext"),
            8,
        );
        check("Traceback (most recent call last):\nKeyboardInterrupt", 2);
        check(
            "Traceback (most recent call last):\n  File \"a\"\nnot an exception",
            2,
        );
        check(
            "Traceback (most recent call last):\n  File \"a\"\n2 + 2: four",
            2,
        );
        check(
            "17:00 worker Traceback (most recent call last):\n  File \"a\"\nE: x",
            3,
        );
    }

    #[test]
    fn chained() {
        let during = "During handling of the above exception, another exception occurred:";
        let cause = "The above exception was the direct cause of the following exception:";
        check(&format!("{SIMPLE}\n\n{during}\n\n{SIMPLE}\nnext"), 15);
        check(
            &format!("{SIMPLE}\n\n{cause}\n\n{SIMPLE}\n\n{during}\n\n{SIMPLE}\n\nnext"),
            24,
        );
        check(&format!("{SIMPLE}\n\n{cause}\n\nnot a traceback"), 9);
    }

    #[test]
    fn groups() {
        let group = "  + Exception Group Traceback (most recent call last):
  |   File \"a.py\", line 1, in <module>
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: 1
    | a note
    +---------------- 2 ----------------
    | Traceback (most recent call last):
    |   File \"a.py\", line 1, in <module>
    | 
    | KeyError: 2
    +------------------------------------";
        check(group, 12);
        check(&format!("{group}\nnext"), 12);
        let during = "During handling of the above exception, another exception occurred:";
        check(&format!("{SIMPLE}\n\n{during}\n\n{group}\n\nnext"), 21);
    }

    #[test]
    fn syntax_errors() {
        let broken =
            "  File \"main.py\", line 3\n    def (:\n        ^\nSyntaxError: invalid syntax";
        check(&format!("{broken}\nnext"), 4);
        check(&format!("Traceback (most recent call last):\n{broken}"), 5);
    }

    #[test]
    fn announced() {
        check(
            &format!("Exception in thread Thread-1 (f):\n{SIMPLE}\nnext"),
            7,
        );
        check(
            &format!("Exception ignored in: <function f at 0x1>\n{SIMPLE}"),
            7,
        );
        check("Exception in thread Thread-1 (f):\nnext", 1);
        check(
            "Stack (most recent call last):\n  File \"a\"\n    f()\nE: x",
            3,
        );
    }

    #[test]
    fn ordinary_lines_open_nothing() {
        for line in [
            "",
            "x",
            "  indented",
            "Error: x",
            "Tracebacks are fun",
            "  File x",
        ] {
            assert_eq!(opens(line.as_bytes()), None, "{line}");
        }
    }
}
