//! The plan as children: how nginx and uWSGI are started, watched and stopped. The only place that knows both the
//! programs and the supervisor.
#![forbid(unsafe_code)]

pub mod nginx;
pub mod uwsgi;

use std::ffi::OsString;

/// Environment variables as they are handed to a child.
pub type Variables = Vec<(OsString, OsString)>;
