//! The peers of connected Unix sockets, which /proc does not show.

use std::collections::HashMap;
use std::io;
use std::ops::ControlFlow;

use nix::sys::socket::SockType;

use super::netlink::{
    BUFFER, ESTABLISHED, Message, Netlink, UnixRequest, attributes, inode, next_message, u32_at,
};

// linux/unix_diag.h
const SHOW_NAME_AND_PEER: u32 = 0x01 | 0x04;
const NAME: u16 = 0;
const PEER: u16 = 2;

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
    Ok(peers_in(&connected()?, inodes))
}

fn peers_in(table: &HashMap<u32, Entry>, inodes: &[u32]) -> Vec<String> {
    let mut names: Vec<String> = inodes
        .iter()
        .filter(|inode| table.get(inode).is_some_and(|entry| entry.stream))
        .filter_map(|inode| table.get(&table.get(inode)?.peer?)?.name.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}

fn connected() -> io::Result<HashMap<u32, Entry>> {
    let netlink = Netlink::open()?;
    let request = UnixRequest {
        dump: true,
        states: ESTABLISHED,
        inode: 0,
        show: SHOW_NAME_AND_PEER,
    };
    netlink.send(&request.bytes())?;
    let mut table = HashMap::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let datagram = netlink.receive(&mut buffer)?;
        if take(datagram, &mut table).is_break() {
            return Ok(table);
        }
    }
}

/// Adds the sockets of one datagram; breaks at the end of the answer.
fn take(mut datagram: &[u8], table: &mut HashMap<u32, Entry>) -> ControlFlow<()> {
    while let Some((message, rest)) = next_message(datagram) {
        match message {
            Message::Socket(body) => table.extend(entry(body)),
            Message::Error(_) | Message::End => return ControlFlow::Break(()),
        }
        datagram = rest;
    }
    ControlFlow::Continue(())
}

/// The peers of these sockets, as far as the first datagram of an answer tells.
pub(crate) fn peers_of(datagram: &[u8], inodes: &[u32]) -> Vec<String> {
    let mut table = HashMap::new();
    // The end of the answer changes nothing about what it has said.
    let _: ControlFlow<()> = take(datagram, &mut table);
    peers_in(&table, inodes)
}

fn entry(message: &[u8]) -> Option<(u32, Entry)> {
    let kind = i32::from(*message.get(1)?);
    let mut entry = Entry {
        stream: kind == SockType::Stream as i32 || kind == SockType::SeqPacket as i32,
        ..Entry::default()
    };
    for (kind, value) in attributes(message) {
        match kind {
            NAME => entry.name = Some(name(value)),
            PEER => entry.peer = u32_at(value, 0),
            _ => {}
        }
    }
    Some((inode(message)?, entry))
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

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    use super::*;
    use crate::sys::sock_diag::netlink::inode_of;

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
            inode_of(&client).unwrap(),
            inode_of(&pair).unwrap(),
            inode_of(&listener).unwrap(),
            inode_of(&datagrams).unwrap(),
        ];
        assert_eq!(named_peers(&own).unwrap(), [path.to_str().unwrap()]);
    }
}
