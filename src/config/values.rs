//! Types of the values in config.json. Each is validated when it is parsed.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

/// Why a value is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvalidValue {
    /// JSON pointer relative to the value; empty for the value itself.
    pub below: String,
    /// The message, which includes the value.
    pub what: String,
    /// How to fix it; may be empty.
    pub hint: String,
}

impl InvalidValue {
    /// The value itself is invalid, not a part of it.
    pub(crate) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            below: String::new(),
            what: what.into(),
            hint: hint.into(),
        }
    }

    pub(super) fn wrong_type(expected: &str, got: &Value, hint: impl Into<String>) -> Self {
        Self::new(format!("expected {expected}, got {}", describe(got)), hint)
    }
}

/// A type that validates a JSON value.
pub(crate) trait FromJson: Sized {
    /// Parses the value, or returns everything that is wrong with it.
    fn from_json(value: &Value) -> Result<Self, Vec<InvalidValue>>;
}

/// A value for a message: its type and its first 60 characters.
pub(crate) fn describe(value: &Value) -> String {
    let text = value.to_string();
    let short = match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => short,
        Value::String(_) => format!("the text {short}"),
        Value::Array(_) => format!("the list {short}"),
        Value::Object(_) => format!("the object {short}"),
    }
}

/// `true` or `false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(transparent)]
pub(crate) struct Flag(pub bool);

impl FromJson for Flag {
    fn from_json(value: &Value) -> Result<Self, Vec<InvalidValue>> {
        match value {
            Value::Bool(flag) => Ok(Self(*flag)),
            Value::String(text) if ["true", "false"].contains(&text.to_lowercase().as_str()) => {
                let hint = format!("write {} without quotes", text.to_lowercase());
                Err(vec![InvalidValue::wrong_type("true or false", value, hint)])
            }
            other => Err(vec![InvalidValue::wrong_type(
                "true or false",
                other,
                "write true or false",
            )]),
        }
    }
}

/// An integer from `MIN` to `MAX`. Accepts text of digits too: Apache's `Define` made no difference between the two, so
/// configurations written for Apache may contain either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count<const MIN: u32, const MAX: u32>(pub u32);

impl<const MIN: u32, const MAX: u32> FromJson for Count<MIN, MAX> {
    fn from_json(value: &Value) -> Result<Self, Vec<InvalidValue>> {
        let number = match value {
            Value::Number(n) => n.as_i64().or_else(|| n.as_f64().and_then(whole)),
            Value::String(text) => text.trim().parse::<i64>().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let Some(number) = number else {
            return Err(vec![InvalidValue::wrong_type(
                "a whole number",
                value,
                format!("write a number from {MIN} to {MAX}"),
            )]);
        };
        match u32::try_from(number) {
            Ok(n) if (MIN..=MAX).contains(&n) => Ok(Self(n)),
            _ => Err(vec![InvalidValue::new(
                format!("{number} is out of range"),
                format!("use a number from {MIN} to {MAX}"),
            )]),
        }
    }
}

/// Converts a number such as 17.0, which JSON Schema regards as an integer.
fn whole(number: f64) -> Option<i64> {
    let fits = number.fract() == 0.0 && number.abs() < f64::from(u32::MAX);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole and below 2^32: checked on the line above"
    )]
    fits.then_some(number as i64)
}

impl<const MIN: u32, const MAX: u32> JsonSchema for Count<MIN, MAX> {
    fn schema_name() -> Cow<'static, str> {
        format!("Count_{MIN}_{MAX}").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": MIN, "maximum": MAX },
                { "type": "string", "pattern": "^\\s*[+-]?[0-9]+\\s*$" },
            ],
        })
    }
}

/// A size in bytes: a number, or text with `k`, `m`, `g` (powers of 1024, as in nginx).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub u64);

/// 1 TiB.
const MAX_SIZE: f64 = 1_099_511_627_776.0;

