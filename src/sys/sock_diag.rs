//! The peers of connected Unix sockets, which /proc does not show: from the kernel's socket diagnostics (sock_diag(7)),
//! as `ss -xp` gets them.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsRawFd as _;

use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

// linux/netlink.h, linux/sock_diag.h, linux/unix_diag.h; states as in linux/net/tcp_states.h.
const BY_FAMILY: u16 = 20;
const REQUEST_DUMP: u16 = 0x001 | 0x300;
const ESTABLISHED: u32 = 1 << 1;
const SHOW_NAME_AND_PEER: u32 = 0x01 | 0x04;
const NAME: u16 = 0;
const PEER: u16 = 2;
const HEADER: usize = 16;
const MESSAGE: usize = 16;
/// Size of the receive buffer for one datagram of the kernel.
const BUFFER: usize = 64 * 1024;

/// A connected socket in the kernel's answer; names and peers by inode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    stream: bool,
    name: Option<String>,
    peer: Option<u32>,
}

/// The names of the sockets to which these (by inode) are connected, where the peer has a name and has accepted the
/// connection. Datagram sockets are left out: processes can share them without garbling data, because each datagram is
/// transferred as a whole.
pub(crate) fn named_peers(inodes: &[u32]) -> io::Result<Vec<String>> {
    let table = connected()?;
    let mut names: Vec<String> = inodes
        .iter()
        .filter(|inode| table.get(inode).is_some_and(|entry| entry.stream))
        .filter_map(|inode| table.get(&table.get(inode)?.peer?)?.name.clone())
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}

fn connected() -> io::Result<HashMap<u32, Entry>> {
    let netlink = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkSockDiag,
    )?;
    // The kernel answers before send(2) returns; the timeout is for kernels that may not.
    setsockopt(&netlink, ReceiveTimeout, &TimeVal::seconds(1))?;
    send(netlink.as_raw_fd(), &request(), MsgFlags::empty())?;
    let mut table = HashMap::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = recv(netlink.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        if !parse_datagram(&buffer[..length], &mut table) {
            return Ok(table);
        }
    }
}

fn request() -> Vec<u8> {
    let family = u8::try_from(AddressFamily::Unix as i32).unwrap_or_default();
    let mut request = Vec::with_capacity(40);
    request.extend(40_u32.to_ne_bytes());
    request.extend(BY_FAMILY.to_ne_bytes());
    request.extend(REQUEST_DUMP.to_ne_bytes());
    // Sequence number and sender, which are not needed here; then family, protocol and padding.
    request.extend([0; 8]);
    request.extend([family, 0, 0, 0]);
    request.extend(ESTABLISHED.to_ne_bytes());
    request.extend(0_u32.to_ne_bytes());
    request.extend(SHOW_NAME_AND_PEER.to_ne_bytes());
    request.extend([0; 8]);
    request
}

/// Parses the messages of one datagram; false after the last one.
fn parse_datagram(mut bytes: &[u8], table: &mut HashMap<u32, Entry>) -> bool {
    while let (Some(length), Some(kind)) = (u32_at(bytes, 0), u16_at(bytes, 4)) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if kind != BY_FAMILY || length < HEADER + MESSAGE || length > bytes.len() {
            // The end of the list, or an error.
            return false;
        }
        if let Some((inode, entry)) = entry(&bytes[HEADER..length]) {
            table.insert(inode, entry);
        }
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
    }
    true
}

/// Parses a `struct unix_diag_msg` and the attributes after it.
fn entry(message: &[u8]) -> Option<(u32, Entry)> {
    let kind = i32::from(*message.get(1)?);
    let inode = u32_at(message, 4)?;
    let mut entry = Entry {
        stream: kind == SockType::Stream as i32 || kind == SockType::SeqPacket as i32,
        ..Entry::default()
    };
    let mut rest = message.get(MESSAGE..)?;
    while let (Some(length), Some(kind)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let length = usize::from(length);
        let Some(value) = rest.get(4..length) else {
            break;
        };
        match kind {
            NAME => entry.name = Some(name(value)),
            PEER => entry.peer = u32_at(value, 0),
            _ => {}
        }
        rest = rest.get(aligned(length)..).unwrap_or_default();
    }
    Some((inode, entry))
}

/// A socket's name for people: a path, or `@` and an abstract name (unix(7)).
fn name(bytes: &[u8]) -> String {
    match bytes.strip_prefix(b"\0") {
        Some(abstract_name) => format!("@{}", String::from_utf8_lossy(abstract_name)),
        None => String::from_utf8_lossy(bytes)
            .trim_end_matches('\0')
            .to_owned(),
    }
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_ne_bytes(bytes.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    use super::*;

    fn inode(socket: impl AsFd) -> u32 {
        let stat = nix::sys::stat::fstat(socket).unwrap();
        u32::try_from(stat.st_ino).unwrap()
    }

    #[test]
    fn the_peer_of_a_connection_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).unwrap();
        let (_server, _) = listener.accept().unwrap();
        let (pair, _other) = UnixStream::pair().unwrap();
        let log = folder.path().join("log");
        let _daemon = UnixDatagram::bind(&log).unwrap();
        let datagrams = UnixDatagram::unbound().unwrap();
        datagrams.connect(&log).unwrap();
        let own = [
            inode(&client),
            inode(&pair),
            inode(&listener),
            inode(&datagrams),
        ];
        assert_eq!(named_peers(&own).unwrap(), [path.to_str().unwrap()]);
    }

    #[test]
    fn truncated_messages_do_no_harm() {
        let mut table = HashMap::new();
        let mut whole = Vec::new();
        whole.extend(44_u32.to_ne_bytes());
        whole.extend(BY_FAMILY.to_ne_bytes());
        whole.extend([0; 10]);
        whole.extend([1, 1, 1, 0]);
        whole.extend(7_u32.to_ne_bytes());
        whole.extend([0; 8]);
        whole.extend(8_u16.to_ne_bytes());
        whole.extend(PEER.to_ne_bytes());
        whole.extend(8_u32.to_ne_bytes());
        whole.extend([0; 4]);
        assert!(parse_datagram(&whole, &mut table));
        assert_eq!(table[&7].peer, Some(8));
        for length in 0..whole.len() {
            parse_datagram(&whole[..length], &mut table);
        }
    }
}
