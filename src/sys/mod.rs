//! System calls that the standard library lacks; the only module with `unsafe` code.
//!
//! [`process`] starts children and signals them: [`credentials`] is another user for them, `child_setup` has the steps
//! between fork and exec, [`sandbox`] confines them, [`low_ports`] lets another user bind low ports. [`rights`] is
//! what the launcher itself may do. [`family`] knows whose a process is, [`reap`] alone waits for it, [`process_stat`]
//! and [`pidfd`] look at processes that are not the launcher's children, [`left_behind`] ends what the application has
//! left. [`short_programs`] runs programs to their end, [`runtime`] runs the event loop, [`signals`] turns signals
//! into their meaning, `hang_up` that of SIGHUP.
//!
//! [`sockets`] binds the listeners, [`socket_file`] opens those of others, [`socket_filter`] stops new connections on
//! one, `socket_options` sets what the libraries do not know, `sock_diag` and `procfs` read sockets from the kernel,
//! [`foreign_sockets`] ends connections of another process, [`ports`] finds the process that holds a port.
//!
//! [`files`] writes and reads files, [`folders`] and [`home_folder`] make folders, [`removal`] removes them,
//! [`file_user`] is another user towards files, [`lock`] takes the lock, [`open_files`] finds files without a name.
//! [`cgroup`] reads the memory of control groups, [`locale`] knows which locales are installed, [`stdio`] hands stdout
//! to another user, [`terminal`] changes the foreground process group, [`raw_terminal`] the mode and the screen for a command
//! that shows something, [`terminal_signals`] are its signals.

pub(crate) mod cgroup;
mod child_setup;
pub(crate) mod credentials;
pub(crate) mod family;
pub(crate) mod file_user;
pub(crate) mod files;
pub(crate) mod folders;
pub(crate) mod foreign_sockets;
mod hang_up;
pub(crate) mod home_folder;
pub(crate) mod left_behind;
pub(crate) mod locale;
pub(crate) mod lock;
pub(crate) mod low_ports;
pub(crate) mod open_files;
pub(crate) mod pidfd;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod process_memory;
pub(crate) mod process_stat;
pub(crate) mod procfs;
pub(crate) mod raw_terminal;
pub(crate) mod readable;
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
pub(crate) mod terminal_signals;
