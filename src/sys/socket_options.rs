//! Options of sockets that neither the standard library nor nix knows.
#![expect(unsafe_code, reason = "setsockopt has no safe form for any option")]

use std::io;
use std::os::fd::{AsFd, AsRawFd as _};

/// Bytes that a program can write to a connection beyond what the client has room for.
const NOT_SENT: libc::c_uint = 64 * 1024;

/// Lets the connections of a listening TCP socket take little more from the program than the client takes from them
/// (tcp(7), `TCP_NOTSENT_LOWAT`; accepted connections inherit it). A client that reads slowly then holds 64 KiB of the
/// kernel's memory and not up to 4 MiB, and the program can write again when half of it is sent: a timeout between two
/// writes is a minimum rate of 32 KiB in that time.
pub(crate) fn keep_little_unsent(listener: &impl AsFd) -> io::Result<()> {
    // SAFETY: the option takes an unsigned integer (net/ipv4/tcp.c).
    unsafe {
        set(
            listener,
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            &NOT_SENT,
        )
    }
}

/// Calls setsockopt(2).
///
/// # Safety
///
/// The option must take a `T`, and the pointers in it must be valid.
pub(super) unsafe fn set<T>(
    socket: &impl AsFd,
    level: libc::c_int,
    option: libc::c_int,
    value: &T,
) -> io::Result<()> {
    let size = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the pointer is to a value of this size, which the kernel copies.
    let result = unsafe { libc::setsockopt(fd, level, option, (&raw const *value).cast(), size) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_client_that_reads_nothing_holds_little() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        keep_little_unsent(&listener).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        let mut written = 0;
        while let Ok(bytes) = server.write(&[0; 4096]) {
            written += bytes;
        }
        // What the client's kernel takes, which is up to net.ipv4.tcp_rmem, and 64 KiB.
        assert!((64 * 1024..1024 * 1024).contains(&written), "{written}");
        drop(client);
    }
}
