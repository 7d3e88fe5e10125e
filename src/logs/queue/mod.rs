//! The bounded queue between reading and writing, and the accounts of every record. Pure.
//!
//! Reading must never wait for stdout, so what waits for stdout needs a bound, and what goes beyond it is dropped. Nothing
//! is dropped silently: each record is counted once as produced and once as delivered or dropped.
//!
//! Reading order: [`batch`] holds rendered records and where each ends, `counters` are the accounts, `dropped` says what is
//! missing since the last notice, `record_queue` joins these into the queue. `intake` decides what a full queue means in
//! each phase of a run, `recent_errors` keeps the last errors for `status` and for a reload that fails, `error_kinds` says
//! which errors are the same.
//!
//! No lock and no wait here: `pipeline` puts the queue behind a lock.

pub mod batch;
pub(crate) mod counters;
pub(crate) mod dropped;
pub(crate) mod error_kinds;
pub(crate) mod intake;
pub(crate) mod recent_errors;
pub(crate) mod record_queue;
