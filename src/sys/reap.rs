//! Waits for the launcher's children and, as PID 1 or subreaper, for orphans.
//!
//! A second waiter would steal exit statuses (measured: 178 of 500 lost beside tokio's own waits), so nothing else in
//! this program waits, except [`crate::sys::short_programs`] for its programs where there is no loop. Children are started
//! on the thread that reaps, so a fast exit cannot be missed between start and
//! registration.
#![expect(
    unsafe_code,
    reason = "the safe form of waitid has no name for real-time signals"
)]

use std::fmt;
use std::mem::MaybeUninit;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Exit {
    /// Exit code.
    Code(u8),
    /// Number of the signal that killed it; may be a real-time signal, which has no name.
    Signal(i32),
    /// The kernel killed it, because memory had run out: SIGKILL too. Limit and use of the control group in bytes, where
    /// they are known.
    OutOfMemory {
        /// None: there is no limit but the machine's memory.
        limit: Option<u64>,
        /// The most that was used.
        used: Option<u64>,
    },
}

impl Exit {
    /// The code that a shell reports: 128 + n for signal n.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(number) => u8::try_from(128 + number).unwrap_or(u8::MAX),
            Self::OutOfMemory { .. } => 137,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "signal {number} ({signal})"),
                Err(_) => write!(f, "signal {number}"),
            },
            Self::OutOfMemory { limit, .. } => {
                write!(f, "signal 9 (SIGKILL) from the kernel: out of memory")?;
                match limit {
                    Some(limit) => write!(f, ", the limit is {} MiB", limit >> 20),
                    None => Ok(()),
                }
            }
        }
    }
}

/// A child or orphan that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reaped {
    /// Free for reuse by the kernel once `reap_all` has returned.
    pub pid: Pid,
    /// Exit code or signal.
    pub exit: Exit,
}

/// Reaps all processes that have ended. Calls `before_reap` for each while it is still a zombie: its process group ID
/// cannot have been reused then, so the group may be signalled without a race.
pub(crate) fn reap_all(mut before_reap: impl FnMut(Reaped)) -> Vec<Reaped> {
    let mut reaped = Vec::new();
    loop {
        let next = match wait_exited(libc::P_ALL, 0, libc::WNOWAIT) {
            Ok(Some(next)) => next,
            Err(Errno::EINTR) => continue,
            Ok(None) | Err(_) => return reaped,
        };
        before_reap(next);
        match wait_exited(libc::P_PID, next.pid.as_raw().cast_unsigned(), 0) {
            Ok(Some(ended)) => reaped.push(ended),
            Ok(None) | Err(Errno::EINTR) => {}
            Err(_) => return reaped,
        }
    }
}

/// Reaps one child, if it has ended. Only for a child that [`reap_all`] cannot meet, because no loop runs.
pub(crate) fn reap_one(pid: Pid) -> Option<Exit> {
    let reaped = wait_exited(libc::P_PID, pid.as_raw().cast_unsigned(), 0);
    reaped.ok().flatten().map(|ended| ended.exit)
}

/// waitid(2) for a process that has ended, without blocking. nix's wrapper returns an error for a real-time signal,
/// which has no name there, so that one orphan killed by such a signal would hide all that end after it.
fn wait_exited(
    kind: libc::idtype_t,
    id: libc::id_t,
    flags: libc::c_int,
) -> Result<Option<Reaped>, Errno> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = flags | libc::WEXITED | libc::WNOHANG;
    // SAFETY: the pointer is valid for a siginfo_t, which the kernel fills or leaves as it is.
    let result = unsafe { libc::waitid(kind, id, info.as_mut_ptr(), flags) };
    Errno::result(result)?;
    // SAFETY: all of its fields are numbers and padding, for which zeroes are valid.
    let info = unsafe { info.assume_init() };
    // SAFETY: waitid has filled the fields of SIGCHLD, or has left zeroes.
    let pid = unsafe { info.si_pid() };
    // SAFETY: as above.
    let status = unsafe { info.si_status() };
    let exit = if info.si_code == libc::CLD_EXITED {
        Exit::Code(u8::try_from(status & 0xff).unwrap_or(u8::MAX))
    } else {
        Exit::Signal(status)
    };
    let pid = Pid::from_raw(pid);
    Ok((pid.as_raw() != 0).then_some(Reaped { pid, exit }))
}

/// Whether a child was stopped by job control (Ctrl-Z). True only once for each stop.
pub(crate) fn is_stopped(pid: Pid) -> bool {
    let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG;
    matches!(waitid(Id::Pid(pid), flags), Ok(WaitStatus::Stopped(..)))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn exits_are_reported_as_by_a_shell() {
        assert_eq!(Exit::Code(22).code(), 22);
        assert_eq!(Exit::Signal(9).code(), 137);
        assert_eq!(Exit::Signal(9).to_string(), "signal 9 (SIGKILL)");
        assert_eq!(Exit::Code(3).to_string(), "exit code 3");
        let killed = |limit| Exit::OutOfMemory { limit, used: None };
        assert_eq!(killed(None).code(), 137);
        assert_eq!(
            killed(Some(64 << 20)).to_string(),
            "signal 9 (SIGKILL) from the kernel: out of memory, the limit is 64 MiB"
        );
    }

    #[test]
    fn real_time_signals_are_reported_too() {
        for number in [9, 34, 40, 64] {
            #[expect(clippy::zombie_processes, reason = "it is waited for below")]
            let child = std::process::Command::new("sh")
                .arg("-c")
                .arg(format!("kill -{number} $$"))
                .spawn()
                .unwrap();
            let deadline = Instant::now() + Duration::from_secs(10);
            let exit = loop {
                if let Some(ended) = wait_exited(libc::P_PID, child.id(), 0).unwrap() {
                    break ended.exit;
                }
                assert!(Instant::now() < deadline, "signal {number}: not ended");
                // The interval between two polls: `wait_exited` does not block.
                std::thread::sleep(Duration::from_millis(5));
            };
            assert_eq!(exit, Exit::Signal(number));
        }
    }
}
