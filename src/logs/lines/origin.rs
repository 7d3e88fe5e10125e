//! Which request and which process a line of the application belongs to. Pure.
//!
//! The entry module writes a short head before each line of the application:
//!
//! ```text
//! RS nonce ; request_id / trace_id ; pid ; text       the line is a record, or the last line of one
//! RS nonce ; request_id / trace_id ; pid + ; text     more lines of the same record follow
//! ```
//!
//! RS is the byte 0x1E, `request_id` may be empty. A line without a trace has no slash; nothing after the slash stands for
//! a trace id that is the request id, as it is unless the client has named either. `+` is on all lines but the last of what was
//! written in one call, so a record of several lines is recognised without a guess or a wait.
//!
//! An application often logs what a client sent. So only a head with the right nonce is accepted.
//! Each start of the launcher makes a new nonce, passes it to the entry module and never writes it
//! to the log: without it a head cannot be forged. For the same reason a head may begin in the
//! middle of a line, after text of another writer that has no line end. Everything else that looks
//! like a head is text.

use std::fmt;

use crate::logs::record::Origin;

/// Begins a head.
const RS: u8 = 0x1e;

/// The longest request id in bytes that is accepted.
const ID_MAX: usize = 128;

/// Digits of a trace id.
const TRACE_ID: usize = 32;

/// The longest request id and trace id with what is between them.
const IDS_MAX: usize = ID_MAX + 1 + TRACE_ID;

/// The characters of a nonce, 6 bits each.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Characters of a nonce; together 96 bits.
const NONCE: usize = 16;

/// The secret beginning of a head, up to and including its first `;`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LineMark([u8; LineMark::LEN]);

impl fmt::Debug for LineMark {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The nonce is a secret.
        out.write_str("LineMark")
    }
}

impl LineMark {
    /// Length in bytes.
    pub const LEN: usize = NONCE + 2;

    /// The mark whose nonce is the lower 96 bits of `random`.
    pub fn new(random: u128) -> Self {
        let mut mark = [RS; Self::LEN];
        for (place, byte) in mark[1..=NONCE].iter_mut().enumerate() {
            *byte = DIGITS[(random >> (6 * place) & 63) as usize];
        }
        mark[Self::LEN - 1] = b';';
        Self(mark)
    }

    /// The secret that the entry module needs to write heads.
    pub fn nonce(&self) -> &str {
        std::str::from_utf8(&self.0[1..=NONCE]).unwrap_or_default()
    }

    /// The first place of the mark in `line` at or after `from`.
    pub fn find(&self, line: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            at += memchr::memchr(RS, line.get(at..)?)?;
            if line[at..].starts_with(&self.0) {
                return Some(at);
            }
            at += 1;
        }
    }

    /// Splits a line into its origin and its text.
    pub fn split<'a>(&self, line: &'a [u8]) -> (Origin<'a>, &'a [u8]) {
        line.strip_prefix(&self.0)
            .and_then(parse)
            .unwrap_or((Origin::default(), line))
    }
}

fn parse(head: &[u8]) -> Option<(Origin<'_>, &[u8])> {
    let id_end = memchr::memchr(b';', head.get(..=IDS_MAX).unwrap_or(head))?;
    let (ids, rest) = (&head[..id_end], &head[id_end + 1..]);
    let (request_id, trace_id) = ids_of(std::str::from_utf8(ids).ok()?)?;
    // Ten digits hold every pid, then perhaps `+`, then `;`.
    let pid_end = memchr::memchr(b';', rest.get(..12).unwrap_or(rest))?;
    let (digits, more) = match &rest[..pid_end] {
        [digits @ .., b'+'] => (digits, true),
        digits => (digits, false),
    };
    let origin = Origin {
        request_id,
        trace_id,
        pid: Some(number(digits)?),
        more,
    };
    Some((origin, &rest[pid_end + 1..]))
}

