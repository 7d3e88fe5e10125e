//! System calls that the standard library lacks; the only module with `unsafe` code.
//!
//! [`process`] starts children and signals them, [`credentials`] is another user for them, `child_setup` has the steps between fork and exec, [`rights`] what the
//! launcher itself may do, [`family`] knows whose they are, [`reap`] alone waits for them,
//! [`process_stat`] and [`pidfd`] look at processes that are not the launcher's children, [`left_behind`] ends what the
//! application has left. [`short_programs`] runs programs to their end, [`runtime`] runs the event loop, [`signals`] turns
//! signals into their meaning, [`sockets`] binds the listeners, [`socket_file`] opens those of others, [`low_ports`] lets another user bind them, [`socket_filter`] stops new connections on one,
//! `socket_options` sets what the libraries do not know, `sock_diag` and `procfs` read sockets from the kernel, [`cgroup`]
//! the memory of control groups, [`open_files`] files without a name, [`foreign_sockets`] ends connections of another
//! process, [`files`] writes and reads files, [`folders`] makes folders, [`file_user`] is another user towards files, [`removal`] removes them, [`lock`] takes the lock, [`locale`] knows which locales are installed, [`ports`] finds the process that holds a port, [`stdio`] hands stdout to another user, [`home_folder`] makes a folder of another user, [`terminal`] changes the
//! foreground process group, [`sandbox`] confines children.

pub(crate) mod cgroup;
mod child_setup;
pub(crate) mod credentials;
pub(crate) mod family;
pub(crate) mod file_user;
pub(crate) mod files;
pub(crate) mod folders;
pub(crate) mod foreign_sockets;
pub(crate) mod home_folder;
pub(crate) mod left_behind;
pub(crate) mod locale;
pub(crate) mod lock;
pub(crate) mod low_ports;
pub(crate) mod open_files;
pub(crate) mod pidfd;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod process_stat;
pub(crate) mod procfs;
pub(crate) mod reap;
pub(crate) mod removal;
pub(crate) mod rights;
pub mod runtime;
pub(crate) mod sandbox;
pub mod short_programs;
pub(crate) mod signals;
pub(crate) mod sock_diag;
pub(crate) mod socket_file;
pub(crate) mod socket_filter;
mod socket_options;
pub(crate) mod sockets;
pub(crate) mod stdio;
pub(crate) mod terminal;
