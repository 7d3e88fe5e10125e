//! Sockets as the kernel's socket diagnostics (sock_diag(7)) show them, which is where `ss` has its figures from.
//!
//! [`unix_peers`] names the peers of connected Unix sockets, [`listen_queue`] lists the connections that wait to be
//! accepted, [`tcp`] those of a TCP port. `netlink` has what they share.

pub(crate) mod listen_queue;
mod netlink;
pub(crate) mod tcp;
pub(crate) mod unix_peers;
