//! Connections and threads that the import of the application left open in uWSGI's master, from which all workers are
//! forked. A connection that several processes share garbles its data (the classic: one database connection,
//! "decryption failed or bad record mac"), and a thread of the master exists in none of the workers.

use crate::sys::procfs::{self, TcpState};
use crate::sys::sock_diag::unix_peers;

/// The value of `child` in the log records.
const NAME: &str = "uwsgi";

/// Open connections and extra threads of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Leftovers {
    /// The peers of connected sockets: addresses, and paths of Unix sockets.
    pub(super) connections: Vec<String>,
    /// Threads besides the main one.
    pub(super) threads: usize,
}

/// Inspects a process through /proc and sock_diag(7); what cannot be read counts as none.
pub(super) fn find(pid: i32) -> Leftovers {
    let inodes = u32::try_from(pid).map_or_else(|_| Vec::new(), procfs::socket_inodes);
    // Inodes of sockets have 32 bits in sock_diag(7).
    let numbers: Vec<u32> = inodes
        .iter()
        .filter_map(|n| u32::try_from(*n).ok())
        .collect();
    // A sandbox may forbid sock_diag(7); the other warnings still hold.
    let unix_peers = unix_peers::named_peers(&numbers).unwrap_or_default();
    let connections = procfs::tcp_sockets()
        .into_iter()
        .filter(|socket| socket.state == TcpState::Established && inodes.contains(&socket.inode))
        .map(|socket| socket.remote.to_string())
        .chain(unix_peers)
        .collect();
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(1, Iterator::count);
    Leftovers {
        connections,
        threads: threads.saturating_sub(1),
    }
}

impl Leftovers {
    /// Logs a warning for the connections and one for the threads.
    pub(super) fn warn(&self) {
        if !self.connections.is_empty() {
            tracing::warn!(
                child = NAME,
                connections = self.connections.join(" "),
                hint = "open them in a request (or in a uwsgidecorators.postfork function), or set uwsgi_config to {\"lazy-apps\": true}, which costs memory",
                "The application opened connections when it was imported: all its processes now share them."
            );
        }
        if self.threads > 0 {
            tracing::warn!(
                child = NAME,
                threads = self.threads,
                hint = "start them in a request (or in a uwsgidecorators.postfork function), or set uwsgi_config to {\"lazy-apps\": true}, which costs memory",
                "The application started threads when it was imported: they do not exist in the processes that serve."
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_of_our_own_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let _connection = std::net::TcpStream::connect(address).unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(find(own).connections.contains(&address.to_string()));
    }
}
