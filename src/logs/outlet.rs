//! stdout: every byte in order, whatever it is and however slow, without ever changing its flags.
//!
//! `O_NONBLOCK` belongs to the open file and so to everyone who shares it, so it is not an option. To
//! know at any moment what was written and what was not, a write must not sleep in the kernel with
//! half of it done: a pipe that polls as writable takes `PIPE_BUF` bytes at once, a socket has
//! `MSG_DONTWAIT`, a file does not wait for anybody. Only a terminal may hold a write (Ctrl-S).

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        socket::{MsgFlags, send},
        stat::{SFlag, fstat},
    },
    unistd::write,
};

/// What a pipe takes without waiting when it polls as writable, on every kernel.
const PIPE_BUF: usize = 4096;

/// The first wait after an error that may pass, such as a full disk; it doubles up to [`PATIENCE`].
const PAUSE: Duration = Duration::from_millis(50);

/// The longest such wait.
const PATIENCE: Duration = Duration::from_secs(1);

/// What stdout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Socket,
    /// A pipe, a terminal, or another device.
    Stream,
}

/// Where the log goes.
#[derive(Debug)]
pub(super) struct Outlet {
    out: OwnedFd,
    /// Polls as hung up when waiting has to end.
    stop: OwnedFd,
    kind: Kind,
}

impl Outlet {
    pub(super) fn new(out: OwnedFd, stop: OwnedFd) -> io::Result<Self> {
        let mode = SFlag::from_bits_truncate(fstat(&out)?.st_mode) & SFlag::S_IFMT;
        let kind = match mode {
            SFlag::S_IFREG => Kind::File,
            SFlag::S_IFSOCK => Kind::Socket,
            _ => Kind::Stream,
        };
        Ok(Self { out, stop, kind })
    }

    /// Writes all of it, waiting as long as it takes. Returns less than its length when nobody can
    /// read it any more, or when waiting has to end.
    pub(super) fn write(&self, bytes: &[u8]) -> usize {
        let mut written = 0;
        let mut pause = PAUSE;
        while written < bytes.len() {
            if self.kind == Kind::Stream && !self.wait() {
                break;
            }
            match self.attempt(&bytes[written..]) {
                Ok(count) => {
                    written += count;
                    pause = PAUSE;
                }
                Err(Errno::EINTR) => {}
                // A socket, or somebody else made the shared description non-blocking.
                Err(Errno::EAGAIN) => {
                    if !self.wait() {
                        break;
                    }
                }
                Err(
                    Errno::EPIPE
                    | Errno::ECONNRESET
                    | Errno::ENOTCONN
                    | Errno::ESHUTDOWN
                    | Errno::EBADF
                    | Errno::EINVAL,
                ) => break,
                // A full disk may have room again, and nothing is lost until the ring is full.
                Err(_) => {
                    if self.stopped_within(pause) {
                        break;
                    }
                    pause = (pause * 2).min(PATIENCE);
                }
            }
        }
        written
    }

    fn attempt(&self, bytes: &[u8]) -> nix::Result<usize> {
        match self.kind {
            Kind::File => write(&self.out, bytes),
            Kind::Socket => {
                let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                send(self.out.as_raw_fd(), bytes, flags)
            }
            Kind::Stream => write(&self.out, &bytes[..bytes.len().min(PIPE_BUF)]),
        }
    }

    /// Waits until stdout takes something or has an error to tell; false when waiting has to end.
    fn wait(&self) -> bool {
        loop {
            let mut fds = [
                PollFd::new(self.out.as_fd(), PollFlags::POLLOUT),
                PollFd::new(self.stop.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut fds, PollTimeout::NONE) {
                Err(Errno::EINTR) => {}
                // Out of memory in the kernel: the write will tell.
                Err(_) => return true,
                Ok(_) => return !fds[1].any().unwrap_or(true),
            }
        }
    }

    /// Waits for a while; true when waiting has to end.
    fn stopped_within(&self, pause: Duration) -> bool {
        let timeout = PollTimeout::try_from(pause).unwrap_or(PollTimeout::ZERO);
        let mut fds = [PollFd::new(self.stop.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, timeout).is_ok_and(|ready| ready > 0)
    }
}
