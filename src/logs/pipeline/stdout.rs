//! Writing to stdout: every byte in order, to any kind of file and however slow, without changing its flags.
//!
//! `O_NONBLOCK` is a flag of the open file, which other processes may share, so it cannot be set. To
//! know at any moment what was written and what was not, no write may block in the kernel after a
//! part of its bytes: a pipe that polls as writable takes `PIPE_BUF` bytes at once, a socket has
//! `MSG_DONTWAIT`, a regular file never blocks. Only a terminal can hold a write (Ctrl-S).

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

/// Bytes that a pipe takes without blocking when it polls as writable, on every kernel.
const PIPE_BUF: usize = 4096;

/// The first pause after an error that may pass, such as a full disk; it doubles up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(50);

/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What kind of file stdout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StdoutKind {
    File,
    Socket,
    /// A pipe, a terminal, or another device.
    Stream,
}

/// stdout, with a way to end a wait for it.
#[derive(Debug)]
pub(super) struct StdoutWriter {
    out: OwnedFd,
    /// Polls as hung up when every wait has to end.
    stop: OwnedFd,
    kind: StdoutKind,
}

impl StdoutWriter {
    pub(super) fn new(out: OwnedFd, stop: OwnedFd) -> io::Result<Self> {
        let mode = SFlag::from_bits_truncate(fstat(&out)?.st_mode) & SFlag::S_IFMT;
        let kind = match mode {
            SFlag::S_IFREG => StdoutKind::File,
            SFlag::S_IFSOCK => StdoutKind::Socket,
            _ => StdoutKind::Stream,
        };
        Ok(Self { out, stop, kind })
    }

    /// Writes all bytes, however long it takes, and returns how many were written: fewer when stdout
    /// was closed, or when waiting has to end.
    pub(super) fn write(&self, bytes: &[u8]) -> usize {
        let mut written = 0;
        let mut pause = PAUSE;
        while written < bytes.len() {
            if self.kind == StdoutKind::Stream && !self.wait() {
                break;
            }
            match self.attempt(&bytes[written..]) {
                Ok(count) => {
                    written += count;
                    pause = PAUSE;
                }
                Err(Errno::EINTR) => {}
                // A socket, or another process made the shared open file non-blocking.
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
                // A terminal that has gone does not come back.
                Err(Errno::EIO) if self.kind == StdoutKind::Stream => break,
                // A full disk may have room again, and nothing is dropped until the queue is full.
                Err(_) => {
                    if self.stopped_within(pause) {
                        break;
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        written
    }

    fn attempt(&self, bytes: &[u8]) -> nix::Result<usize> {
        match self.kind {
            StdoutKind::File => write(&self.out, bytes),
            StdoutKind::Socket => {
                let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                send(self.out.as_raw_fd(), bytes, flags)
            }
            StdoutKind::Stream => write(&self.out, &bytes[..bytes.len().min(PIPE_BUF)]),
        }
    }

    /// Waits until stdout accepts bytes or reports an error; false when waiting has to end.
    fn wait(&self) -> bool {
        loop {
            let mut fds = [
                PollFd::new(self.out.as_fd(), PollFlags::POLLOUT),
                PollFd::new(self.stop.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut fds, PollTimeout::NONE) {
                Err(Errno::EINTR) => {}
                // Out of memory in the kernel: the write shows the error.
                Err(_) => return true,
                Ok(_) => return !fds[1].any().unwrap_or(true),
            }
        }
    }

    /// Waits for `pause`; true when waiting has to end.
    fn stopped_within(&self, pause: Duration) -> bool {
        let timeout = PollTimeout::try_from(pause).unwrap_or(PollTimeout::ZERO);
        let mut fds = [PollFd::new(self.stop.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, timeout).is_ok_and(|ready| ready > 0)
    }
}
