//! A JSON object that the application has logged, as text for people. Pure.

use serde_json::Value;

use crate::logs::record::{Level, Record};

/// A JSON object of the application as a message for people: its message, its other fields as words, and texts of several
/// lines (a stack, a traceback) as lines. Fields that the record shows anyway are omitted. Text is not the format of busy
/// services, so this may parse and copy.
pub(super) fn message(object: &[u8], record: &Record<'_>) -> Vec<u8> {
    let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(object) else {
        return object.to_owned();
    };
    let name = ["message", "msg", "event"]
        .into_iter()
        .find(|name| fields.get(*name).is_some_and(Value::is_string));
    let mut first = name
        .and_then(|name| fields[name].as_str())
        .unwrap_or_default()
        .to_owned();
    let mut blocks = String::new();
    for (key, value) in &fields {
        if Some(key.as_str()) == name || is_shown(key, value, record) {
            continue;
        }
        match value {
            Value::String(text) if text.contains('\n') => {
                blocks.push('\n');
                blocks.push_str(text.trim_end());
            }
            Value::String(text) if !text.is_empty() && !text.contains(' ') => {
                first.push_str(&format_args!(" {key}={text}").to_string());
            }
            other => first.push_str(&format_args!(" {key}={other}").to_string()),
        }
    }
    first.push_str(&blocks);
    first.into_bytes()
}

/// Whether the record shows the same level, request or process already. The application's name of a level that ours do not
/// have, such as `critical`, is more precise and stays.
fn is_shown(key: &str, value: &Value, record: &Record<'_>) -> bool {
    match (key, value) {
        ("level" | "levelname" | "severity", Value::String(word)) => {
            word.eq_ignore_ascii_case(record.level.as_str())
                || (record.level == Level::Warn && word.eq_ignore_ascii_case("warning"))
        }
        ("request_id", Value::String(id)) => {
            // An empty id is no information.
            id.is_empty() || id == record.origin.request_id
        }
        ("pid", Value::Number(pid)) => {
            record.origin.pid.is_some() && pid.as_u64() == record.origin.pid.map(u64::from)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::record::{Detail, Origin};

    #[track_caller]
    fn check(level: Level, input: &str, expected: &str) {
        let record = Record {
            at: 0,
            level,
            message: b"",
            origin: Origin {
                request_id: "ab",
                pid: Some(7),
                ..Origin::default()
            },
            detail: Detail::None,
        };
        assert_eq!(
            String::from_utf8(message(input.as_bytes(), &record)).unwrap(),
            expected
        );
    }

    #[test]
    fn objects_of_the_application_become_sentences() {
        check(
            Level::Info,
            r#"{"message":"Too late","path":"/x","age":2.5,"stack":"a\nb\n","note":"two words"}"#,
            "Too late path=/x age=2.5 note=\"two words\"\na\nb",
        );
        check(Level::Info, "[1]", "[1]");
    }

    #[test]
    fn what_a_record_shows_is_not_repeated() {
        check(
            Level::Error,
            r#"{"level":"error","message":"x","request_id":"ab","pid":7,"worker":1}"#,
            "x worker=1",
        );
        check(
            Level::Warn,
            r#"{"levelname":"WARNING","msg":"x","request_id":""}"#,
            "x",
        );
        check(
            Level::Error,
            r#"{"level":"critical","message":"x","request_id":"other","pid":8}"#,
            "x level=critical request_id=other pid=8",
        );
        check(
            Level::Info,
            r#"{"level":"error","message":"x","pid":"7"}"#,
            "x level=error pid=7",
        );
    }
}
