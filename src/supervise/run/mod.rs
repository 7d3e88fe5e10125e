//! The loop that owns the children: it waits for one event, asks the machine, and carries out the actions.
//!
//! [`runner`] is the loop. `children` keeps the plan and the task of each child and acts on one, `launch` starts one,
//! `processes` reaps, `readiness` polls a child until it serves, `watchdog` watches it from then on, and `findings` acts on
//! what that finds. `drain` and `survivors` wait until connections, requests and processes are gone, `stopping` lets a child
//! finish, `stop_log` logs the in-flight requests of a stop, `wait_log` for what a reload waits, `reload` keeps the clients of
//! a reload and the settings of its generation, `reload_history` what came of each, `report` and `snapshot` make what is told
//! of the service, `announce` the log records. `worker_account` accounts for the ends
//! of the application's processes, with `oom` for those that the kernel has killed for memory. `setup` is what the loop
//! begins with. `event` is what tasks send to the loop.
//!
//! The loop runs on the main thread, on which all children are started: their death signal is bound to that thread
//! (prctl(2), `PR_SET_PDEATHSIG`).
#![forbid(unsafe_code)]

mod announce;
mod children;
mod drain;
mod event;
mod findings;
mod launch;
mod oom;
mod processes;
mod readiness;
mod reload;
mod reload_history;
mod report;
pub(crate) mod runner;
pub(crate) mod setup;
mod snapshot;
mod stop_log;
mod stopping;
mod survivors;
mod wait_log;
mod watchdog;
mod worker_account;
