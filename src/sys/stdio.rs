//! Stdout and stderr that another user may open again by name: `/dev/stdout` leads to them.
#![forbid(unsafe_code)]

use std::io::{IsTerminal as _, stderr, stdout};
use std::os::fd::{AsFd as _, BorrowedFd};

use nix::sys::statfs::{FsType, fstatfs};
use nix::unistd::{Uid, fchown};

use super::process;

/// The file system of pipes without a name (linux/magic.h).
const PIPEFS: FsType = FsType(0x5049_5045);

/// Hands the launcher's stdout and stderr to a user where nobody else uses them by name: pipes, and the terminal of a
/// container, as container runtimes do it for the user of an image. Another terminal and files stay whose they are; what
/// is written to the inherited descriptors arrives in any case.
pub(crate) fn hand_to(uid: u32) {
    let (out, err) = (stdout(), stderr());
    let is_of_container = |is_terminal| is_terminal && process::is_init();
    for (fd, is_terminal) in [
        (out.as_fd(), out.is_terminal()),
        (err.as_fd(), err.is_terminal()),
    ] {
        if (is_pipe(fd) || is_of_container(is_terminal))
            && let Err(error) = fchown(fd, Some(Uid::from_raw(uid)), None)
        {
            tracing::debug!(%error, "Cannot hand stdout or stderr to the user; it cannot open them by name.");
        }
    }
}

fn is_pipe(fd: BorrowedFd<'_>) -> bool {
    fstatfs(fd).is_ok_and(|it| it.filesystem_type() == PIPEFS)
}
