//! Durations of config.json.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::values::{FromJson, Wrong, parse_unit};

/// A duration: seconds as a number, or text with a unit (`"500ms"`, `"30s"`, `"2m"`, `"1h"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

/// Shortest duration but none, in seconds. Less is a mistake in the unit, and would end every request.
const SHORTEST_SPAN: f64 = 0.01;
/// Longest duration that is taken, in seconds: a day. More is a mistake in the unit.
const LONGEST_SPAN: f64 = 86_400.0;

impl FromJson for Span {
    fn from_json(value: &Value) -> Result<Self, Vec<Wrong>> {
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
            Some(s) if s == 0.0 || (SHORTEST_SPAN..=LONGEST_SPAN).contains(&s) => {
                Ok(Self(Duration::from_secs_f64(s)))
            }
            Some(s) => Err(vec![Wrong::new(
                format!("{s} seconds is out of range"),
                "use 0, or 10 milliseconds to 24 hours",
            )]),
            None => Err(vec![Wrong::kind("a duration", value, hint)]),
        }
    }
}

/// A duration that cannot be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience(pub Duration);

impl FromJson for Patience {
    fn from_json(value: &Value) -> Result<Self, Vec<Wrong>> {
        match Span::from_json(value)? {
            Span(Duration::ZERO) => Err(vec![Wrong::new(
                "0 seconds leave no time at all",
                "use 10 milliseconds to 24 hours",
            )]),
            Span(time) => Ok(Self(time)),
        }
    }
}

impl JsonSchema for Patience {
    fn schema_name() -> Cow<'static, str> {
        Span::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Span::json_schema(generator)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Seconds as a number, or text with a unit: \"500ms\", \"30s\", \"2m\", \"1h\"",
            "anyOf": [
                { "type": "number", "minimum": 0, "maximum": LONGEST_SPAN },
                { "type": "string", "pattern": "^\\s*[0-9]+(\\.[0-9]+)?\\s*(ms|s|m|h)?\\s*$" },
            ],
        })
    }
}
