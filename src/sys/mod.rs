//! The only place that calls the kernel for what the standard library lacks, and the only `unsafe`.
//!
//! [`process`] starts children and signals them, [`reap`] is the only one that waits for them, [`signals`] turns raw
//! signals into what they mean, [`sockets`] binds, [`filter`] closes the door, [`files`] writes, [`ports`] finds out who holds a port, `runtime` runs a future, [`terminal`] hands a
//! terminal over.

pub mod files;
pub mod filter;
pub mod ports;
pub mod process;
pub mod reap;
pub(crate) mod runtime;
pub mod signals;
pub mod sockets;
pub mod terminal;
