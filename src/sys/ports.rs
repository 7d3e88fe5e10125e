//! Which process listens on a TCP port, for the error message of a port in use.
#![forbid(unsafe_code)]

use std::net::SocketAddr;

use super::procfs::{self, TcpSocket, TcpState};

/// A process that listens on the port of `address`, as "nginx (pid 12)". None when /proc hides it, as that of another
/// user.
pub(crate) fn holder(address: SocketAddr) -> Option<String> {
    let inodes = listeners(&procfs::tcp_sockets(), address.port());
    let processes = std::fs::read_dir("/proc").ok()?;
    for process in processes.filter_map(Result::ok) {
        let Some(pid) = process
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        if procfs::socket_inodes(pid)
            .iter()
            .any(|inode| inodes.contains(inode))
        {
            let command = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (pid {pid})", command.trim()));
        }
    }
    None
}

/// Inodes of the sockets that listen on a port.
fn listeners(sockets: &[TcpSocket], port: u16) -> Vec<u64> {
    sockets
        .iter()
        .filter(|socket| socket.state == TcpState::Listen && socket.local.port() == port)
        .map(|socket| socket.inode)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_sockets_are_found_by_port() {
        let socket = |state, inode| TcpSocket {
            local: SocketAddr::from(([127, 0, 0, 1], 8080)),
            remote: SocketAddr::from(([0, 0, 0, 0], 0)),
            state,
            inode,
        };
        let sockets = [
            socket(TcpState::Listen, 4711),
            socket(TcpState::Established, 4712),
        ];
        assert_eq!(listeners(&sockets, 8080), [4711]);
        assert!(listeners(&sockets, 80).is_empty());
    }
}
