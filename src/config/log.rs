//! What `log_config` may say: which requests are logged, and what happens when the log is not read.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::file::did_you_mean;
use super::values::{FromJson, InvalidValue, Size, describe};
use crate::logs::options::{OnFull, SMALLEST_BUFFER};

/// Bytes that are kept when nothing is set: seconds of a busy service.
const DEFAULT_BUFFER: u64 = 8 * 1024 * 1024;

/// The section with its defaults filled in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogConfig {
    /// `access`.
    pub access: AccessLog,
    /// `on_full`.
    pub on_full: OnFull,
    /// `buffer`.
    pub buffer: Buffer,
}

/// Which requests are in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "lowercase", inline)]
pub enum AccessLog {
    /// Every one.
    #[default]
    All,
    /// Those that failed or were slow.
    Errors,
    /// None.
    Off,
}

impl FromJson for AccessLog {
    fn from_json(value: &Value) -> Result<Self, Vec<InvalidValue>> {
        one_of(
            value,
            &[
                ("all", Self::All),
                ("errors", Self::Errors),
                ("off", Self::Off),
            ],
        )
    }
}

impl FromJson for OnFull {
    fn from_json(value: &Value) -> Result<Self, Vec<InvalidValue>> {
        one_of(value, &[("drop", Self::Drop), ("block", Self::Block)])
    }
}

/// Bytes that are kept while stdout takes none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer(pub u64);

impl Default for Buffer {
    fn default() -> Self {
        Self(DEFAULT_BUFFER)
    }
}

impl FromJson for Buffer {
    fn from_json(value: &Value) -> Result<Self, Vec<InvalidValue>> {
        let Size(bytes) = Size::from_json(value)?;
        if bytes < SMALLEST_BUFFER {
            return Err(vec![InvalidValue::new(
                format!("{bytes} bytes is too small for the log's buffer"),
                "use at least \"64k\"; the default is \"8m\"",
            )]);
        }
        Ok(Self(bytes))
    }
}

impl JsonSchema for Buffer {
    fn schema_name() -> Cow<'static, str> {
        "Buffer".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Bytes as a number, or text with a unit: \"512k\", \"8m\"; at least 64k",
            "anyOf": [
                { "type": "integer", "minimum": SMALLEST_BUFFER },
                { "type": "string", "pattern": "^\\s*[0-9]+(\\.[0-9]+)?\\s*[kKmMgG]?\\s*$" },
            ],
        })
    }
}

/// One of some words.
fn one_of<T: Copy>(value: &Value, words: &[(&str, T)]) -> Result<T, Vec<InvalidValue>> {
    let text = value.as_str().unwrap_or_default();
    if let Some((_, found)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*found);
    }
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    let all = quoted.join(", ");
    Err(vec![InvalidValue::new(
        format!("expected one of {all}, got {}", describe(value)),
        did_you_mean(text, &names).unwrap_or_else(|| format!("use one of {all}")),
    )])
}
