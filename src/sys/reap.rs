//! The only wait: for our own children and, as PID 1 or subreaper, for every orphan.
//!
//! A second waiter would steal exit statuses (measured: 178 of 500 lost beside tokio's own waits), so nothing else in
//! this program waits, but for the programs that [`crate::host`] asks for their version before the first child
//! exists. Children are started on the thread that reaps, so a fast exit cannot be missed between start and
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
pub enum Exit {
    /// It returned this code.
    Code(u8),
    /// This signal ended it.
    Signal(i32),
}

impl Exit {
    /// The code that a shell would give: 128 + n for a signal.
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(number) => u8::try_from(128 + number).unwrap_or(u8::MAX),
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
        }
    }
}

/// A child that ended, or stopped for job control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// Its process id.
    pub pid: Pid,
    /// How it ended.
    pub exit: Exit,
}

/// Reaps every process that has ended. `before` sees each while it is still a zombie: its process group cannot have
/// been given to anyone else then, so the group may be signalled without a race.
pub fn reap_all(mut before: impl FnMut(Reaped)) -> Vec<Reaped> {
    let mut reaped = Vec::new();
    loop {
        let next = match ended(libc::P_ALL, 0, libc::WNOWAIT) {
            Ok(Some(next)) => next,
            Err(Errno::EINTR) => continue,
            Ok(None) | Err(_) => return reaped,
        };
        before(next);
        match ended(libc::P_PID, next.pid.as_raw().cast_unsigned(), 0) {
            Ok(Some(ended)) => reaped.push(ended),
            Ok(None) | Err(Errno::EINTR) => {}
            Err(_) => return reaped,
        }
    }
}

/// waitid(2) for what has ended. nix's wrapper gives an error for a real-time signal, which it has no name for, and one
/// orphan that died of such a signal would hide all who end after it.
fn ended(
    kind: libc::idtype_t,
    id: libc::id_t,
    flags: libc::c_int,
) -> Result<Option<Reaped>, Errno> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = flags | libc::WEXITED | libc::WNOHANG;
    // SAFETY: the pointer is valid for a siginfo_t, which the kernel fills or leaves as it is.
    let result = unsafe { libc::waitid(kind, id, info.as_mut_ptr(), flags) };
    Errno::result(result)?;
    // SAFETY: all of its fields are numbers and padding, for which zeroes are a value.
    let info = unsafe { info.assume_init() };
    // SAFETY: waitid gives the fields of SIGCHLD, or has left zeroes.
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

/// Whether a child was stopped by job control (Ctrl-Z). It is told of once.
pub fn is_stopped(pid: Pid) -> bool {
    let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG;
    matches!(waitid(Id::Pid(pid), flags), Ok(WaitStatus::Stopped(..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_read_like_a_shell_s() {
        assert_eq!(Exit::Code(22).code(), 22);
        assert_eq!(Exit::Signal(9).code(), 137);
        assert_eq!(Exit::Signal(9).to_string(), "signal 9 (SIGKILL)");
        assert_eq!(Exit::Code(3).to_string(), "exit code 3");
    }

    #[test]
    fn any_signal_is_an_end() {
        for number in [9, 34, 40, 64] {
            #[expect(clippy::zombie_processes, reason = "it is waited for below")]
            let child = std::process::Command::new("sh")
                .arg("-c")
                .arg(format!("kill -{number} $$"))
                .spawn()
                .unwrap();
            let exit = loop {
                match ended(libc::P_PID, child.id(), 0).unwrap() {
                    Some(ended) => break ended.exit,
                    // The pause between two looks, not a wait for anything.
                    None => std::thread::sleep(std::time::Duration::from_millis(5)),
                }
            };
            assert_eq!(exit, Exit::Signal(number));
        }
    }
}
