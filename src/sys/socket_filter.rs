//! Stops new connections on a listening socket while those in its accept queue are still accepted.
//!
//! Closing a listening socket resets every connection in its accept queue, although the handshake is complete and the
//! request may have been sent. So before the last owner closes it, a classic BPF filter (socket(7), `SO_ATTACH_FILTER`)
//! drops SYN packets, the remaining connections are accepted, and then the socket is closed. A client whose SYN was
//! dropped sends it again after a second and is refused; it can retry safely, because it has sent nothing of a request.
#![expect(
    unsafe_code,
    reason = "setsockopt with SO_ATTACH_FILTER has no safe form"
)]

use std::io;
use std::os::fd::AsFd;

use super::socket_options;

/// Offset of the flags in the TCP header (RFC 9293, 3.1); the filter of a TCP socket sees packets from that header on.
const FLAGS_OFFSET: u32 = 13;
const SYN: u32 = 0x02;
const ACK: u32 = 0x10;

/// Drops SYN packets to a listening TCP socket, for all processes that share it.
pub(crate) fn drop_new_connections(listener: &impl AsFd) -> io::Result<()> {
    let statement = |code: u32, k: u32| instruction(code, 0, 0, k);
    let mut program = [
        statement(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, FLAGS_OFFSET),
        statement(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, SYN | ACK),
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, SYN),
        statement(libc::BPF_RET | libc::BPF_K, 0),
        statement(libc::BPF_RET | libc::BPF_K, u32::MAX),
    ];
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let filter = libc::sock_fprog {
        len: length,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the option takes this structure, and `filter` points to `program`, which outlives the call.
    unsafe { socket_options::set(listener, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &filter) }
}

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    // All opcodes of classic BPF fit into 16 bits (linux/bpf_common.h).
    libc::sock_filter {
        code: u16::try_from(code).unwrap_or(u16::MAX),
        jt,
        jf,
        k,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;

    #[test]
    fn queued_connections_are_served_and_new_ones_are_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = TcpStream::connect(address).unwrap();
        drop_new_connections(&listener).unwrap();
        let late = TcpStream::connect_timeout(&address, Duration::from_millis(200));
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
        waiting.write_all(b"request").unwrap();
        let (mut served, _) = listener.accept().unwrap();
        let mut bytes = [0; 7];
        served.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"request");
        drop(listener);
        let refused = TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
}
