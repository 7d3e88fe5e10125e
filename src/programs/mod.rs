//! nginx and uWSGI as supervised programs: how they are started, polled and stopped.
//!
//! [`nginx`] and [`uwsgi`] each make the plan of their child, and implement the traits through which the supervisor
//! talks to them ([`crate::supervise::program`]). Other knowledge of them: `host` finds them, `render` writes their
//! configuration, `logs` parses their lines. [`sandbox`] confines both.
#![forbid(unsafe_code)]

pub(crate) mod nginx;
mod sandbox;
pub(crate) mod uwsgi;
