//! What is known of the running service: one sampler, one report.
//!
//! ```text
//!  supervisor's loop ── snapshot after each event ─────────┐
//!  uWSGI, nginx ◄── asked by their watchdogs alone ────────┤
//!  listen queue ◄── looked at by the queue's own task ─────┼─► sampler ─► one immutable report ─► status, top, page,
//!  /proc, cgroup ◄── meter ────────────────────────────────┤                                      metrics, probes
//!  log threads ── requests, errors, events ─► counting ────┘
//! ```
//!
//! Whoever asks gets what was published last: a GET on the admin address costs no question to nginx or uWSGI, and all who
//! look at the same time see the same figures. Samples are taken once a second, and four times a second as long as somebody
//! watches (`pace`).
//!
//! Reading order: `sampler` gathers, `compose` puts the report together, `reports` is where the latest one is. `counting`
//! counts what passes through the log: `traffic` the requests (`window` those of the last minutes, `spread` how long they
//! took), `happenings` errors, slow requests and events. `meter` asks the kernel.
#![forbid(unsafe_code)]

mod compose;
pub(crate) mod counting;
mod happenings;
mod meter;
pub(crate) mod pace;
pub(crate) mod reports;
pub(crate) mod sampler;
mod spread;
mod traffic;
mod window;
