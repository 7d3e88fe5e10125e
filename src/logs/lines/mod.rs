//! Understanding lines: from the bytes of a pipe to records with a level, an origin and a text. Pure.
//!
//! ```text
//!  read ─► frame ─► origin ─► nginx_access, nginx_error, uwsgi, python ─► grouping, crash ─► a record
//!          lines    whose     what one line says                          lines of one record
//! ```
//!
//! What a child writes is not trusted: an application logs what clients sent it. So every parser accepts any bytes
//! and falls back to the line as it is.
//!
//! Reading order: [`frame`] splits reads into lines, [`origin`] finds the request and the process that a line of the
//! application belongs to, [`uwsgi_worker`] recognises uWSGI's lines among those of the application. [`nginx_access`],
//! [`nginx_error`], [`uwsgi`] and [`python`] understand single lines; this is where a line gets its level. `traceback` and
//! `grouping` join the lines of one record, `crash` those of a uWSGI crash; [`worker_events`] reads from uWSGI's lines how its workers live and end. `line_handler` applies all of these to the lines
//! of one source, `repeats` thins out those that come by the thousand, and [`source_stage`] is the whole path of a source
//! from a read to rendered records. `summary_line` understands errors once more, for `status`.
//!
//! Time comes in as a value and nothing waits, so a test can pass any bytes in any reads at any moment.

mod access_reason;
pub(crate) mod crash;
pub mod frame;
pub(crate) mod grouping;
pub(crate) mod line_handler;
pub mod nginx_access;
pub mod nginx_error;
pub mod origin;
pub mod python;
mod repeats;
mod simple;
pub mod source_stage;
pub(crate) mod summary_line;
pub(crate) mod traceback;
pub mod uwsgi;
pub mod uwsgi_worker;
pub mod worker_events;
