//! What asks a running launcher over its control socket: `status`, `top`, `profile`, `healthcheck`, `reload`,
//! `restart-worker`.
//!
//! [`Launcher`] finds the socket and sends one request, if `trust` takes its server for a launcher; `granted` is an answer that
//! is no refusal. What is printed of an answer goes through `harmless`. Each command has a file of its own. `brief` is the
//! status in little room, `table` and `figures` all of it, figures as words are in [`crate::status::words`]; `stacks` is
//! `status --stacks`, `picture` the file of a flame graph. What the launcher answers is in [`crate::control`].
#![forbid(unsafe_code)]

mod brief;
mod figures;
mod granted;
mod harmless;
mod healthcheck;
mod launcher;
mod picture;
mod profile;
mod reload;
mod restart_worker;
mod stacks;
mod status;
mod table;
mod top;
mod trust;

pub(crate) use self::healthcheck::healthcheck;
pub(crate) use self::launcher::Launcher;
pub(crate) use self::profile::profile;
pub(crate) use self::reload::reload;
pub(crate) use self::restart_worker::restart_worker;
pub(crate) use self::status::status;
pub(crate) use self::top::top;
