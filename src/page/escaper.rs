//! Text of others in a page: it cannot be markup, and nothing in it is invisible or turns the rest around. Pure.

use std::fmt;

use askama::filters::{Escaper, Html};

/// Escapes for HTML. Controls and direction marks, which a page would not show, become U+FFFD.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageText;

impl Escaper for PageText {
    fn write_escaped_str<W: fmt::Write>(&self, mut dest: W, string: &str) -> fmt::Result {
        for part in string.split_inclusive(is_invisible) {
            let visible = part.strip_suffix(is_invisible).unwrap_or(part);
            Html.write_escaped_str(&mut dest, visible)?;
            if visible.len() < part.len() {
                dest.write_char(char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}

fn is_invisible(character: char) -> bool {
    let is_mark = matches!(
        character,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    );
    is_mark || character.is_control() && character != '\n'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_markup_or_invisible() {
        let mut out = String::new();
        PageText
            .write_escaped_str(&mut out, "<a b='\"'>&\n\u{1b}[2J\u{202e}ab\u{9b}\u{7f} ä")
            .unwrap();
        assert_eq!(
            out,
            "&#60;a b=&#39;&#34;&#39;&#62;&#38;\n\u{fffd}[2J\u{fffd}ab\u{fffd}\u{fffd} ä"
        );
    }
}
