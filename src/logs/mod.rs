//! One log: every line of every child, whole and in order, without ever slowing a child down.
//!
//! ```text
//!  nginx access ─pipe─┐
//!  nginx error  ─pipe─┤  thread "logs"                            thread "stdout"
//!  uWSGI        ─pipe─┼─► read ─► lines ─► writing ─► queue ─────► write(2) ─► stdout
//!  app stdout   ─pipe─┤  128 KiB  understand  render   ▲ bounded, drops
//!  app stderr   ─pipe─┘                                │ the oldest
//!  launcher's own events ────────► EventEmitter ───────┘
//! ```
//!
//! What holds, whatever the children write and whatever happens to stdout:
//!
//! 1. The pipes belong to the launcher and exist as long as it does: both ends stay open over every
//!    restart of a child, so no line is lost with a dying process and there is no end of file.
//! 2. Reading never waits for stdout, because a child whose pipe is full stops serving: nginx after
//!    61 KB, uWSGI's master (and harakiri with it) soon after. Only [`OnFull::Block`] makes it wait.
//! 3. Every record is counted once as produced and once as delivered or dropped, for each source.
//!    A notice in the log says what was dropped, at the place where it is missing.
//! 4. Every record is one line (in JSON: one object) of at most [`writing::renderer::LINE_MAX`] bytes,
//!    and nothing a child writes can end it early or begin another.
//! 5. stdout is never made non-blocking: other processes share that flag.
//!
//! Order is kept within a source; between sources it is the order of arrival. The exception is a
//! record of several lines: it appears when its last line is known, with the time of its first.
//!
//! Reading order: [`options`], [`record`] and [`observed`] are the vocabulary. Then three rooms of pure code, which
//! take the time as a value: [`lines`] understands what children write, [`writing`] renders records,
//! [`queue`] bounds and counts what waits for stdout. `pipeline` has all effects: pipes, threads,
//! locks, stdout, and the handle that starts and ends the log.
//!
//! Imports go one way: `pipeline` → `lines` → `writing` → `queue` → `observed` → `record` → `options`.

#![forbid(unsafe_code)]

pub mod lines;
pub(crate) mod observed;
pub(crate) mod options;
mod pipeline;
pub mod queue;
pub mod record;
#[cfg(test)]
mod tests;
pub mod writing;

pub(crate) use lines::summary_line::summary_line;
pub use options::{AccessFilter, Format, LogOptions, OnFull};
pub(crate) use pipeline::emitter::EventEmitter;
pub(crate) use pipeline::handle::LogAccounts;
pub use pipeline::handle::{Logs, start};
pub use record::Source;
pub(crate) use record::{Level, ShedCause};
