//! Durations of config.json.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::values::{FromJson, InvalidValue, parse_unit};

/// Seconds as a number, or text with a unit (`"500ms"`, `"30s"`, `"2m"`, `"1h"`). May be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DurationValue(pub Duration);

/// Shortest duration apart from zero. A shorter one is a mistake in the unit, and would end every request.
const MIN_SECONDS: f64 = 0.01;
/// Longest duration: a day. A longer one is a mistake in the unit.
const MAX_SECONDS: f64 = 86_400.0;

impl FromJson for DurationValue {
    fn from_json(value: &Value) -> Result<Self, Vec<InvalidValue>> {
        let hint = "write seconds (30) or \"500ms\", \"30s\", \"2m\"";
        let seconds = match value {
            Value::Number(n) => n.as_f64(),
            Value::String(text) => parse_unit(
                text,
                &[
                    ("ms", 0.001),
                    ("s", 1.0),
                    ("m", 60.0),
                    ("h", 3600.0),
                    ("", 1.0),
                ],
            ),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        match seconds {
            Some(s) if s == 0.0 || (MIN_SECONDS..=MAX_SECONDS).contains(&s) => {
                Ok(Self(Duration::from_secs_f64(s)))
            }
            Some(s) => Err(vec![InvalidValue::new(
                format!("{s} seconds is out of range"),
                "use 0, or 10 milliseconds to 24 hours",
            )]),
            None => Err(vec![InvalidValue::wrong_type("a duration", value, hint)]),
        }
    }
}

/// Like [`DurationValue`], but not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NonZeroDuration(pub Duration);

impl FromJson for NonZeroDuration {
    fn from_json(value: &Value) -> Result<Self, Vec<InvalidValue>> {
        match DurationValue::from_json(value)? {
            DurationValue(Duration::ZERO) => Err(vec![InvalidValue::new(
                "0 seconds leave no time at all",
                "use 10 milliseconds to 24 hours",
            )]),
            DurationValue(time) => Ok(Self(time)),
        }
    }
}

impl JsonSchema for NonZeroDuration {
    fn schema_name() -> Cow<'static, str> {
        DurationValue::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        DurationValue::json_schema(generator)
    }
}

impl JsonSchema for DurationValue {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Seconds as a number, or text with a unit: \"500ms\", \"30s\", \"2m\", \"1h\"",
            "anyOf": [
                { "type": "number", "minimum": 0, "maximum": MAX_SECONDS },
                { "type": "string", "pattern": "^\\s*([0-9]+\\.?[0-9]*|\\.[0-9]+)\\s*(ms|s|m|h)?\\s*$" },
            ],
        })
    }
}
