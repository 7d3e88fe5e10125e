//! The terminal of development mode: whoever is in front gets what is typed (tcsetpgrp(3), termios(3)).
#![forbid(unsafe_code)]

use std::fs::File;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

/// The controlling terminal, while the launcher's own group is in front.
#[derive(Debug)]
pub struct Terminal(File);

impl Terminal {
    /// The terminal; none without one, or when another group is in front (a job in the background).
    pub fn in_front() -> Option<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .open("/dev/tty")
            .ok()?;
        let front = tcgetpgrp(&file).ok()?;
        (front == getpgrp()).then_some(Self(file))
    }

    /// Puts a process group in front.
    pub fn give_to(&self, group: Pid) {
        // A group in the background that does this is stopped by SIGTTOU, unless it blocks it.
        let mut block = SigSet::empty();
        block.add(Signal::SIGTTOU);
        let mut before = SigSet::empty();
        if sigprocmask(SigmaskHow::SIG_BLOCK, Some(&block), Some(&mut before)).is_err() {
            return;
        }
        if let Err(error) = tcsetpgrp(&self.0, group) {
            tracing::debug!(%error, "Cannot hand over the terminal.");
        }
        // What could be set a line above can be set back.
        let _: nix::Result<()> = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    }

    /// Puts the launcher's own group in front.
    pub fn take_back(&self) {
        self.give_to(getpgrp());
    }
}
