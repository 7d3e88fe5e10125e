//! The section `log_config`: which requests are logged, and what happens when the log is not read.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::near_miss::did_you_mean;
use super::values::{FromJson, InvalidValue, Size, describe};
use crate::logs::options::{AccessFilter, OnFull, SMALLEST_BUFFER};

/// The default buffer in bytes: seconds of a busy service.
const DEFAULT_BUFFER: usize = 8 * 1024 * 1024;
/// From this duration on, a request is slow when its time is not limited.
const SLOW_WITHOUT_LIMIT: Duration = Duration::from_secs(5);

/// Which requests are in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "lowercase", inline)]
pub(crate) enum AccessLog {
    /// Every one.
    #[default]
    All,
    /// Those that failed or were slow.
    Errors,
    /// None.
    Off,
}

impl AccessLog {
    /// The filter; `request_timeout` is zero when there is no limit. A request is slow when it has used half of its time: it
    /// may only just have been in time today.
    pub(super) fn filter(self, request_timeout: Duration) -> AccessFilter {
        match self {
            Self::All => AccessFilter::All,
            Self::Errors if request_timeout.is_zero() => AccessFilter::Errors {
                slow: SLOW_WITHOUT_LIMIT,
            },
            Self::Errors => AccessFilter::Errors {
                slow: request_timeout / 2,
            },
            Self::Off => AccessFilter::Off,
        }
    }
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

/// Bytes that are kept while stdout accepts none, at least [`SMALLEST_BUFFER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buffer(pub usize);

impl Default for Buffer {
    fn default() -> Self {
        Self(DEFAULT_BUFFER)
    }
}

impl FromJson for Buffer {
    fn from_json(value: &Value) -> Result<Self, Vec<InvalidValue>> {
        let Size(bytes) = Size::from_json(value)?;
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
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
                { "type": "string", "pattern": "^\\s*([0-9]+\\.?[0-9]*|\\.[0-9]+)\\s*[kKmMgG]?\\s*$" },
            ],
        })
    }
}

/// Reads one of several words.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: AccessFilter) {
        let (config, findings) = crate::config::load(None, Some(text));
        assert!(findings.list.is_empty(), "{findings}");
        assert_eq!(config.log.access, expected);
    }

    #[test]
    fn slow_is_half_of_what_a_request_may_take() {
        let errors = |slow| AccessFilter::Errors {
            slow: Duration::from_millis(slow),
        };
        check("{}", AccessFilter::All);
        check(r#"{"log_config": {"access": "off"}}"#, AccessFilter::Off);
        check(r#"{"log_config": {"access": "errors"}}"#, errors(30_000));
        check(
            r#"{"log_config": {"access": "errors"}, "nginx_config": {"request_timeout": 3}}"#,
            errors(1500),
        );
        check(
            r#"{"log_config": {"access": "errors"}, "nginx_config": {"request_timeout": 0}}"#,
            errors(5000),
        );
    }
}