/// Request id and trace id.
fn ids_of(ids: &str) -> Option<(&str, &str)> {
    let (request_id, trace_id) = match ids.split_once('/') {
        None => (ids, ""),
        Some((request_id, "")) => (request_id, request_id),
        Some(both) => both,
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let valid = request_id.len() <= ID_MAX
        && request_id.bytes().all(is_plain)
        && (!ids.contains('/') || trace_id.len() == TRACE_ID)
        && trace_id.bytes().all(is_hex);
    valid.then_some((request_id, trace_id))
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
    use super::{LineMark, Origin};

    const RANDOM: u128 = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef;

    /// Replaces `@` by the mark.
    fn marked(text: &str) -> String {
        text.replace('@', &format!("\x1e{};", LineMark::new(RANDOM).nonce()))
    }

    /// `id` has the trace id behind a space.
    #[track_caller]
    fn check(line: &str, id: &str, pid: Option<u32>, more: bool, text: &str) {
        let (request_id, trace_id) = id.split_once(' ').unwrap_or((id, ""));
        let origin = Origin {
            request_id,
            trace_id,
            pid,
            more,
        };
        let (line, text) = (marked(line), marked(text));
        let mark = LineMark::new(RANDOM);
        assert_eq!(mark.split(line.as_bytes()), (origin, text.as_bytes()));
    }

    #[test]
    fn heads_are_removed() {
        check(
            "@ab-1.2_Z;17;hello; you",
            "ab-1.2_Z",
            Some(17),
            false,
            "hello; you",
        );
        check("@;17;", "", Some(17), false, "");
        check("@ab;4294967295+;first", "ab", Some(u32::MAX), true, "first");
    }

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_trace_is_named_or_the_request() {
        for (ids, id) in [
            (TRACE.to_owned(), TRACE.to_owned()),
            (format!("{TRACE}/"), format!("{TRACE} {TRACE}")),
            (format!("ab/{TRACE}"), format!("ab {TRACE}")),
            (format!("/{TRACE}"), format!(" {TRACE}")),
        ] {
            check(&format!("@{ids};17;x/y"), &id, Some(17), false, "x/y");
        }
        let longest = "a".repeat(128);
        let id = format!("{longest} {TRACE}");
        check(
            &format!("@{longest}/{TRACE};17+;x"),
            &id,
            Some(17),
            true,
            "x",
        );
        for ids in [
            "/".to_owned(),
            "ab/".to_owned(),
            format!("{}/", TRACE.to_uppercase()),
            format!("ab/{}", &TRACE[1..]),
            format!("ab/{TRACE}0"),
            format!("ab/{}", TRACE.to_uppercase()),
            format!("ab//{TRACE}"),
            format!("ab/{TRACE}/"),
            format!("{longest}a/{TRACE}"),
        ] {
            let line = format!("@{ids};17;x");
            check(&line, "", None, false, &line);
        }
    }

    #[test]
    fn a_mark_is_found_anywhere() {
        let mark = LineMark::new(RANDOM);
        for (line, from, expected) in [
            ("", 0, None),
            ("", 1, None),
            ("x", 1, None),
            ("@", 0, Some(0)),
            ("@", 1, None),
            ("\x1e\x1ea@", 0, Some(3)),
            ("\x1eAAAAAAAAAAAAAAAA;", 0, None),
        ] {
            assert_eq!(mark.find(marked(line).as_bytes(), from), expected, "{line}");
        }
        let cut = marked("ab@");
        assert_eq!(mark.find(&cut.as_bytes()[..cut.len() - 1], 0), None);
    }

    #[test]
    fn a_nonce_has_96_printable_bits_and_is_not_shown() {
        assert_eq!(LineMark::new(0).nonce(), "A".repeat(16));
        assert_eq!(LineMark::new(u128::MAX).nonce(), "_".repeat(16));
        assert_ne!(LineMark::new(1 << 95), LineMark::new(0));
        assert_eq!(format!("{:?}", LineMark::new(RANDOM)), "LineMark");
    }

    #[test]
    fn anything_else_is_text() {
        for line in [
            "",
            "plain",
            "ab;17;x",
            "@",
            "\x1e",
            "\x1eab;17;x",
            "\x1e;ab;17;x",
            "\x1eAAAAAAAAAAAAAAAA;ab;17;x",
            " @ab;17;x",
            "@ab",
            "@ab;17",
            "@a b;17;x",
            "@a\"b;17;x",
            "@ab;-17;x",
            "@ab;;x",
            "@ab;+;x",
            "@ab;4294967296;x",
            "@ab;1 7;x",
            "@é;17;x",
            "@ab;17++;x",
        ] {
            check(line, "", None, false, line);
        }
        let long = format!("@{};17;x", "a".repeat(129));
        check(&long, "", None, false, &long);
        let longest = format!("@{};17;x", "a".repeat(128));
        check(&longest, &"a".repeat(128), Some(17), false, "x");
    }
}
