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
//! event, asks the machine, carries out the actions. [`child`] is the plan of a child, [`program`] what a program can be
//! asked, [`generation`] what a reload starts, [`in_flight`] how
//! requests are listed, [`commands`] what others may ask of the loop.
#![forbid(unsafe_code)]

pub(crate) mod child;
pub(crate) mod commands;
pub(crate) mod generation;
pub(crate) mod in_flight;
pub(crate) mod machine;
pub(crate) mod program;
pub(crate) mod run;
pub(crate) mod uptime;
