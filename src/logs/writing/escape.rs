//! Makes unknown bytes harmless text. Pure.
//!
//! Three styles, one rule: bytes that are not UTF-8 become U+FFFD, characters that could move a
//! terminal's cursor, end a line or change the reading direction become escapes, everything else is
//! copied in runs.

/// The form of an escape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Inside a JSON string.
    Json,
    /// For people: `\x1b`, `\u{202e}`; quotes, backslashes and tabs stay.
    Text,
    /// JSON that is valid already: only what JSON allows unescaped and a terminal would act on.
    Carry,
}

/// Appends `bytes` as the content of a JSON string, without the quotes.
pub fn json(bytes: &[u8], out: &mut Vec<u8>) {
    escape(bytes, Style::Json, out);
}

/// Appends `bytes` as text for people.
pub fn text(bytes: &[u8], out: &mut Vec<u8>) {
    escape(bytes, Style::Text, out);
}

/// Appends valid JSON as it is, except that DEL, C1, line separators and direction marks (which occur
/// only inside its strings) become escapes of the same value.
pub fn carry(valid: &[u8], out: &mut Vec<u8>) {
    if valid.is_ascii() && memchr::memchr(0x7f, valid).is_none() {
        out.extend_from_slice(valid);
    } else {
        escape(valid, Style::Carry, out);
    }
}

/// Whether a byte may need an escape inside a JSON string: quote, backslash, control, DEL or above.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without a branch the compiler compares 16 bytes at once"
)]
const fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte >= 0x7f)
}

/// The length of the plain prefix: no quote, backslash, control, DEL, nothing above ASCII.
pub fn plain(bytes: &[u8]) -> usize {
    let (chunks, _) = bytes.as_chunks::<16>();
    // The fold has no branch, so the compiler uses vector instructions.
    let clean = chunks
        .iter()
        .take_while(|chunk| {
            !chunk
                .iter()
                .fold(false, |any, &byte| any | is_special(byte))
        })
        .count()
        * 16;
    let rest = &bytes[clean..];
    clean
        + rest
            .iter()
            .position(|&byte| is_special(byte))
            .unwrap_or(rest.len())
}

fn escape(mut bytes: &[u8], style: Style, out: &mut Vec<u8>) {
    let run = plain(bytes);
    out.extend_from_slice(&bytes[..run]);
    bytes = &bytes[run..];
    if bytes.is_empty() {
        return;
    }
    for chunk in bytes.utf8_chunks() {
        valid(chunk.valid().as_bytes(), style, out);
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

fn valid(mut bytes: &[u8], style: Style, out: &mut Vec<u8>) {
    loop {
        let run = plain(bytes);
        out.extend_from_slice(&bytes[..run]);
        bytes = &bytes[run..];
        let Some((&byte, rest)) = bytes.split_first() else {
            return;
        };
        if byte < 0x80 {
            ascii(byte, style, out);
            bytes = rest;
        } else {
            let (wide, rest) = bytes.split_at(width(byte).min(bytes.len()));
            match harmful(wide) {
                Some(code) => wide_escape(code, style, out),
                None => out.extend_from_slice(wide),
            }
            bytes = rest;
        }
    }
}

/// The length in bytes of a character whose first byte is `lead`.
const fn width(lead: u8) -> usize {
    match lead {
        0xf0.. => 4,
        0xe0.. => 3,
        _ => 2,
    }
}

/// The code of a character that must not reach a terminal: C1 controls, the line and paragraph
/// separators, and the marks that reorder the text next to them ("trojan source").
fn harmful(wide: &[u8]) -> Option<u32> {
    match *wide {
        [0xc2, low @ 0x80..=0x9f] => Some(u32::from(low)),
        [0xd8, 0x9c] => Some(0x061c),
        [0xe2, 0x80, low @ (0x8e | 0x8f | 0xa8..=0xae)] => Some(0x2000 + u32::from(low - 0x80)),
        [0xe2, 0x81, low @ 0xa6..=0xa9] => Some(0x2040 + u32::from(low - 0x80)),
        _ => None,
    }
}

fn ascii(byte: u8, style: Style, out: &mut Vec<u8>) {
    match (style, byte) {
        (Style::Json, b'"') => out.extend_from_slice(b"\\\""),
        (Style::Json, b'\\') => out.extend_from_slice(b"\\\\"),
        (Style::Json | Style::Text, b'\n') => out.extend_from_slice(b"\\n"),
        (Style::Json | Style::Text, b'\r') => out.extend_from_slice(b"\\r"),
        (Style::Json, b'\t') => out.extend_from_slice(b"\\t"),
        (Style::Text, b'\t' | b'"' | b'\\') | (Style::Carry, ..0x7f) => out.push(byte),
        (Style::Json | Style::Carry, _) => wide_escape(u32::from(byte), Style::Json, out),
        (Style::Text, _) => {
            out.extend_from_slice(b"\\x");
            hex(u32::from(byte), 2, out);
        }
    }
}

fn wide_escape(code: u32, style: Style, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\u");
    if style == Style::Text {
        out.push(b'{');
        hex(code, 4, out);
        out.push(b'}');
    } else {
        hex(code, 4, out);
    }
}

fn hex(code: u32, digits: u32, out: &mut Vec<u8>) {
    for place in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(code >> (4 * place) & 0xf) as usize]);
    }
}

