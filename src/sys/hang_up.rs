//! SIGHUP and what it means: the terminal has gone, or somebody asks for a reload.
//!
//! Both are the same signal, but the kernel tells who has sent it. When a terminal goes, the kernel signals the leader of
//! its session, and the foreground processes when the leader ends; a shell that leads the session passes the signal on to
//! all its jobs (credentials(7), `tty_signal_session_leader` in drivers/tty/tty_jobctrl.c). So the signal stays blocked and
//! is read from a descriptor (signalfd(2)), with its sender.
#![expect(
    unsafe_code,
    reason = "nix changes dispositions only in unsafe functions"
)]

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;

use nix::fcntl::OFlag;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, getsid};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Whether SIGHUP is ignored, as nohup(1) leaves it to the program that it runs.
pub(super) fn is_ignored() -> bool {
    // SAFETY: neither disposition runs code.
    let set = |handler| unsafe { signal(Signal::SIGHUP, handler) };
    let Ok(before) = set(SigHandler::SigDfl) else {
        return false;
    };
    let ignored = matches!(before, SigHandler::SigIgn);
    if ignored {
        // It has succeeded with the other disposition.
        let _: nix::Result<SigHandler> = set(SigHandler::SigIgn);
    }
    ignored
}

/// What a SIGHUP means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HangUp {
    /// The terminal has gone.
    TerminalGone,
    /// Somebody has sent the signal on purpose.
    Asked,
}

/// The SIGHUPs of this process, which must be blocked in all its threads.
#[derive(Debug)]
pub(super) struct HangUps {
    signals: AsyncFd<SignalFd>,
    had_terminal: bool,
    /// It shall outlive its terminal.
    ignored: bool,
}

impl HangUps {
    /// Needs a running tokio runtime.
    pub(super) fn new() -> io::Result<Self> {
        let mask = SigSet::from_iter([Signal::SIGHUP]);
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = SignalFd::with_flags(&mask, flags)?;
        Ok(Self {
            // SAFETY: the descriptor is owned by the result, which does not give it away.
            signals: unsafe { AsyncFd::register_with_interest(signals, Interest::READABLE) }?,
            had_terminal: !has_no_terminal(),
            ignored: is_ignored(),
        })
    }

    /// Waits for the next one that means something: not for the end of the terminal under nohup(1). Cancel safe.
    pub(super) async fn next(&mut self) -> HangUp {
        loop {
            // It fails only when the runtime ends.
            let Ok(mut ready) = self.signals.readable().await else {
                return std::future::pending().await;
            };
            let Ok(Some(info)) = self.signals.get_ref().read_signal() else {
                ready.clear_ready();
                continue;
            };
            let sender = i32::try_from(info.ssi_pid).map(Pid::from_raw);
            let by_leader = sender.is_ok_and(|sender| Ok(sender) == getsid(None));
            match meaning(
                info.ssi_code,
                by_leader,
                self.had_terminal && has_no_terminal(),
            ) {
                HangUp::TerminalGone if self.ignored => {}
                meaning => return meaning,
            }
        }
    }
}

/// `by_leader`: the leader of the session has sent it; `lost`: the terminal is not there any more.
fn meaning(code: i32, by_leader: bool, lost: bool) -> HangUp {
    if code == libc::SI_KERNEL || (by_leader && lost) {
        HangUp::TerminalGone
    } else {
        HangUp::Asked
    }
}

/// Whether this process certainly has no controlling terminal (tty(4)).
fn has_no_terminal() -> bool {
    let terminal = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NOCTTY | OFlag::O_NONBLOCK).bits())
        .open("/dev/tty");
    terminal.is_err_and(|error| matches!(error.raw_os_error(), Some(libc::ENXIO | libc::EIO)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_sent_it_decides() {
        for (code, by_leader, lost, expected) in [
            (libc::SI_KERNEL, false, true, HangUp::TerminalGone),
            // The kernel may be faster than the loss.
            (libc::SI_KERNEL, false, false, HangUp::TerminalGone),
            // A shell whose terminal has gone passes it on to its jobs.
            (libc::SI_USER, true, true, HangUp::TerminalGone),
            // `kill -HUP %1` in the shell.
            (libc::SI_USER, true, false, HangUp::Asked),
            // From another terminal, after the shell that has started the job has ended.
            (libc::SI_USER, false, true, HangUp::Asked),
            (libc::SI_USER, false, false, HangUp::Asked),
        ] {
            assert_eq!(
                meaning(code, by_leader, lost),
                expected,
                "{code} {by_leader} {lost}"
            );
        }
    }
}
