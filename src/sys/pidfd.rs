//! Waits for the end of a process that is not a child of the launcher (pidfd_open(2), Linux 5.3).
#![expect(unsafe_code, reason = "nix and libc have no function for it")]

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

use nix::unistd::Pid;

use super::readable::Readable;

/// A process, held by a descriptor: a later process with its number is not meant.
#[derive(Debug)]
pub(crate) struct HeldProcess(Readable);

impl HeldProcess {
    /// Fails with `NotFound` when there is no such process, and otherwise where the kernel or a sandbox has no pidfd.
    pub(crate) fn open(pid: Pid) -> io::Result<Self> {
        // SAFETY: the call takes two numbers.
        let number = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
        if number < 0 {
            let error = io::Error::last_os_error();
            return Err(match error.raw_os_error() {
                Some(libc::ESRCH) => io::ErrorKind::NotFound.into(),
                Some(_) | None => error,
            });
        }
        let number = RawFd::try_from(number).map_err(io::Error::other)?;
        // SAFETY: the kernel has just opened it, closed on exec, and nothing else knows it.
        let fd = unsafe { OwnedFd::from_raw_fd(number) };
        Ok(Self(Readable::new(fd)?))
    }

    /// Completes when it has ended, also while it is a zombie.
    pub(crate) async fn ended(&self) -> io::Result<()> {
        self.0.wait().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn an_end_is_noticed_before_anyone_waits_for_it() {
        let mut child = std::process::Command::new("sleep")
            .arg("600")
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let held = HeldProcess::open(pid).unwrap();
        child.kill().unwrap();
        let limit = std::time::Duration::from_secs(10);
        tokio::time::timeout(limit, held.ended())
            .await
            .unwrap()
            .unwrap();
        child.wait().unwrap();
        let error = HeldProcess::open(pid).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
