//! What the log is asked to be, defined once: the configuration reads it, the plan completes it, the log follows it. Pure.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

/// The smallest buffer: room for some records of the largest size.
pub const SMALLEST_BUFFER: u64 = 64 * 1024;

/// The options of a log. All of them may change while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LogOptions {
    /// Which access records are carried.
    pub access: AccessFilter,
    /// What happens when the buffer is full.
    pub on_full: OnFull,
    /// Bytes that are kept while stdout takes none, at least [`SMALLEST_BUFFER`].
    pub buffer: u64,
}

/// Which access records are carried. Health checks never are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum AccessFilter {
    /// Every request.
    All,
    /// Answers of 400 and above, and slow ones.
    Errors {
        /// From this duration on a request is slow.
        slow: Duration,
    },
    /// None.
    Off,
}

/// What happens when stdout takes no more and the buffer is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
#[schemars(rename_all = "lowercase", inline)]
pub enum OnFull {
    /// The oldest lines go, and are counted.
    #[default]
    Drop,
    /// The service waits.
    Block,
}
