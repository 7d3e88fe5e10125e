//! Whether a line is one JSON object, and what its first-level fields are. Pure.
//!
//! The log copies JSON of nginx and of the application into its own records without rebuilding it. So
//! it must be sure that this is valid JSON, in one pass and without memory: a general parser costs
//! several times as much as the whole rest of the path.

use super::escape::plain;

/// The deepest nesting; deeper JSON is written as text. Logs are never that deep, and the limit bounds the recursion.
const DEPTH: u32 = 64;

/// Checks that `line`, which must be UTF-8, is one JSON object, and passes each field of its first
/// level to `field`: the key as written between its quotes, the value as written. Returns the
/// object without the white space around it. When it is none, some fields may have been passed on.
pub fn object<'a>(line: &'a [u8], mut field: impl FnMut(&'a [u8], &'a [u8])) -> Option<&'a [u8]> {
    // White space by the grammar of JSON, to which a form feed, for example, does not belong.
    let is_space = |byte: &u8| b" \t\r\n".contains(byte);
    let start = line.iter().position(|byte| !is_space(byte))?;
    let end = line.iter().rposition(|byte| !is_space(byte))? + 1;
    let line = &line[start..end];
    if line.first() != Some(&b'{') || line.last() != Some(&b'}') {
        return None;
    }
    let mut scan = Scan { text: line, at: 1 };
    scan.members(0, &mut field)?;
    (scan.at == line.len()).then_some(line)
}

/// The content of a JSON string as written between the quotes; none for other values.
pub fn string(value: &[u8]) -> Option<&[u8]> {
    value.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// The longest number in bytes that is copied. With [`EXPONENT`] it stays below the range of a float:
/// many readers refuse a whole line for a larger number.
const NUMBER: usize = 200;
/// The longest positive exponent in digits that is copied.
const EXPONENT: usize = 2;

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// The members of an object after its opening brace, and the closing brace.
    fn members(&mut self, depth: u32, field: &mut impl FnMut(&'a [u8], &'a [u8])) -> Option<()> {
        self.space();
        if self.take(b'}').is_some() {
            return Some(());
        }
        loop {
            self.space();
            let key = self.at;
            self.string()?;
            let key = &self.text[key + 1..self.at - 1];
            self.space();
            self.take(b':')?;
            self.space();
            let value = self.at;
            self.value(depth)?;
            field(key, &self.text[value..self.at]);
            self.space();
            if self.take(b',').is_none() {
                return self.take(b'}');
            }
        }
    }

    fn items(&mut self, depth: u32) -> Option<()> {
        self.space();
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            self.space();
            self.value(depth)?;
            self.space();
            if self.take(b',').is_none() {
                return self.take(b']');
            }
        }
    }

    fn value(&mut self, depth: u32) -> Option<()> {
        match self.peek()? {
            b'"' => self.string(),
            b'{' | b'[' if depth >= DEPTH => None,
            b'{' => {
                self.at += 1;
                // A function pointer, not a closure: one instance of the function for all levels.
                self.members(depth + 1, &mut (ignore as fn(&'a [u8], &'a [u8])))
            }
            b'[' => {
                self.at += 1;
                self.items(depth + 1)
            }
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.text[self.at..]
            .starts_with(word)
            .then(|| self.at += word.len())
    }

    fn string(&mut self) -> Option<()> {
        self.take(b'"')?;
        loop {
            self.at += plain(&self.text[self.at..]);
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => self.escape()?,
                ..0x20 => return None,
                // DEL and what is not ASCII; the line is known to be UTF-8.
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        let kind = *self.text.get(self.at + 1)?;
        self.at += 2;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => match self.unit()? {
                // Half a surrogate pair is valid by the grammar, but many readers refuse it.
                0xdc00..=0xdfff => None,
                0xd800..=0xdbff => {
                    self.word(b"\\u")?;
                    matches!(self.unit()?, 0xdc00..=0xdfff).then_some(())
                }
                _ => Some(()),
            },
            _ => None,
        }
    }

    /// Four hex digits.
    fn unit(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |unit, &digit| {
            Some(unit * 16 + char::from(digit).to_digit(16)?)
        })
    }

    fn digits(&mut self) -> Option<()> {
        let rest = &self.text[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        (count > 0).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        // The sign is optional.
        let _ = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            let small = self.take(b'-').is_some();
            if !small {
                // The sign is optional.
                let _ = self.take(b'+');
            }
            let exponent = self.at;
            self.digits()?;
            if !small && self.at - exponent > EXPONENT {
                return None;
            }
        }
        (self.at - start <= NUMBER).then_some(())
    }
}

