//! Which lines are one Python traceback. Pure.
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
//!  │     Gap ◄──────────────┘    │ a blank line that only belongs if a chain follows
//!  │       │ During handling of …│
//!  │       ▼                     │
//!  └──── Chain ──────────────────┘
//! ```
//!
//! What cannot be told from the lines alone: a note or a second line of an exception's message that
//! is not indented. Such lines follow as records of their own, unless the entry module marked them
//! (see [`super::origin`]).

/// Where in a traceback the last line was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A line that is often followed by a traceback.
    Head,
    /// The header or the frames below it.
    Frames,
    /// An exception group, or a stack without an exception: all indented.
    Tree,
    /// The line that names the exception, or more of its message.
    Raised,
    /// A blank line after that.
    Gap,
    /// The sentence between two chained exceptions.
    Chain,
}

/// The state after a first line, if it begins a traceback.
pub fn opens(line: &[u8]) -> Option<State> {
    match line.first()? {
        b' ' if is_group(line) => Some(State::Tree),
        // A SyntaxError of the main program has no header.
        b' ' => (line.starts_with(b"  File \"")
            && memchr::memmem::find(line, b"\", line ").is_some())
        .then_some(State::Frames),
        b'E' if is_announcement(line) => Some(State::Head),
        _ if line.ends_with(b" (most recent call last):") => header(line),
        _ => None,
    }
}

/// The state after `line` when it belongs to the traceback, none when it does not.
pub fn next(state: State, line: &[u8]) -> Option<State> {
    let indented = matches!(line.first(), Some(b' ' | b'\t'));
    match state {
        State::Frames if indented => Some(State::Frames),
        State::Frames => is_exception(line).then_some(State::Raised),
        State::Tree | State::Raised if line.is_empty() => Some(State::Gap),
        State::Tree => indented.then_some(State::Tree),
        State::Raised => (indented || is_more(line)).then_some(State::Raised),
        State::Gap => is_link(line).then_some(State::Chain),
        State::Chain if line.is_empty() => Some(State::Chain),
        State::Head | State::Chain => header(line),
    }
}

/// `Traceback (most recent call last):` and its kin; a logger may have put something before it.
fn header(line: &[u8]) -> Option<State> {
    if is_group(line) || line == b"Stack (most recent call last):" {
        Some(State::Tree)
    } else {
        line.ends_with(b"Traceback (most recent call last):")
            .then_some(State::Frames)
    }
}

fn is_group(line: &[u8]) -> bool {
    line.starts_with(b"  + Exception Group Traceback (most recent call last):")
}

/// What the interpreter says before the traceback of an exception that nobody catches.
fn is_announcement(line: &[u8]) -> bool {
    line.starts_with(b"Exception in thread ")
        || line.starts_with(b"Exception ignored ")
        || line == b"Error in sys.excepthook:"
}

fn is_link(line: &[u8]) -> bool {
    line == b"During handling of the above exception, another exception occurred:"
        || line == b"The above exception was the direct cause of the following exception:"
}

/// `package.Name` alone or before a colon. Names may be more than ASCII.
fn is_exception(line: &[u8]) -> bool {
    let name = memchr::memchr(b':', line).map_or(line, |colon| &line[..colon]);
    let letter =
        |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80 || b"_.<>".contains(byte);
    !name.is_empty() && !name[0].is_ascii_digit() && name.iter().all(letter)
}

/// Lines that `SQLAlchemy` puts below its message.
fn is_more(line: &[u8]) -> bool {
    line.starts_with(b"[SQL: ")
        || line.starts_with(b"[parameters: ")
        || line.starts_with(b"(Background on this error at: ")
}

#[cfg(test)]
mod tests {
    use super::{State, next, opens};

    /// The lines that are one record, from the first one on.
    #[track_caller]
    fn check(text: &str, expected: usize) {
        let mut lines = text.lines();
        let mut state = opens(lines.next().unwrap().as_bytes());
        let mut count = 0;
        let mut seen = 0;
        while let Some(now) = state {
            seen += 1;
            if now != State::Gap {
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
