//! System calls that the standard library lacks; the only module with `unsafe` code.
//!
//! [`process`] starts children and signals them, [`family`] knows whose they are, [`reap`] alone waits for them,
//! [`process_stat`] and [`pidfd`] look at processes that are not the launcher's children, [`left_behind`] ends what the
//! application has left. [`short_programs`] runs programs to their end, [`runtime`] runs the event loop, [`signals`] turns
//! signals into their meaning, [`sockets`] binds the listeners, [`socket_file`] opens those of others, [`socket_filter`] stops new connections on one,
//! `socket_options` sets what the libraries do not know, `sock_diag` and `procfs` read sockets from the kernel, [`cgroup`]
//! the memory of control groups, [`open_files`] files without a name, [`foreign_sockets`] ends connections of another
//! process, [`files`] writes files and takes locks, [`locale`] knows which locales are installed, [`ports`] finds the process that holds a port, [`terminal`] changes the
//! foreground process group.

pub(crate) mod cgroup;
pub(crate) mod family;
pub(crate) mod files;
pub(crate) mod foreign_sockets;
pub(crate) mod left_behind;
pub(crate) mod locale;
pub(crate) mod open_files;
pub(crate) mod pidfd;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod process_stat;
pub(crate) mod procfs;
pub(crate) mod reap;
pub mod runtime;
pub mod short_programs;
pub(crate) mod signals;
pub(crate) mod sock_diag;
pub(crate) mod socket_file;
pub(crate) mod socket_filter;
mod socket_options;
pub(crate) mod sockets;
pub(crate) mod terminal;