fn ignore(_: &[u8], _: &[u8]) {}

#[cfg(test)]
mod tests {
    use super::object;
    use proptest::prelude::*;
    use serde::de::IgnoredAny;
    use serde_json::Value;

    fn is_object(line: &[u8]) -> bool {
        object(line, |_, _| {}).is_some()
    }

    #[track_caller]
    fn check(line: &str, expected: Option<&[(&str, &str)]>) {
        let mut fields = Vec::new();
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        let whole = object(line.as_bytes(), |key, value| {
            fields.push((text(key), text(value)));
        });
        assert_eq!(whole.map(|_| fields.as_slice()), expected, "{line}");
    }

    #[test]
    fn fields_of_the_first_level() {
        check("{}", Some(&[]));
        check(" { } ", Some(&[]));
        check(
            r#"{"a":1,"b" : "x\"y" , "c":{"d":[1,{"e":null}]},"f":[],"g":-1.5e+3,"h":true}"#,
            Some(&[
                ("a", "1"),
                ("b", r#""x\"y""#),
                ("c", r#"{"d":[1,{"e":null}]}"#),
                ("f", "[]"),
                ("g", "-1.5e+3"),
                ("h", "true"),
            ]),
        );
        check(
            r#"{"\u00e9":"\ud83d\ude00","é":"ü"}"#,
            Some(&[("\\u00e9", r#""\ud83d\ude00""#), ("é", "\"ü\"")]),
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for line in [
            "",
            "{",
            "}",
            "{}}",
            "{{}",
            "[]",
            "1",
            "{} {}",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{\"a\":1,}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":+1}",
            "{\"a\":1e}",
            "{\"a\":\"\n\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":\"\\ud800\\u0041\"}",
            "{\"a\":\"\\udc00\"}",
            "{\"a\":[1,]}",
            "{\"a\":[1}",
            "{\"a\":tru}",
            "\x0c{}",
            "{\"a\":1e100}",
            "{\"a\":-2.5e+0003}",
            "{\"a\":-}",
            "{\"a\":\"}",
            "{\"a\":1}x}",
        ] {
            check(line, None);
        }
        assert!(!is_object(
            format!("{{\"a\":{}{}}}", "[".repeat(9999), "]".repeat(9999)).as_bytes()
        ));
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(line in r#"\{["\\ab:,{}\[\]0-9eE.+u \t-]{0,24}\}"#) {
            let strict = serde_json::from_str::<Value>(&line).is_ok();
            let loose = serde_json::from_str::<IgnoredAny>(&line).is_ok();
            let ours = is_object(line.as_bytes());
            prop_assert!(!strict || ours, "refused {line}");
            prop_assert!(!ours || loose, "accepted {line}");
        }

        #[test]
        fn mutilated_json_is_never_accepted_wrongly(
            cut in 0usize..90, byte in any::<u8>(),
        ) {
            let mut line = br#"{"a":[1,2.5,-3e7,{"b":"c\"d\\e\u0041"}],"n":null,"t":true,"s":"text","deep":{"x":{}}}"#.to_vec();
            let cut = cut.min(line.len() - 1);
            line[cut] = byte;
            if let Ok(text) = std::str::from_utf8(&line) {
                prop_assert_eq!(is_object(&line), serde_json::from_str::<Value>(text).is_ok());
            }
        }
    }
}
