//! Ends connections of another process (pidfd_getfd(2)).
#![expect(unsafe_code, reason = "pidfd_open and pidfd_getfd have no safe form")]

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use nix::sys::socket::{Shutdown, shutdown};
use nix::unistd::Pid;

use super::procfs;

/// Shuts down those of these sockets (by inode) that the processes have open: for them it looks as if the client had
/// closed its connection. Returns how many. Fails where the system does not allow it: it takes the same user, or the
/// capability SYS_PTRACE, and a sandbox that allows pidfd_getfd.
pub(crate) fn shut_down(pids: &[Pid], inodes: &HashSet<u32>) -> io::Result<usize> {
    let mut ended = 0;
    for pid in pids {
        let Some(process) = unless_gone(pidfd(*pid))? else {
            continue;
        };
        for link in procfs::descriptors(pid)? {
            let inode = procfs::socket_inode(&link).and_then(|inode| u32::try_from(inode).ok());
            let number = link
                .file_name()
                .and_then(|name| name.to_str()?.parse().ok());
            let (Some(inode), Some(number)) = (inode, number) else {
                continue;
            };
            if !inodes.contains(&inode) {
                continue;
            }
            let Some(socket) = unless_gone(copy(&process, number))? else {
                continue;
            };
            // The descriptor may be another one's by now.
            if nix::sys::stat::fstat(&socket).is_ok_and(|stat| stat.st_ino == u64::from(inode))
                && shutdown(socket.as_raw_fd(), Shutdown::Both).is_ok()
            {
                ended += 1;
            }
        }
    }
    Ok(ended)
}

/// None where the process or the descriptor has ended meanwhile: then there is nothing to end.
fn unless_gone(opened: io::Result<OwnedFd>) -> io::Result<Option<OwnedFd>> {
    match opened {
        Err(error) if [Some(libc::ESRCH), Some(libc::EBADF)].contains(&error.raw_os_error()) => {
            Ok(None)
        }
        opened => opened.map(Some),
    }
}

fn pidfd(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two numbers.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })
}

/// A copy of a descriptor of a process.
fn copy(process: &OwnedFd, number: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes three numbers.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) })
}

fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let fd = i32::try_from(result).map_err(io::Error::other)?;
    // SAFETY: the kernel has just opened it for this process.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn only_the_named_sockets_are_shut_down() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (other, _peer) = UnixStream::pair().unwrap();
        let inode = u32::try_from(nix::sys::stat::fstat(&ours).unwrap().st_ino).unwrap();
        let own = [nix::unistd::getpid(), Pid::from_raw(i32::MAX)];
        assert_eq!(shut_down(&own, &HashSet::from([inode])).unwrap(), 1);
        assert_eq!(theirs.read(&mut [0; 1]).unwrap(), 0);
        other.set_nonblocking(true).unwrap();
        let kind = (&other).read(&mut [0; 1]).unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::WouldBlock);
    }
}
