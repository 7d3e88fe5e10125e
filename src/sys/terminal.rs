//! Changes the foreground process group of the terminal in development mode: it gets input, Ctrl-C and Ctrl-Z
//! (tcsetpgrp(3), termios(3)).
#![forbid(unsafe_code)]

use std::fs::File;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::unistd::{Pid, getpgrp, tcgetpgrp, tcsetpgrp};

/// The controlling terminal of a launcher that was started in the foreground.
#[derive(Debug)]
pub(crate) struct Terminal(File);

impl Terminal {
    /// None without a controlling terminal, or when the launcher is a background job.
    pub(crate) fn if_foreground() -> Option<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .open("/dev/tty")
            .ok()?;
        let foreground = tcgetpgrp(&file).ok()?;
        (foreground == getpgrp()).then_some(Self(file))
    }

    /// Makes `group` the foreground process group.
    pub(crate) fn set_foreground(&self, group: Pid) {
        // tcsetpgrp sends SIGTTOU to a caller in the background, which stops it unless the signal is blocked.
        let mut block = SigSet::empty();
        block.add(Signal::SIGTTOU);
        let mut before = SigSet::empty();
        if sigprocmask(SigmaskHow::SIG_BLOCK, Some(&block), Some(&mut before)).is_err() {
            return;
        }
        if let Err(error) = tcsetpgrp(&self.0, group) {
            tracing::debug!(%error, "Cannot change the foreground process group.");
        }
        // Restoring the mask cannot fail, as setting it has succeeded.
        let _: nix::Result<()> = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    }

    /// Makes the launcher's own group the foreground process group.
    pub(crate) fn take_back(&self) {
        self.set_foreground(getpgrp());
    }
}
