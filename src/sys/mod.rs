//! System calls that the standard library lacks; the only module with `unsafe` code.
//!
//! [`process`] starts children and signals them, [`reap`] alone waits for them, [`short_programs`] runs programs to their
//! end, [`runtime`] runs the event loop, [`signals`] turns signals into their meaning, [`sockets`] binds the listeners,
//! [`socket_filter`] stops new connections on one, `sock_diag` and `procfs` read sockets from the kernel, [`files`] writes
//! files and takes locks, [`ports`] finds the process that holds a port, [`terminal`] changes the foreground process group.

pub mod files;
pub mod ports;
pub mod process;
pub(crate) mod procfs;
pub mod reap;
pub mod runtime;
pub mod short_programs;
pub mod signals;
pub(crate) mod sock_diag;
pub mod socket_filter;
pub mod sockets;
pub mod terminal;
