//! The netlink socket of the diagnostics, and the form of its messages (netlink(7)).

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

// linux/netlink.h, linux/sock_diag.h, linux/unix_diag.h; states as in linux/net/tcp_states.h.
const BY_FAMILY: u16 = 20;
const ERROR: u16 = 2;
const REQUEST: u16 = 0x001;
pub(super) const DUMP: u16 = 0x300;
pub(super) const ESTABLISHED: u32 = 1 << 1;
pub(super) const LISTEN: u32 = 1 << 10;
/// Instead of a cookie: any socket with this inode.
const NO_COOKIE: [u8; 8] = [0xff; 8];
const HEADER: usize = 16;
/// Size of a `struct unix_diag_msg`.
const MESSAGE: usize = 16;
/// Size of the receive buffer for one datagram: the kernel makes none that is larger (`netlink_dump` in
/// `net/netlink/af_netlink.c`).
pub(super) const BUFFER: usize = 64 * 1024;

/// A socket for questions to the kernel.
#[derive(Debug)]
pub(super) struct Netlink(OwnedFd);

impl Netlink {
    pub(super) fn open() -> io::Result<Self> {
        let netlink = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkSockDiag,
        )?;
        // The kernel answers before send(2) returns; the timeout is for kernels that may not.
        setsockopt(&netlink, ReceiveTimeout, &TimeVal::seconds(1))?;
        Ok(Self(netlink))
    }

    pub(super) fn send(&self, request: &[u8]) -> io::Result<()> {
        send(self.0.as_raw_fd(), request, MsgFlags::empty())?;
        Ok(())
    }

    /// Receives the next datagram of an answer.
    pub(super) fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
        let length = recv(self.0.as_raw_fd(), buffer, MsgFlags::empty())?;
        Ok(&buffer[..length])
    }
}

/// A message with this request behind a netlink header.
pub(super) fn message(flags: u16, request: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + request.len()).unwrap_or(u32::MAX);
    let mut message = Vec::with_capacity(HEADER + request.len());
    message.extend(length.to_ne_bytes());
    message.extend(BY_FAMILY.to_ne_bytes());
    message.extend((REQUEST | flags).to_ne_bytes());
    // Sequence number and sender, which are not needed here.
    message.extend([0; 8]);
    message.extend(request);
    message
}

/// Which Unix sockets, and what of each.
pub(super) struct UnixRequest {
    /// All sockets, or the one of `inode`.
    pub(super) dump: bool,
    /// Bits of the states that a dump lists.
    pub(super) states: u32,
    pub(super) inode: u32,
    /// Bits of the attributes.
    pub(super) show: u32,
}

impl UnixRequest {
    /// The bytes of a `struct unix_diag_req` behind a netlink header.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut request = Vec::with_capacity(24);
        // Protocol and padding are zero.
        request.extend([family(AddressFamily::Unix), 0, 0, 0]);
        request.extend(self.states.to_ne_bytes());
        request.extend(self.inode.to_ne_bytes());
        request.extend(self.show.to_ne_bytes());
        request.extend(NO_COOKIE);
        message(if self.dump { DUMP } else { 0 }, &request)
    }
}

/// The number of an address family in a request.
pub(super) fn family(family: AddressFamily) -> u8 {
    u8::try_from(family as i32).unwrap_or_default()
}

/// One message of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// A `struct unix_diag_msg` with the attributes behind it.
    Socket(&'a [u8]),
    /// An errno; zero is none.
    Error(i32),
    /// The end of a dump, or bytes of another form.
    End,
}

/// Splits off the first message of a datagram; none when nothing is left.
pub(super) fn next_message(bytes: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let (length, kind) = (u32_at(bytes, 0)?, u16_at(bytes, 4)?);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let body = bytes.get(HEADER..length);
    let message = match (kind, body) {
        (BY_FAMILY, Some(body)) if body.len() >= MESSAGE => Message::Socket(body),
        // The kernel writes it as a negative number.
        (ERROR, Some(body)) => u32_at(body, 0).map_or(Message::End, |errno| {
            Message::Error(i32::from_ne_bytes(errno.to_ne_bytes()).wrapping_neg())
        }),
        _ => Message::End,
    };
    let end = length.checked_next_multiple_of(4);
    let rest = end.and_then(|end| bytes.get(end..)).unwrap_or_default();
    Some((message, rest))
}

/// The inode of a `struct unix_diag_msg`.
pub(super) fn inode(message: &[u8]) -> Option<u32> {
    u32_at(message, 4)
}

/// The attributes behind a `struct unix_diag_msg`: kind and value.
pub(super) fn attributes(message: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    attributes_behind(message, MESSAGE)
}

/// The attributes behind a message of this size: kind and value.
pub(super) fn attributes_behind(message: &[u8], size: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = message.get(size..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(rest, 0)?);
        let kind = u16_at(rest, 2)?;
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_ne_bytes(bytes.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

/// The inode of an open socket, by which the kernel's answers name it.
pub(super) fn inode_of(socket: impl std::os::fd::AsFd) -> io::Result<u32> {
    let inode = nix::sys::stat::fstat(socket)?.st_ino;
    u32::try_from(inode).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of the kernel about socket 7, whose peer is socket 8.
    fn message() -> Vec<u8> {
        let mut whole = Vec::new();
        whole.extend(40_u32.to_ne_bytes());
        whole.extend(BY_FAMILY.to_ne_bytes());
        whole.extend([0; 10]);
        whole.extend([1, 1, 1, 0]);
        whole.extend(7_u32.to_ne_bytes());
        whole.extend([0; 8]);
        whole.extend(8_u16.to_ne_bytes());
        whole.extend(2_u16.to_ne_bytes());
        whole.extend(8_u32.to_ne_bytes());
        whole
    }

    #[test]
    fn a_message_has_an_inode_and_attributes() {
        let whole = message();
        let (Message::Socket(body), rest) = next_message(&whole).unwrap() else {
            panic!("no socket");
        };
        assert!(rest.is_empty());
        assert_eq!(inode(body), Some(7));
        let seen: Vec<_> = attributes(body).collect();
        assert_eq!(seen, [(2, &8_u32.to_ne_bytes()[..])]);
    }

    #[test]
    fn truncated_messages_do_no_harm() {
        let whole = message();
        for length in 0..whole.len() {
            let mut rest = &whole[..length];
            while let Some((message, after)) = next_message(rest) {
                assert!(!matches!(message, Message::Socket(_)), "{length}");
                rest = after;
            }
        }
    }
}
