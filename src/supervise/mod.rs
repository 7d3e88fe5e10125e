//! Children: a pure state machine that decides, and one loop that acts.
//!
//! ```text
//!   signals, exits, commands ──► run::Runner ──Event──► machine::Machine
//!   tasks (readiness, watchdog)      ▲  │ ◄──Actions──────┘
//!                                    │  └──► sys (start, signal), logs, tasks, callers
//!                      program::{Application, Proxy}  implemented by crate::programs
//! ```
//!
//! [`machine`] decides: events in, actions out, time as a value. [`run`] is the only `select!` loop: it waits for one
//! event, asks the machine, carries out the actions. [`child`] is the plan of a child, [`program`] the traits of a
//! supervised program, [`generation`] what a reload starts, [`in_flight`] lists requests as text, [`commands`] are
//! commands and queries to the loop, [`worker_exits`] counts how
//! the application's processes have ended, [`uptime`] is the loop's clock.
#![forbid(unsafe_code)]

pub(crate) mod child;
pub(crate) mod commands;
pub(crate) mod generation;
pub(crate) mod in_flight;
pub(crate) mod machine;
pub(crate) mod program;
pub(crate) mod run;
pub(crate) mod uptime;
pub(crate) mod worker_exits;