/// The last place at or before `at` where `bytes` can be split without splitting a character.
pub(crate) fn boundary(bytes: &[u8], at: usize) -> usize {
    if at >= bytes.len() {
        return bytes.len();
    }
    // A character has at most three bytes after its first; more of them are not UTF-8.
    (at.saturating_sub(3)..=at)
        .rev()
        .find(|&cut| bytes[cut] & 0xc0 != 0x80)
        .filter(|&cut| cut > 0)
        .unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    #[track_caller]
    fn check(input: &[u8], json: &str, text: &str) {
        let mut out = Vec::new();
        super::json(input, &mut out);
        assert_eq!(std::str::from_utf8(&out).unwrap(), json);
        out.clear();
        super::text(input, &mut out);
        assert_eq!(std::str::from_utf8(&out).unwrap(), text);
    }

    #[test]
    fn harmless_text_is_copied() {
        check(b"", "", "");
        check(
            b"plain text, long enough for a vector",
            "plain text, long enough for a vector",
            "plain text, long enough for a vector",
        );
        check(
            "Grüße, 世界 🚢 – “ok”".as_bytes(),
            "Grüße, 世界 🚢 – “ok”",
            "Grüße, 世界 🚢 – “ok”",
        );
    }

    #[test]
    fn harmful_text_is_escaped() {
        check(b"a\"b\\c", "a\\\"b\\\\c", "a\"b\\c");
        check(
            b"a\tb\nc\rd\0e",
            "a\\tb\\nc\\rd\\u0000e",
            "a\tb\\nc\\rd\\x00e",
        );
        check(
            b"\x1b[31mred\x7f",
            "\\u001b[31mred\\u007f",
            "\\x1b[31mred\\x7f",
        );
        check("\u{9b}31m".as_bytes(), "\\u009b31m", "\\u{009b}31m");
        check(
            "a\u{2028}b\u{202e}c\u{2066}d\u{61c}e\u{200f}".as_bytes(),
            "a\\u2028b\\u202ec\\u2066d\\u061ce\\u200f",
            "a\\u{2028}b\\u{202e}c\\u{2066}d\\u{061c}e\\u{200f}",
        );
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced() {
        check(b"a\xff\xfeb", "a\u{fffd}\u{fffd}b", "a\u{fffd}\u{fffd}b");
        check(b"cut \xe2\x82", "cut \u{fffd}", "cut \u{fffd}");
        check(b"\xc2\x1b", "\u{fffd}\\u001b", "\u{fffd}\\x1b");
    }

    #[test]
    fn carried_json_keeps_its_value() {
        let json = "{\"a\": \"\u{202e}\u{7f}\u{9b}é\\n\"}";
        let mut out = Vec::new();
        super::carry(json.as_bytes(), &mut out);
        let carried = std::str::from_utf8(&out).unwrap();
        assert_eq!(carried, "{\"a\": \"\\u202e\\u007f\\u009bé\\n\"}");
        let value = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(carried), value(json));
    }

    proptest! {
        #[test]
        fn what_json_reads_back_is_what_was_written(text in any::<String>()) {
            let mut out = vec![b'"'];
            super::json(text.as_bytes(), &mut out);
            out.push(b'"');
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }

        #[test]
        fn any_bytes_give_text_without_controls(bytes in any::<Vec<u8>>()) {
            let mut out = Vec::new();
            super::json(&bytes, &mut out);
            let json = String::from_utf8(std::mem::take(&mut out)).unwrap();
            super::text(&bytes, &mut out);
            let text = String::from_utf8(out).unwrap();
            prop_assert!(!json.chars().any(char::is_control));
            prop_assert!(!text.chars().any(|c| c.is_control() && c != '\t'));
            let back: String = serde_json::from_str(&format!("\"{json}\"")).unwrap();
            prop_assert_eq!(back, String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn a_cut_is_near_and_never_inside_a_character(text in "\\PC{1,40}", at in 1usize..60) {
            let cut = super::boundary(text.as_bytes(), at);
            prop_assert!(cut <= at.min(text.len()) || cut == text.len());
            prop_assert!(at >= 4 || cut > 0);
            if at >= 4 { prop_assert!(text.is_char_boundary(cut)); }
        }
    }
}
