//! The loop that owns the children: it waits for one event, asks the machine, does what the machine says.
//!
//! [`runner`] is the loop. What it needs is beside it, `children` keeps the plan and the task of each child
//! and acts on one, `launch` starts one, `processes` reaps, `readiness` polls until it serves, `watchdog` watches it then, `drain` and
//! `survivors` wait for clients and processes to go, `stop_log` logs what a stop waits for, `reload` keeps those who
//! wait for a reload and what was made for it, `report` and `snapshot` make the status, `announce` the log records. `event` is what
//! tasks send to the loop.
//!
//! The loop runs on the main thread, on which all children are started: their death signal is bound to that thread
//! (prctl(2), `PR_SET_PDEATHSIG`).
#![forbid(unsafe_code)]

mod announce;
mod children;
mod drain;
mod event;
mod launch;
mod processes;
mod readiness;
mod reload;
mod report;
pub(crate) mod runner;
mod snapshot;
mod stop_log;
mod survivors;
mod watchdog;
