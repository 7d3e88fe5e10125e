//! One log: every line of every part, whole, in order, and never in the way.
//!
//! ```text
//!  nginx access ─pipe─┐
//!  nginx error  ─pipe─┤  thread "logs"                        thread "stdout"
//!  uWSGI        ─pipe─┼─► read ► frame ► group ► render ► ring ─► write(2) ─► stdout
//!  app stdout   ─pipe─┤   128 KiB  stage (pure)            ▲ bounded, drops
//!  app stderr   ─pipe─┘                                    │ the oldest
//!  launcher's own events ──────────── Sink ────────────────┘
//! ```
//!
//! What holds, whatever the parts write and whatever becomes of stdout:
//!
//! 1. The pipes belong to the launcher and live as long as it does: both ends stay open over every
//!    restart of a part, so no line is lost with a dying process and there is no end of file.
//! 2. Reading never waits for stdout, because a part whose pipe is full stops serving: nginx after
//!    61 KB, uWSGI's master (and harakiri with it) soon after. Only [`OnFull::Block`] asks for that.
//! 3. Every record is counted once as produced and once as delivered or dropped, for each source.
//!    What was dropped is said in the log, at the place where it is missing.
//! 4. Every record is one line (in JSON: one object) of at most [`render::LINE_MAX`] bytes, and
//!    nothing a part writes can end it early or begin another.
//! 5. stdout is never made non-blocking: that flag belongs to everyone who shares it.
//!
//! Order is kept within a source; between sources it is the order of arrival. The exception is a
//! record of several lines: it appears when its last line is known, with the time of its first.
//!
//! Two threads and no runtime: the log must flow when the launcher's loop does not turn.
//!
//! Reading order, first the pure stages (they take the time as a value): [`frame`] cuts bytes into
//! lines, [`origin`] finds out which worker wrote one and [`worker`] which are uWSGI's among them,
//! [`access`], [`nginx`], [`uwsgi`] and [`python`] understand them, [`traceback`], [`group`] and
//! `crash` join them, [`escape`], [`json`], [`stamp`]
//! and [`render`] write them, [`stage`] is their composition for one source and [`ring`] the bounded
//! queue with its accounts. Then the effects: `read`, `shared`, `outlet`, `write`, and `handle`
//! which starts and ends it all.

#![forbid(unsafe_code)]

pub mod access;
mod as_json;
mod as_text;
pub mod batch;
mod counters;
mod crash;
pub mod escape;
pub mod frame;
pub mod group;
mod handle;
pub mod json;
pub mod nginx;
pub mod options;
pub mod origin;
mod outlet;
pub mod python;
mod read;
mod recent;
pub mod record;
pub mod render;
pub mod ring;
mod shared;
mod sink;
pub mod stage;
pub mod stamp;
#[cfg(test)]
mod tests;
pub mod traceback;
pub mod uwsgi;
pub mod worker;
mod write;

pub use counters::{Count, Counters, Summary, Tally};
pub use handle::{Logs, start};
pub use options::{AccessFilter, LogOptions, OnFull};
pub use recent::{Recent, gist};
pub use record::{Level, Source};
pub use sink::{Sink, render as render_own};

/// How a record is written.
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
