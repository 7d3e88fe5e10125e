//! Connections and threads that the import of the application left open in uWSGI's master, from which all workers are
//! forked. A connection that several processes share garbles its data (the classic: one database connection,
//! "decryption failed or bad record mac"), and a thread of the master exists in none of the workers. Which threads are
//! missing there, the entry module finds out: libraries may start theirs again.

use std::path::{Path, PathBuf};

use crate::sys::file_user;
use crate::sys::files;
use crate::sys::procfs::{self, TcpState};
use crate::sys::sock_diag::unix_peers;

/// The value of `child` in the log records.
const NAME: &str = "uwsgi";

/// A name has at most 100 characters (uwsgi/microservice_flask_imported.py).
const MAX_NAMES: usize = 20;
const MAX_FILE: u64 = 16 * 1024;

/// What the import left open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Leftovers {
    /// The peers of connected sockets: addresses, and paths of Unix sockets.
    pub(super) connections: Vec<String>,
    /// Names of the threads that the processes which serve do not have.
    pub(super) threads: Vec<String>,
}

/// The file with the names of threads, below uWSGI's folder.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("threads-of-the-import")
}

/// What `check --import` has written down; none when the import has not come to its end.
pub(super) fn read(folder: &Path) -> Option<Leftovers> {
    let connections = folder.join("connections-of-the-import");
    connections.is_file().then(|| Leftovers {
        connections: lines(&connections),
        threads: lines(&path(folder)),
    })
}

fn lines(file: &Path) -> Vec<String> {
    // There is no such file when there is nothing to tell.
    let folder = file.parent().unwrap_or(file);
    let text = file_user::as_owner_of(folder, || files::read_small(file, MAX_FILE));
    names(&text.unwrap_or_default())
}

/// The names in such a file.
pub(crate) fn names(text: &str) -> Vec<String> {
    // Names come from the application, and go to terminals.
    let plain = |line: &str| line.chars().filter(|c| !c.is_control()).take(100).collect();
    text.lines().take(MAX_NAMES).map(plain).collect()
}

/// Inspects a process through /proc and sock_diag(7), and reads what the entry module has found; what cannot be read
/// counts as none.
pub(super) fn find(pid: i32, folder: &Path) -> Leftovers {
    // Without the capability SYS_PTRACE, root may not look at the descriptors of others, but they may.
    let inodes = file_user::as_owner_of(folder, || {
        Ok(u32::try_from(pid).map_or_else(|_| Vec::new(), procfs::socket_inodes))
    });
    // What cannot be read counts as none.
    let inodes = inodes.unwrap_or_default();
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
    Leftovers {
        connections,
        threads: lines(&path(folder)),
    }
}

/// A fault of the application, with the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advice {
    pub(crate) message: String,
    pub(crate) hint: &'static str,
}

impl Leftovers {
    pub(super) fn advice(&self) -> Vec<Advice> {
        let mut advice = Vec::new();
        if !self.connections.is_empty() {
            advice.push(Advice {
                message: format!(
                    "The application opened connections when it was imported ({}): all its processes now share them.",
                    self.connections.join(", ")
                ),
                hint: "open them in the first request that needs them, or set uwsgi_config to {\"lazy-apps\": true}: each process then imports the application itself, which costs memory",
            });
        }
        if !self.threads.is_empty() {
            advice.push(Advice {
                message: format!(
                    "The application started threads when it was imported ({}): they run in uWSGI's main process only, and do nothing for the processes that serve.",
                    self.threads.join(", ")
                ),
                hint: "set uwsgi_config to {\"lazy-apps\": true}: each process then imports the application itself and has these threads, which costs memory; what must run only once needs wsgi_processes 1, too",
            });
        }
        advice
    }

    /// Logs a warning for the connections and one for the threads.
    pub(super) fn warn(&self) {
        for Advice { message, hint } in self.advice() {
            tracing::warn!(child = NAME, hint, "{message}");
        }
    }

    /// The same as text for the status.
    pub(super) fn warnings(&self) -> Vec<String> {
        let advice = self.advice().into_iter();
        advice
            .map(|Advice { message, hint }| format!("{message} Hint: {hint}."))
            .collect()
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
        let folder = tempfile::tempdir().unwrap();
        let found = find(own, folder.path());
        assert!(found.connections.contains(&address.to_string()));
        assert!(found.threads.is_empty());
    }
}
