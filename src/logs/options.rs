//! What can be set about the log. Pure.
//!
//! The only definition of these options: the configuration reads them, the plan shows them, the log keeps to them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

/// The smallest buffer in bytes: a few records of the largest size.
pub(crate) const SMALLEST_BUFFER: usize = 64 * 1024;

/// How records are written. Not part of [`LogOptions`], because it cannot change while the log runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people: aligned columns, tracebacks over several lines.
    Text {
        /// ANSI colours; the caller knows whether stdout is a terminal and what `NO_COLOR` says.
        colour: bool,
    },
    /// For machines: one JSON object a line.
    Json,
}

/// What may change while the log runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LogOptions {
    /// Which access records are kept.
    pub access: AccessFilter,
    /// What happens when the buffer is full.
    pub on_full: OnFull,
    /// Bytes that are kept while stdout accepts none, at least `SMALLEST_BUFFER`.
    pub buffer: usize,
}

/// Which access records are kept. Those of health checks never are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum AccessFilter {
    /// Every request.
    All,
    /// Answers of 400 and above, and slow ones.
    Errors {
        /// From this duration on, a request is slow.
        slow: Duration,
    },
    /// No request.
    Off,
}

// The comments on the variants are descriptions in the JSON Schema of config.json. With `Block`, reading stops while stdout
// accepts nothing; a child whose pipe is full cannot serve, and cannot end gracefully either. So `Logs::children_stopping`
// must be called before the children are stopped.
/// What happens when stdout takes no more and the buffer is full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema, Serialize)]
#[schemars(rename_all = "lowercase", inline)]
pub enum OnFull {
    /// The oldest lines go, and are counted.
    #[default]
    Drop,
    /// The service waits.
    Block,
}
