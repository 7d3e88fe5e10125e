//! The effects: pipes, threads, locks, stdout.
//!
//! Two threads and no runtime: the log must flow even when the launcher's loop does not turn. `reader` reads the pipes and
//! never waits for stdout, `writer` is the only one that waits for it. Between them is `shared`: the queue behind a lock
//! (`shared_queue`), the last errors (`shared_errors`) and the `clock`. `stdout` writes bytes to any kind of stdout, and
//! `emitter` takes the launcher's own records. `handle` starts and ends all of this.

mod clock;
pub(crate) mod emitter;
pub(crate) mod handle;
mod reader;
mod shared;
mod shared_errors;
mod shared_queue;
mod stdout;
mod writer;
