//! What an application left open when it was imported: connections and threads in uWSGI's master, from which all workers
//! are forked. A connection that several processes share garbles what goes over it (the classic: one database connection,
//! "decryption failed or bad record mac"), and a thread exists in none of the workers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::sys::sock_diag;

/// The child in the log records.
const NAME: &str = "uwsgi";

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Leftovers {
    /// The other ends of connected sockets: addresses, and paths of Unix sockets.
    pub(super) connections: Vec<String>,
    /// Threads besides the main one.
    pub(super) threads: usize,
}

/// Looks at a process.
pub(super) fn find(pid: i32) -> Leftovers {
    let inodes = socket_inodes(pid);
    let numbers: Vec<u32> = inodes.iter().filter_map(|n| n.parse().ok()).collect();
    // A sandbox may forbid the question; the other warnings hold.
    let local = sock_diag::named_peers(&numbers).unwrap_or_default();
    let connections = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .flat_map(|table| remotes(&table, &inodes))
        .map(|address| address.to_string())
        .chain(local)
        .collect();
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(1, Iterator::count);
    Leftovers {
        connections,
        threads: threads.saturating_sub(1),
    }
}

impl Leftovers {
    /// Warns about each in the log.
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

fn socket_inodes(pid: i32) -> Vec<String> {
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return Vec::new();
    };
    descriptors
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|target| {
            let inode = target
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect()
}

/// Remote addresses of connected sockets (state 01, ESTABLISHED) with these inodes, from /proc/net/tcp (proc(5)).
fn remotes(table: &str, inodes: &[String]) -> Vec<SocketAddr> {
    table
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let ours = inodes
                .iter()
                .any(|inode| Some(&inode.as_str()) == fields.get(9));
            (ours && *fields.get(3)? == "01").then(|| address(fields[2]))?
        })
        .collect()
}

/// `0100007F:1F90`: words of the address in the machine's byte order, the port as it is read.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words: Vec<u32> = (0..ip.len() / 8)
        .map(|n| {
            u32::from_str_radix(&ip[n * 8..n * 8 + 8], 16)
                .map(|word| u32::from_ne_bytes(word.to_be_bytes()))
        })
        .collect::<Result<_, _>>()
        .ok()?;
    let ip = match words.as_slice() {
        [word] => IpAddr::V4(Ipv4Addr::from(*word)),
        [a, b, c, d] => {
            let bits = (u128::from(*a) << 96)
                | (u128::from(*b) << 64)
                | (u128::from(*c) << 32)
                | u128::from(*d);
            IpAddr::V6(Ipv6Addr::from(bits)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_addresses_are_read_as_proc_writes_them() {
        let table = "  sl  local_address rem_address   st\n\
             0: 0100007F:A000 0100007F:1538 01 00000000:00000000 00:00000000 00000000     0        0 4711 1\n\
             1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1\n";
        let inodes = ["4711".to_owned(), "4712".to_owned()];
        assert_eq!(remotes(table, &inodes), ["127.0.0.1:5432".parse().unwrap()]);
        assert_eq!(
            address("0000000000000000FFFF00000100007F:1538"),
            Some("127.0.0.1:5432".parse().unwrap())
        );
    }

    #[test]
    fn a_connection_of_our_own_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let _connection = std::net::TcpStream::connect(address).unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(find(own).connections.contains(&address.to_string()));
    }
}
