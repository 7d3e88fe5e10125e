//! Which request and which worker a line of the application belongs to. Pure.
//!
//! The entry module puts a short head before each line that the application writes:
//!
//! ```text
//! RS request_id ; pid ; text            the line is a record, or the last line of one
//! RS request_id ; pid + ; text          more lines of the same record follow
//! ```
//!
//! RS is the byte 0x1E, `request_id` may be empty. `+` stands on all but the last line of what was
//! written in one call, so a record of several lines is known as one without a guess or a wait. A
//! head that is not exactly this is text like any other: an application can only lie about itself.

/// Begins a head.
pub const MARK: u8 = 0x1e;

/// The longest request id that is believed.
const ID_MAX: usize = 128;

/// The request and the process that a line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Origin<'a> {
    /// Letters, digits and `._-`, so it needs no escape anywhere; empty when there is none.
    pub request_id: &'a str,
    /// The process, when it is known.
    pub pid: Option<u32>,
    /// More lines of the same record follow.
    pub more: bool,
}

/// Splits a line into its origin and its text.
pub fn split(line: &[u8]) -> (Origin<'_>, &[u8]) {
    match line.split_first() {
        Some((&MARK, head)) => parse(head).unwrap_or((Origin::default(), line)),
        _ => (Origin::default(), line),
    }
}

fn parse(head: &[u8]) -> Option<(Origin<'_>, &[u8])> {
    let id_end = memchr::memchr(b';', head.get(..=ID_MAX).unwrap_or(head))?;
    let (id, rest) = (&head[..id_end], &head[id_end + 1..]);
    if !id
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
    {
        return None;
    }
    // Ten digits hold every pid, then perhaps `+`, then `;`.
    let pid_end = memchr::memchr(b';', rest.get(..12).unwrap_or(rest))?;
    let (digits, more) = match &rest[..pid_end] {
        [digits @ .., b'+'] => (digits, true),
        digits => (digits, false),
    };
    let origin = Origin {
        request_id: std::str::from_utf8(id).ok()?,
        pid: Some(number(digits)?),
        more,
    };
    Some((origin, &rest[pid_end + 1..]))
}

/// A decimal number: digits only, at least one, no sign.
pub fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u32, |number, &digit| {
        let digit = digit.is_ascii_digit().then(|| u32::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::{Origin, split};

    #[track_caller]
    fn check(line: &str, id: &str, pid: Option<u32>, more: bool, text: &str) {
        let origin = Origin {
            request_id: id,
            pid,
            more,
        };
        assert_eq!(split(line.as_bytes()), (origin, text.as_bytes()));
    }

    #[test]
    fn heads_are_taken_off() {
        check(
            "\x1eab-1.2_Z;17;hello; you",
            "ab-1.2_Z",
            Some(17),
            false,
            "hello; you",
        );
        check("\x1e;17;", "", Some(17), false, "");
        check(
            "\x1eab;4294967295+;first",
            "ab",
            Some(u32::MAX),
            true,
            "first",
        );
    }

    #[test]
    fn anything_else_is_text() {
        for line in [
            "",
            "plain",
            "ab;17;x",
            "\x1e",
            "\x1eab",
            "\x1eab;17",
            "\x1ea b;17;x",
            "\x1ea\"b;17;x",
            "\x1eab;-17;x",
            "\x1eab;;x",
            "\x1eab;+;x",
            "\x1eab;4294967296;x",
            "\x1eab;1 7;x",
            "\x1eé;17;x",
            "\x1eab;17++;x",
        ] {
            check(line, "", None, false, line);
        }
        let long = format!("\x1e{};17;x", "a".repeat(129));
        check(&long, "", None, false, &long);
        let longest = format!("\x1e{};17;x", "a".repeat(128));
        check(&longest, &"a".repeat(128), Some(17), false, "x");
    }
}
