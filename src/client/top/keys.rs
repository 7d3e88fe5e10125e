//! Which keys were typed: from the bytes that terminals send. Pure.
//!
//! Terminals agree on few sequences: `ESC [`, parameters, and a last byte (ECMA-48), or `ESC O` and one byte. Whatever else
//! there is, modifiers and mice included, is no key of `top` and is skipped as a whole.

/// A key that `top` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TypedKey {
    /// A printable character.
    Char(char),
    Enter,
    Escape,
    Tab,
    /// Shift and Tab.
    BackTab,
    Backspace,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    /// Ctrl and a letter.
    Ctrl(char),
}

/// Turns bytes into keys, however they arrive.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// The beginning of a sequence.
    rest: Vec<u8>,
}

/// A key that is complete, if it is a known one, and how many bytes it has.
type Complete = (Option<TypedKey>, usize);

/// Longer sequences are no keys.
const MAX_SEQUENCE: usize = 32;

impl Decoder {
    /// The keys in these bytes.
    pub(super) fn keys(&mut self, bytes: &[u8]) -> Vec<TypedKey> {
        self.rest.extend_from_slice(bytes);
        let mut keys = Vec::new();
        let mut at = 0;
        while let Some((key, length)) = first(&self.rest[at..]) {
            keys.extend(key);
            at += length;
        }
        self.rest.drain(..at);
        keys
    }

    /// Whether more bytes may belong to the last ones: Escape is the beginning of most keys, and a key.
    pub(super) fn is_waiting(&self) -> bool {
        !self.rest.is_empty()
    }

    /// No more bytes have come for a while.
    pub(super) fn silence(&mut self) -> Option<TypedKey> {
        let rest = std::mem::take(&mut self.rest);
        (rest == [ESCAPE]).then_some(TypedKey::Escape)
    }
}

const ESCAPE: u8 = 0x1b;

/// The first key of these bytes; none: they end within it.
fn first(bytes: &[u8]) -> Option<Complete> {
    let byte = *bytes.first()?;
    let control = |letter: u8| TypedKey::Ctrl(char::from(letter - 1 + b'a'));
    Some(match byte {
        ESCAPE => return after_escape(&bytes[1..]).map(|(key, length)| (key, length + 1)),
        b'\r' | b'\n' => (Some(TypedKey::Enter), 1),
        b'\t' => (Some(TypedKey::Tab), 1),
        0x7f | 0x08 => (Some(TypedKey::Backspace), 1),
        letter @ 1..=26 => (Some(control(letter)), 1),
        0..0x20 => (None, 1),
        _ => return character(bytes),
    })
}

