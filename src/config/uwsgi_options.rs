//! `uwsgi_config`: the uWSGI options that a service sets.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::problem::pointer;
use super::uwsgi_refused::refusal;
use super::values::{FromJson, InvalidValue, describe};

/// Name and value of each option, in the order of the file; a list becomes several options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UwsgiOptions(pub Vec<(String, String)>);

impl FromJson for UwsgiOptions {
    fn from_json(value: &Value) -> Result<Self, Vec<InvalidValue>> {
        let Value::Object(entries) = value else {
            return Err(vec![InvalidValue::new(
                format!("expected an object, got {}", describe(value)),
                "write {\"max-requests\": 5000}",
            )]);
        };
        let mut list = Vec::new();
        let mut errors = Vec::new();
        for (name, setting) in entries {
            match uwsgi_option(name, setting) {
                Ok(values) => list.extend(values.into_iter().map(|v| (name.clone(), v))),
                Err(error) => errors.push(InvalidValue {
                    below: pointer("", name),
                    ..error
                }),
            }
        }
        if errors.is_empty() {
            Ok(Self(list))
        } else {
            Err(errors)
        }
    }
}

fn uwsgi_option(name: &str, setting: &Value) -> Result<Vec<String>, InvalidValue> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if name.is_empty() || !name.bytes().all(allowed) {
        return Err(InvalidValue::new(
            format!("{name:?} is not the name of a uWSGI option"),
            "use letters, digits and -",
        ));
    }
    if let Some(refused) = refusal(name) {
        return Err(refused);
    }
    match setting {
        Value::Array(values) => values.iter().map(uwsgi_value).collect(),
        one => uwsgi_value(one).map(|v| vec![v]),
    }
}

fn uwsgi_value(value: &Value) -> Result<String, InvalidValue> {
    match value {
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => {
            if text.chars().any(char::is_control) {
                return Err(InvalidValue::new(
                    format!(
                        "{} holds a line break or control character",
                        describe(value)
                    ),
                    "write one line",
                ));
            }
            // uWSGI expands these in every value, they cannot be quoted, and @(exec://…) runs a command.
            if ["$(", "@(", "%("].iter().any(|mark| text.contains(mark)) {
                return Err(InvalidValue::new(
                    format!("{} holds a uWSGI placeholder", describe(value)),
                    "write the value itself instead of $(…), @(…) or %(…)",
                ));
            }
            Ok(text.clone())
        }
        Value::Null | Value::Array(_) | Value::Object(_) => Err(InvalidValue::new(
            format!(
                "expected text, a number, true or false, or a list of these, got {}",
                describe(value)
            ),
            "",
        )),
    }
}

impl JsonSchema for UwsgiOptions {
    fn schema_name() -> Cow<'static, str> {
        "UwsgiOptions".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let scalar = json_schema!({ "type": ["string", "number", "boolean"] });
        json_schema!({
            "type": "object",
            "additionalProperties": { "anyOf": [scalar, { "type": "array", "items": scalar }] },
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check<T: FromJson + std::fmt::Debug>(value: &Value, expected: &[(&str, &str)]) {
        let errors = T::from_json(value).err().unwrap_or_default();
        assert_eq!(errors.len(), expected.len(), "{errors:?}");
        for (error, (below, part)) in errors.iter().zip(expected) {
            assert_eq!(error.below, *below);
            assert!(error.what.contains(part), "{error:?}");
        }
    }

    #[test]
    fn reserved_uwsgi_options_are_rejected() {
        let options = UwsgiOptions::from_json(
            &json!({"max-requests": 5000, "memory-report": true, "env": ["A=1", "B=2"]}),
        )
        .unwrap();
        assert_eq!(options.0.len(), 4);
        check::<UwsgiOptions>(
            &json!({"processes": 3, "Processes\n": 1, "hook-x": "a\nexec = b", "env": "@(exec://id)", "log_format": "x", "y": null}),
            &[
                ("/processes", "set by the launcher"),
                ("/Processes\n", "not the name"),
                ("/hook-x", "line break"),
                ("/env", "placeholder"),
                ("/log_format", "set by the launcher"),
                ("/y", "expected text"),
            ],
        );
    }
}
