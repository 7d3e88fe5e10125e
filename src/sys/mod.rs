//! The only place that calls the kernel for what the standard library lacks, and the only `unsafe`.
//!
//! [`process`] starts children and signals them, [`reap`] is the only one that waits for them, [`signals`] turns raw
//! signals into what they mean, [`sockets`] binds, [`filter`] closes the door, [`files`] writes, [`ports`] finds out who holds a port, [`terminal`] hands a
//! terminal over.

pub mod files;
pub mod filter;
pub mod ports;
pub mod process;
pub mod reap;
pub mod runtime;
pub mod short_programs;
pub mod signals;
pub mod sock_diag;
pub mod sockets;
pub mod terminal;
