//! Any bytes, in any reads.

use proptest::prelude::*;
use serde_json::Value;

use super::through::{ACCESS, NONCE, PROBE, TRACEBACK, as_json, head, mark, run};
use crate::logs::{options::Format, record::Source};

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..40),
        2 => any::<String>().prop_map(String::into_bytes),
        4 => prop::sample::select(vec![
            ACCESS, PROBE, TRACEBACK, "\x1eab;7;", "HEAD", "MORE", "\x1e", NONCE, "\n", "\n", "\r\n", "\0", "{\"a\":1}",
            "{\"message\":\"x\",\"level\":\"error\"}", "ERROR:root:x", "WARNING:root:x\n", "\"", "\\",
            "\n\nDuring handling of the above exception, another exception occurred:\n\n",
            "  + Exception Group Traceback (most recent call last):\n", "  indented\n",
            "2026/11/24 16:52:30 [crit] 24#24: *1 x", "DAMN ! worker 1 (pid: 7) died\n",
            "!!! uWSGI process 7 got Segmentation Fault !!!\n", "*** backtrace of 7 ***\n", "a(b+0x1) [0x7f]\n",
            "*** end of backtrace ***\n", "Gracefully killing worker 2 (pid: 8)...\n",
        ]).prop_map(|text| match text {
            "HEAD" => head("ab", "7").into_bytes(),
            "MORE" => head("", "8+").into_bytes(),
            text => text.as_bytes().to_vec(),
        }),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

fn any_source() -> impl Strategy<Value = Source> {
    prop::sample::select(Source::PIPED.to_vec())
}

proptest! {
    #[test]
    fn any_bytes_in_any_reads_give_the_same_valid_records(
        bytes in hostile(), size in 1usize..60, source in any_source(),
    ) {
        let whole = run(source, Format::Json, [&bytes[..]]);
        as_json(&whole);
        prop_assert_eq!(&whole, &run(source, Format::Json, bytes.chunks(size)));
        for line in run(source, Format::Text { colour: false }, [&bytes[..]]) {
            let harmless = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
            prop_assert!(line.ends_with('\n') && line.chars().all(harmless), "{:?}", line);
        }
    }

    #[test]
    fn no_byte_of_the_application_is_lost(
        bytes in hostile(), size in 1usize..4000, repeat in prop_oneof![9 => Just(1), 1 => Just(700)],
    ) {
        let bytes = bytes.repeat(repeat);
        // In any order (workers are separated), without heads and line ends.
        let counts = |texts: &mut dyn Iterator<Item = String>| {
            let mut all: Vec<char> = texts.flat_map(|t| t.chars().collect::<Vec<_>>()).collect();
            all.retain(|c| !"\r\n".contains(*c));
            all.sort_unstable();
            all
        };
        let seen = as_json(&run(Source::AppStderr, Format::Json, bytes.chunks(size)));
        let seen = counts(&mut seen.iter().map(|record| match &record["app"] {
            Value::Null => record["message"].as_str().unwrap().to_owned(),
            app => app.to_string(),
        }));
        let text = |line: &[u8]| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let (_, text) = mark().split(line);
            let text = String::from_utf8_lossy(text);
            match serde_json::from_str(&text) {
                Ok(value @ Value::Object(_)) if text == String::from_utf8_lossy(text.as_bytes()) => value.to_string(),
                _ => text.into_owned(),
            }
        };
        let lines = bytes.split(|&byte| byte == b'\n').flat_map(|line| {
            // A head begins a line, too.
            let mut lines = vec![line];
            while let Some(at) = mark().find(lines[lines.len() - 1], 1) {
                let (before, after) = lines.pop().unwrap().split_at(at);
                lines.extend([before, after]);
            }
            lines
        });
        let expected = counts(&mut lines.map(text));
        prop_assert_eq!(seen, expected);
    }
}
