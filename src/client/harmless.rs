//! Answers as values and text that cannot control a terminal. A launcher answers what clients and the application have
//! written, and what answers may be no launcher.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::logs::writing::escape;

/// The keys whose texts may have several lines: errors of the log, and the outcome of a reload.
const WITH_LINES: &[&str] = &["message", "text"];

/// Parses an answer. Controls in its texts are escaped; so they are in the error.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_value(in_value(serde_json::from_slice(body)?, ""))
}

/// The answer as JSON, written anew: whatever was between its values is gone.
pub(super) fn json(body: &[u8]) -> Result<String, serde_json::Error> {
    let value: Value = serde_json::from_slice(body)?;
    let text = serde_json::to_string_pretty(&value)?;
    let mut out = Vec::new();
    escape::carry(text.as_bytes(), &mut out);
    out.push(b'\n');
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Text of several lines.
pub(super) fn lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(line).collect();
    lines.join("\n")
}

/// One line: a line end is escaped too.
fn line(text: &str) -> String {
    let mut out = Vec::new();
    escape::text(text.as_bytes(), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn in_value(value: Value, key: &str) -> Value {
    match value {
        Value::String(text) if WITH_LINES.contains(&key) => Value::String(lines(&text)),
        Value::String(text) => Value::String(line(&text)),
        Value::Array(items) => items.into_iter().map(|item| in_value(item, key)).collect(),
        Value::Object(entries) => {
            let entries = entries.into_iter().map(|(key, value)| {
                let value = in_value(value, &key);
                (line(&key), value)
            });
            Value::Object(entries.collect::<Map<String, Value>>())
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "\u{1b}]0;x\u{7}\u{9b}31m\u{202e}\u{7f}\r\u{2066}";

    #[track_caller]
    fn assert_harmless(text: &str) {
        let controls = |c: char| c.is_control() && c != '\n';
        let marks = ['\u{202e}', '\u{2066}'];
        assert!(
            !text.contains(controls) && !text.contains(marks),
            "{text:?}"
        );
    }

    #[test]
    fn no_text_of_an_answer_controls_a_terminal() {
        let hostile = format!("{HOSTILE}\nrum is ready");
        let body = serde_json::json!({
            "name": hostile,
            hostile.as_str(): [hostile, {"message": hostile}],
            "text": hostile,
        })
        .to_string();
        let value: Value = parse(body.as_bytes()).unwrap();
        let name = value["name"].as_str().unwrap();
        assert!(!name.contains('\n'), "{name:?}");
        assert_harmless(&value["text"].as_str().unwrap().replace('\n', ""));
        let mut texts = vec![name.to_owned(), value["text"].to_string()];
        texts.extend(value.as_object().unwrap().keys().cloned());
        texts.extend(value.as_object().unwrap().values().map(ToString::to_string));
        for text in &texts {
            assert_harmless(text);
        }
        assert_eq!(value["text"].as_str().unwrap().lines().count(), 2);

        let printed = json(body.as_bytes()).unwrap();
        assert_harmless(&printed);
        let again: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(again["name"], hostile, "JSON keeps its values");
    }

    #[test]
    fn errors_are_harmless_too() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "no value of it is made")]
        struct Answer {
            level: u8,
        }
        let body = serde_json::json!({ "level": HOSTILE }).to_string();
        let error = parse::<Answer>(body.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("invalid type"), "{error}");
        assert_harmless(&error);
        for body in ["", "\u{1b}", "{}\r{}", "[", "\"\u{1b}\""] {
            assert!(json(body.as_bytes()).is_err(), "{body:?}");
        }
    }
}
