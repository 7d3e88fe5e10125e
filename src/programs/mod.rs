//! The programs that the launcher runs: all that it knows of nginx and of uWSGI while they run.
//!
//! [`nginx`] and [`uwsgi`] each hold the plan of their child, and implement the traits through which the supervisor talks
//! to them ([`crate::supervise::program`]). What is known of them elsewhere: `host` finds them, `render` writes their
//! configuration, `logs` understands their lines.
#![forbid(unsafe_code)]

pub(crate) mod nginx;
pub(crate) mod uwsgi;
