//! TCP sockets and their owners, from /proc/net/tcp{,6} and /proc/PID/fd (proc(5)).
#![forbid(unsafe_code)]

use std::fmt::Display;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// State of a TCP socket, as far as this program distinguishes them (include/net/tcp_states.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TcpState {
    Established,
    Listen,
    Other,
}

/// One line of /proc/net/tcp or /proc/net/tcp6. IPv4 addresses mapped into IPv6 are given as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TcpSocket {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) state: TcpState,
    pub(crate) inode: u64,
}

/// All TCP sockets of the network namespace; none where /proc cannot be read.
pub(crate) fn tcp_sockets() -> Vec<TcpSocket> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .flat_map(|table| parse_tcp_table(&table))
        .collect()
}

/// The open descriptors of a process as links in /proc, which lead to the files; none when the process has ended.
pub(crate) fn descriptors(pid: impl Display) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(format!("/proc/{pid}/fd")) {
        // A descriptor that is closed meanwhile is none.
        Ok(entries) => Ok(entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The inode of the socket that a link of [`descriptors`] leads to; none when it leads to something else.
pub(crate) fn socket_inode(link: &Path) -> Option<u64> {
    let target = std::fs::read_link(link).ok()?;
    let inode = target.to_str()?.strip_prefix("socket:[")?;
    inode.strip_suffix(']')?.parse().ok()
}

/// Inodes of the sockets that a process has open; none where its descriptors cannot be read, as those of another user.
pub(crate) fn socket_inodes(pid: u32) -> Vec<u64> {
    let links = descriptors(pid).unwrap_or_default();
    links.iter().filter_map(|link| socket_inode(link)).collect()
}

/// Lines that are not understood, such as the heading, are left out.
pub(crate) fn parse_tcp_table(table: &str) -> Vec<TcpSocket> {
    table.lines().filter_map(parse_tcp_line).collect()
}

fn parse_tcp_line(line: &str) -> Option<TcpSocket> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    Some(TcpSocket {
        local: parse_address(fields.get(1)?)?,
        remote: parse_address(fields.get(2)?)?,
        state: match *fields.get(3)? {
            "01" => TcpState::Established,
            "0A" => TcpState::Listen,
            _ => TcpState::Other,
        },
        inode: fields.get(9)?.parse().ok()?,
    })
}

/// `0100007F:1F90`: 32-bit words of the address in host byte order, the port as a plain number.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words: Vec<u32> = ip
        .as_bytes()
        .chunks(8)
        .map(|digits| {
            let word = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
            Some(u32::from_ne_bytes(word.to_be_bytes()))
        })
        .collect::<Option<_>>()?;
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
    fn tables_are_parsed_as_the_kernel_writes_them() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:A000 0100007F:1538 01 00000000:00000000 00:00000000 00000000     0        0 4711 1\n\
             1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1\n";
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(
            parse_tcp_table(table),
            [
                TcpSocket {
                    local: address("127.0.0.1:40960"),
                    remote: address("127.0.0.1:5432"),
                    state: TcpState::Established,
                    inode: 4711,
                },
                TcpSocket {
                    local: address("127.0.0.1:8080"),
                    remote: address("0.0.0.0:0"),
                    state: TcpState::Listen,
                    inode: 4712,
                },
            ]
        );
        assert_eq!(
            parse_address("0000000000000000FFFF00000100007F:1538"),
            Some(address("127.0.0.1:5432"))
        );
    }
}
