//! The kernel's answers about sockets: any bytes are read to an end, and what the kernel writes is read as it is.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use microservice_flask::internals::bytes;

/// The socket that is asked about.
const INODE: u32 = 7;
const PORT: u16 = 8080;

// linux/netlink.h, linux/sock_diag.h, linux/unix_diag.h, linux/inet_diag.h
const BY_FAMILY: u16 = 20;
const DONE: u16 = 3;
const CONNECTIONS: u16 = 3;
const NAME: u16 = 0;
const PEER: u16 = 2;
const INFO: u16 = 2;

pub(crate) fn check(data: &[u8]) {
    any_bytes(data);
    waiting(data);
    peers(data);
    connections(data);
}

fn any_bytes(data: &[u8]) {
    let (first, second) = data.split_at(data.len() / 2);
    for dump in [false, true] {
        for datagrams in [&[data][..], &[first, second]] {
            if let Some(Ok(list)) = bytes::waiting_connections(datagrams, INODE, dump) {
                assert!(list.len() * 4 <= data.len());
            }
        }
        // Whether the answer ends here does not matter.
        let (list, _) = bytes::tcp_connections(data, PORT, dump);
        assert!(list.len() * 72 <= data.len());
    }
    let inodes: Vec<u32> = (0..16).collect();
    for name in bytes::unix_peers(data, &inodes) {
        // The replacement of a byte that is not UTF-8 takes three.
        assert!(name.len() <= 3 * data.len());
    }
}

/// A message with its header, of a length that is a multiple of four.
fn message(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    let length = u32::try_from(16 + body.len()).expect("a short message");
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend([0; 10]);
    message.extend(body);
    message.resize(message.len().next_multiple_of(4), 0);
    message
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut attribute = Vec::new();
    let length = u16::try_from(4 + value.len()).expect("a short value");
    attribute.extend(length.to_ne_bytes());
    attribute.extend(kind.to_ne_bytes());
    attribute.extend(value);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

/// A `struct unix_diag_msg` of a connected stream socket.
fn unix_socket(inode: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![1, 1, 1, 0];
    body.extend(inode.to_ne_bytes());
    body.extend([0; 8]);
    body.extend(attributes.concat());
    message(BY_FAMILY, &body)
}

/// The connections that wait come back in their order, whatever other attributes and sockets there are.
fn waiting(data: &[u8]) {
    let (words, rest) = data.as_chunks::<4>();
    let words = &words[..words.len().min(1000)];
    let expected: Vec<u32> = words.iter().map(|word| u32::from_ne_bytes(*word)).collect();
    let other = attribute(9, rest);
    let list = attribute(CONNECTIONS, &words.concat());
    let datagram = [
        unix_socket(INODE + 1, &[attribute(CONNECTIONS, &[1; 8])]),
        unix_socket(INODE, &[other, list]),
        message(DONE, &[0; 4]),
    ]
    .concat();
    for dump in [false, true] {
        let found = bytes::waiting_connections(&[&datagram], INODE, dump);
        assert_eq!(found.expect("an end").expect("no error"), expected);
    }
}

/// A peer's name comes back as it is, unless it has none.
fn peers(data: &[u8]) {
    let name = &data[..data.len().min(108)];
    let datagram = [
        unix_socket(3, &[attribute(PEER, &4_u32.to_ne_bytes())]),
        unix_socket(4, &[attribute(NAME, name)]),
    ]
    .concat();
    let expected = match name.strip_prefix(b"\0") {
        Some(abstract_name) => format!("@{}", String::from_utf8_lossy(abstract_name)),
        None => String::from_utf8_lossy(name)
            .trim_end_matches('\0')
            .to_owned(),
    };
    assert_eq!(bytes::unix_peers(&datagram, &[3]), [expected]);
    assert!(bytes::unix_peers(&datagram, &[4, 5]).is_empty());
}

/// A connection comes back with its address and counts.
fn connections(data: &[u8]) {
    let Some((fields, rest)) = data.split_first_chunk::<34>() else {
        return;
    };
    let (address, counts) = fields.split_at(18);
    let (address, port) = address.split_at(16);
    let port = u16::from_be_bytes(port.try_into().expect("two bytes"));
    let mut body = vec![0; 72];
    body[4..6].copy_from_slice(&PORT.to_be_bytes());
    body[6..8].copy_from_slice(&port.to_be_bytes());
    body[24..40].copy_from_slice(address);
    let mut info = vec![0; 120];
    info.extend(counts);
    info.extend(&rest[..rest.len().min(1000)]);
    body.extend(attribute(INFO, &info));
    let datagram = [message(BY_FAMILY, &body), message(DONE, &[0; 4])].concat();
    let count = |at: usize| u64::from_ne_bytes(counts[at..at + 8].try_into().expect("eight bytes"));
    let ip: [u8; 16] = address.try_into().expect("sixteen bytes");
    let versions = [
        (true, IpAddr::V6(Ipv6Addr::from(ip)).to_canonical()),
        (false, IpAddr::from([ip[0], ip[1], ip[2], ip[3]])),
    ];
    for (version_6, ip) in versions {
        let (list, end) = bytes::tcp_connections(&datagram, PORT, version_6);
        assert_eq!(list, [(SocketAddr::new(ip, port), count(8), count(0))]);
        assert!(matches!(end, Some(Ok(()))));
    }
}
