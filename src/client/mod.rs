//! The commands that ask a running launcher, over its control socket.
//!
//! `control_socket` finds it and asks, `status` (with `status_text`), `healthcheck`, `reload` and `restart_worker` are the
//! commands.
#![forbid(unsafe_code)]

mod control_socket;
pub(crate) mod healthcheck;
pub(crate) mod reload;
pub(crate) mod restart_worker;
pub(crate) mod status;
mod status_text;
