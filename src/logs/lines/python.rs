//! The level of a line that Python's logging wrote, where the line shows one. Pure.
//!
//! ```text
//! WARNING:root:message                                    logging.basicConfig
//! [2026-11-24 10:00:00,123] ERROR in app: message         Flask
//! 2026-11-24 10:00:00,123 - name - ERROR - message        the tutorials
//! name - ERROR - message     [ERROR] message     | ERROR    |
//! ```
//!
//! Some loggers write a JSON object instead, with their own names for the same things.
//!
//! A level is a separate word in capitals at the beginning of the line, after a timestamp, or between
//! separators. `press the ERROR button` has none.

use crate::logs::record::Level;
use crate::logs::writing::json_scan;

/// Bytes of a line that are searched: a level is near the beginning, and the limit bounds the cost of each line.
const REACH: usize = 96;

/// The level, if the line shows one.
pub fn level(line: &[u8]) -> Option<Level> {
    let head = &line[..line.len().min(REACH)];
    let &first = head.first()?;
    // A timestamp, or something in brackets, before the level.
    let dated = first.is_ascii_digit() || first == b'[';
    let mut from = 0;
    // Only capitals can begin a level, and most lines have few of them.
    while let Some(stop) = head[from..].iter().position(u8::is_ascii_uppercase) {
        let start = from + stop;
        let rest = &head[start..];
        let end = rest
            .iter()
            .position(|byte| !byte.is_ascii_uppercase())
            .unwrap_or(rest.len());
        from = start + end;
        if let Some(level) = word(&rest[..end])
            && stands_alone(head, start, from, dated)
        {
            return Some(level);
        }
    }
    None
}

/// A line that is a JSON object, as structured loggers write it.
#[derive(Debug, Clone, Copy)]
pub struct JsonLine<'a> {
    /// The object, without the white space around it.
    pub object: &'a [u8],
    /// The value of `message`, `msg` or `event`, as written between the quotes; empty where there is none.
    pub message: &'a [u8],
    /// The value of `level`, `levelname` or `severity`.
    pub level: Option<Level>,
}

/// Reads a line that is a JSON object; none for any other line.
pub fn json_line(line: &[u8]) -> Option<JsonLine<'_>> {
    std::str::from_utf8(line).ok()?;
    let mut message: &[u8] = b"";
    let mut level = None;
    let object = json_scan::object(line, |key, value| match key {
        b"message" | b"msg" | b"event" if message.is_empty() => {
            message = json_scan::string(value).unwrap_or_default();
        }
        b"level" | b"levelname" | b"severity" if level.is_none() => {
            level = json_scan::string(value).and_then(named);
        }
        _ => {}
    })?;
    Some(JsonLine {
        object,
        message,
        level,
    })
}

/// The level of that name, in upper or lower case; also the names of other libraries.
pub fn named(name: &[u8]) -> Option<Level> {
    let mut upper = [0; 9];
    let upper = upper.get_mut(..name.len())?;
    upper.copy_from_slice(name);
    upper.make_ascii_uppercase();
    word(upper)
}

fn word(word: &[u8]) -> Option<Level> {
    match word {
        b"DEBUG" | b"TRACE" | b"NOTSET" => Some(Level::Debug),
        b"INFO" | b"NOTICE" | b"SUCCESS" => Some(Level::Info),
        b"WARN" | b"WARNING" => Some(Level::Warn),
        b"ERROR" | b"CRITICAL" | b"FATAL" | b"EXCEPTION" | b"CRIT" | b"ALERT" => Some(Level::Error),
        _ => None,
    }
}

fn stands_alone(head: &[u8], start: usize, end: usize, dated: bool) -> bool {
    let after = head.get(end).copied().unwrap_or(b' ');
    let Some(before) = start.checked_sub(1).map(|at| head[at]) else {
        return matches!(after, b':' | b' ' | b'\t' | b']' | b'|');
    };
    match before {
        b'[' => after == b']' || after == b' ',
        b' ' | b'\t' | b'|' | b'-' | b':' | b'(' | b'<' if dated => {
            matches!(
                after,
                b' ' | b'\t' | b':' | b']' | b'|' | b'-' | b')' | b'>' | b','
            )
        }
        b' ' => {
            let (left, right) = (&head[..start], &head[end..]);
            (left.ends_with(b" - ") && right.starts_with(b" - "))
                || (left.ends_with(b"| ") && right.trim_ascii_start().starts_with(b"|"))
                || left.iter().all(u8::is_ascii_whitespace)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::level;
    use crate::logs::record::Level::{self, Debug, Error, Info, Warn};

    #[track_caller]
    fn check(line: &str, expected: impl Into<Option<Level>>) {
        assert_eq!(level(line.as_bytes()), expected.into(), "{line}");
    }

    #[test]
    fn lines_with_a_level() {
        check("WARNING:root:message", Warn);
        check(
            "[2026-11-24 10:00:00,123] ERROR in app: Exception on / [GET]",
            Error,
        );
        check("2026-11-24 10:00:00,123 - my.name - DEBUG - message", Debug);
        check("2026-11-24 10:00:00,123 INFO [my.name] ERROR follows", Info);
        check(
            "2026-11-24 10:00:00.123 | CRITICAL | module:f:1 - message",
            Error,
        );
        check("2026-11-24T10:00:00Z WARN message", Warn);
        check("name - ERROR - message", Error);
        check("[INFO] message", Info);
        check("  ERROR  message", Error);
        check("ERROR", Error);
        check("INFO     | message", Info);
        check("[2026-11-24 10:00:00 +0000] [17] [INFO] Booting", Info);
    }

    #[test]
    fn lines_without_a_level() {
        for line in [
            "",
            "message",
            "press the ERROR button",
            "ERRORS: 0",
            "an ERROR - here",
            "http://ERROR",
            "SELECT a FROM b",
            "2026-11-24 ERRORS",
            "x=ERROR",
            "Über ERROR",
            "GET /INFO",
        ] {
            check(line, None);
        }
        check(&format!("2026 {} ERROR x", "x".repeat(100)), None);
    }

    #[test]
    fn names_in_any_case() {
        for (name, expected) in [
            ("warning", Some(Warn)),
            ("Error", Some(Error)),
            ("x", None),
            ("longer than all", None),
        ] {
            assert_eq!(super::named(name.as_bytes()), expected);
        }
    }
}