fn character(bytes: &[u8]) -> Option<Complete> {
    let length = match bytes.first()? {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    let text = std::str::from_utf8(bytes.get(..length)?);
    let Some(letter) = text.ok().and_then(|text| text.chars().next()) else {
        return Some((None, 1));
    };
    Some((
        (!letter.is_control()).then_some(TypedKey::Char(letter)),
        length,
    ))
}

/// What follows an Escape.
fn after_escape(bytes: &[u8]) -> Option<Complete> {
    match bytes.first()? {
        b'[' => {}
        b'O' => return Some((by_letter(*bytes.get(1)?), 2)),
        // Twice Escape: the first one is a key.
        &ESCAPE => return Some((Some(TypedKey::Escape), 0)),
        // Alt and a key.
        _ => return Some((None, 1)),
    }
    let parameters = &bytes[1..];
    let Some(last) = parameters
        .iter()
        .position(|byte| matches!(byte, 0x40..=0x7e))
    else {
        return (bytes.len() > MAX_SEQUENCE).then_some((None, bytes.len()));
    };
    let length = last + 2;
    Some(match (&parameters[..last], parameters[last]) {
        // The mouse in the way of the X10 terminal: three bytes follow. The console's function keys: one does.
        ([], b'M') => (None, length + 3.min(bytes.len() - length)),
        ([], b'[') => (None, length + 1.min(bytes.len() - length)),
        ([], letter) => (by_letter(letter), length),
        (number, b'~') => (by_number(number), length),
        _ => (None, length),
    })
}

fn by_letter(letter: u8) -> Option<TypedKey> {
    Some(match letter {
        b'A' => TypedKey::Up,
        b'B' => TypedKey::Down,
        b'F' => TypedKey::End,
        b'H' => TypedKey::Home,
        b'M' => TypedKey::Enter,
        b'Z' => TypedKey::BackTab,
        _ => return None,
    })
}

fn by_number(number: &[u8]) -> Option<TypedKey> {
    Some(match number {
        b"1" | b"7" => TypedKey::Home,
        b"4" | b"8" => TypedKey::End,
        b"5" => TypedKey::PageUp,
        b"6" => TypedKey::PageDown,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &[TypedKey]) {
        assert_eq!(Decoder::default().keys(bytes), expected, "at once");
        let mut decoder = Decoder::default();
        let single: Vec<TypedKey> = bytes
            .iter()
            .flat_map(|byte| decoder.keys(&[*byte]))
            .collect();
        assert_eq!(single, expected, "byte by byte");
        assert!(!decoder.is_waiting());
    }

    #[test]
    fn keys_of_many_terminals() {
        check(
            b"qk/",
            &[
                TypedKey::Char('q'),
                TypedKey::Char('k'),
                TypedKey::Char('/'),
            ],
        );
        check("ä€😀".as_bytes(), &['ä', '€', '😀'].map(TypedKey::Char));
        check(
            b"\r\n\t\x7f\x08",
            &[
                TypedKey::Enter,
                TypedKey::Enter,
                TypedKey::Tab,
                TypedKey::Backspace,
                TypedKey::Backspace,
            ],
        );
        check(b"\x03\x1a\x0c", &['c', 'z', 'l'].map(TypedKey::Ctrl));
        check(b"\x1b[A\x1bOB", &[TypedKey::Up, TypedKey::Down]);
        check(
            b"\x1b[H\x1b[1~\x1b[7~\x1bOF\x1b[4~",
            &[
                TypedKey::Home,
                TypedKey::Home,
                TypedKey::Home,
                TypedKey::End,
                TypedKey::End,
            ],
        );
        check(
            b"\x1b[5~\x1b[6~\x1b[Z",
            &[TypedKey::PageUp, TypedKey::PageDown, TypedKey::BackTab],
        );
    }

    #[test]
    fn what_is_no_key_is_skipped_as_a_whole() {
        check(b"\x1b[1;5Aq", &[TypedKey::Char('q')]);
        check(b"\x1b[<0;10;10Mq", &[TypedKey::Char('q')]);
        check(
            b"\x1bxq\x00\xffq",
            &[TypedKey::Char('q'), TypedKey::Char('q')],
        );
        assert_eq!(
            Decoder::default().keys(b"\x1b[M !!q\x1b[[Aq"),
            [TypedKey::Char('q'), TypedKey::Char('q')]
        );
        let mut decoder = Decoder::default();
        let endless = [b"\x1b[".as_slice(), &[b'1'; 100]].concat();
        assert_eq!(decoder.keys(&endless), []);
        assert!(!decoder.is_waiting());
    }

    #[test]
    fn escape_is_a_key_when_nothing_follows() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.keys(b"\x1b"), []);
        assert!(decoder.is_waiting());
        assert_eq!(decoder.silence(), Some(TypedKey::Escape));
        assert!(!decoder.is_waiting());
        assert_eq!(
            decoder.keys(b"\x1b\x1b[A"),
            [TypedKey::Escape, TypedKey::Up]
        );
        assert_eq!(decoder.keys(b"\x1b["), []);
        assert_eq!(decoder.silence(), None);
        assert_eq!(decoder.keys(b"q"), [TypedKey::Char('q')]);
    }
}
