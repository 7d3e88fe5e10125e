//! The connections of a TCP port, and how much went each way (tcp(7), `TCP_INFO`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::ControlFlow;

use nix::sys::socket::AddressFamily;

use super::netlink::{
    BUFFER, DUMP, ESTABLISHED, Message, Netlink, attributes_behind, family, message, next_message,
    u32_at,
};

// linux/inet_diag.h: sizes of struct inet_diag_msg, and places in it.
const MESSAGE: usize = 72;
const LOCAL_PORT: usize = 4;
const REMOTE_PORT: usize = 6;
const REMOTE_ADDRESS: usize = 24;
const COOKIE: usize = 44;
const INODE: usize = 68;
const INFO: u16 = 2;
const SHOW_INFO: u8 = 1 << (INFO - 1);
// linux/tcp.h: places in struct tcp_info.
const BYTES_ACKED: usize = 120;
const BYTES_RECEIVED: usize = 128;

/// An established connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TcpConnection {
    /// The kernel's own number of it, which no later connection has.
    pub(crate) cookie: u64,
    pub(crate) inode: u32,
    pub(crate) client: SocketAddr,
    /// Bytes that the client has sent.
    pub(crate) received: u64,
    /// Bytes that the client has got.
    pub(crate) acked: u64,
}

/// The established connections of a local port, of IPv4 and IPv6.
pub(crate) fn connections(port: u16) -> io::Result<Vec<TcpConnection>> {
    let mut list = Vec::new();
    for version in [AddressFamily::Inet, AddressFamily::Inet6] {
        ask(port, version, &mut list)?;
    }
    Ok(list)
}

fn ask(port: u16, version: AddressFamily, list: &mut Vec<TcpConnection>) -> io::Result<()> {
    let protocol = u8::try_from(libc::IPPROTO_TCP).unwrap_or_default();
    let mut request = vec![family(version), protocol, SHOW_INFO, 0];
    request.extend(ESTABLISHED.to_ne_bytes());
    // struct inet_diag_sockid: the local port; zero is any.
    request.extend(port.to_be_bytes());
    request.resize(56, 0);
    let netlink = Netlink::open()?;
    netlink.send(&message(DUMP, &request))?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let datagram = netlink.receive(&mut buffer)?;
        if let ControlFlow::Break(end) = take(datagram, port, version, list) {
            return end;
        }
    }
}

/// Adds the connections of one datagram; breaks at the end of the answer.
pub(crate) fn take(
    mut datagram: &[u8],
    port: u16,
    version: AddressFamily,
    list: &mut Vec<TcpConnection>,
) -> ControlFlow<io::Result<()>> {
    while let Some((message, rest)) = next_message(datagram) {
        match message {
            Message::Socket(body) => {
                list.extend(
                    connection(body, version)
                        .filter(|(local, _)| *local == port)
                        .map(|(_, c)| c),
                );
            }
            Message::Error(0) | Message::End => return ControlFlow::Break(Ok(())),
            Message::Error(errno) => {
                return ControlFlow::Break(Err(io::Error::from_raw_os_error(errno)));
            }
        }
        datagram = rest;
    }
    ControlFlow::Continue(())
}

/// Parses a `struct inet_diag_msg`: the local port, and the connection.
fn connection(body: &[u8], version: AddressFamily) -> Option<(u16, TcpConnection)> {
    let port = |at: usize| Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?));
    let address = body.get(REMOTE_ADDRESS..REMOTE_ADDRESS + 16)?;
    let ip = if version == AddressFamily::Inet {
        IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(&address[..4]).ok()?))
    } else {
        IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?)).to_canonical()
    };
    let (_, info) = attributes_behind(body, MESSAGE).find(|(kind, _)| *kind == INFO)?;
    let connection = TcpConnection {
        cookie: u64_at(body, COOKIE)?,
        inode: u32_at(body, INODE)?,
        client: SocketAddr::new(ip, port(REMOTE_PORT)?),
        received: u64_at(info, BYTES_RECEIVED)?,
        acked: u64_at(info, BYTES_ACKED)?,
    };
    Some((port(LOCAL_PORT)?, connection))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 8)?;
    Some(u64::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn what_went_each_way_is_counted() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let port = listener.local_addr().unwrap().port();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            client.write_all(b"12345").unwrap();
            server.read_exact(&mut [0; 5]).unwrap();
            server.write_all(b"123").unwrap();
            client.read_exact(&mut [0; 3]).unwrap();
            let list = connections(port).unwrap();
            let seen = list
                .iter()
                .find(|c| c.client == client.local_addr().unwrap());
            let seen = seen.unwrap_or_else(|| panic!("{list:?}"));
            assert_eq!((seen.received, list.len()), (5, 1), "{list:?}");
            assert!(seen.acked <= 3 && seen.cookie != 0);
            let inode = crate::sys::sock_diag::netlink::inode_of(&server).unwrap();
            assert_eq!(seen.inode, inode);
        }
    }
}