impl FromJson for Size {
    fn from_json(value: &Value) -> Result<Self, Vec<InvalidValue>> {
        let bytes = match value {
            Value::Number(n) => n.as_f64(),
            Value::String(text) => {
                let text = text.to_ascii_lowercase();
                let units = [
                    ("k", 1024.0),
                    ("m", 1_048_576.0),
                    ("g", 1_073_741_824.0),
                    ("", 1.0),
                ];
                parse_unit(&text, &units)
            }
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        match bytes {
            Some(b) if (0.0..=MAX_SIZE).contains(&b) && b.fract() == 0.0 => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "whole, not negative and below 2^41: checked on the line above"
                )]
                let whole = b as u64;
                Ok(Self(whole))
            }
            Some(b) => Err(vec![InvalidValue::new(
                format!("{b} bytes is out of range"),
                "use whole bytes up to 1024g",
            )]),
            None => Err(vec![InvalidValue::new(
                format!("expected a size, got {}", describe(value)),
                "write bytes (1048576) or \"512k\", \"100m\", \"2g\"",
            )]),
        }
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Bytes as a number, or text with a unit: \"512k\", \"100m\", \"2g\"",
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^\\s*([0-9]+\\.?[0-9]*|\\.[0-9]+)\\s*[kKmMgG]?\\s*$" },
            ],
        })
    }
}

/// Parses a number followed by one of `units`. The empty unit must be the last one.
pub(super) fn parse_unit(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let text = text.trim();
    let (number, factor) = units.iter().find_map(|(unit, factor)| {
        text.strip_suffix(unit)
            .map(|number| (number.trim_end(), *factor))
    })?;
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !plain {
        return None;
    }
    number.parse::<f64>().ok().map(|n| n * factor)
}

/// The path of a URL without a query: starts with `/`, printable ASCII without spaces (RFC 3986).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UrlPath(pub String);

impl FromJson for UrlPath {
    fn from_json(value: &Value) -> Result<Self, Vec<InvalidValue>> {
        let Value::String(text) = value else {
            return Err(vec![InvalidValue::wrong_type(
                "a path of a URL",
                value,
                "write \"/health\"",
            )]);
        };
        if !text.starts_with('/') {
            return Err(vec![InvalidValue::new(
                format!("{} does not start with /", describe(value)),
                "begin it with /",
            )]);
        }
        let allowed = |b: u8| {
            b.is_ascii_graphic()
                && !matches!(
                    b,
                    b'"' | b'\\' | b'#' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}'
                )
        };
        if !text.bytes().all(allowed) || text.len() > 1024 {
            return Err(vec![InvalidValue::new(
                format!("{} is not a URL path", describe(value)),
                "use printable ASCII without spaces, percent-encoded where needed, at most 1024 bytes",
            )]);
        }
        Ok(Self(text.clone()))
    }
}

impl JsonSchema for UrlPath {
    fn schema_name() -> Cow<'static, str> {
        "UrlPath".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^/", "maxLength": 1024 })
    }
}

/// The name of a system user (useradd(8) on Debian: at most 32 bytes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserName(pub String);

impl FromJson for UserName {
    fn from_json(value: &Value) -> Result<Self, Vec<InvalidValue>> {
        let Value::String(text) = value else {
            return Err(vec![InvalidValue::wrong_type(
                "the name of a user",
                value,
                "write \"www-data\"",
            )]);
        };
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        if text.is_empty() || text.len() > 32 || text.starts_with('-') || !text.bytes().all(allowed)
        {
            return Err(vec![InvalidValue::new(
                format!("{} is not a user name", describe(value)),
                "use a name from /etc/passwd",
            )]);
        }
        Ok(Self(text.clone()))
    }
}

impl JsonSchema for UserName {
    fn schema_name() -> Cow<'static, str> {
        "UserName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,31}$" })
    }
}

#[cfg(test)]
#[path = "values_tests.rs"]
mod tests;
