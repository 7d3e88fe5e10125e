//! What signals mean for a command that shows something on a terminal.
#![forbid(unsafe_code)]

use std::io;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// The meaning of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TerminalSignal {
    /// HUP, INT, QUIT, TERM: the command is to end. The number of the signal.
    End(u8),
    /// WINCH: the terminal has another size.
    Resized,
    /// CONT: the command was stopped, and others have used the terminal.
    Continued,
}

/// Handlers of these signals.
#[derive(Debug)]
pub(crate) struct TerminalSignals {
    hup: Stream,
    int: Stream,
    quit: Stream,
    term: Stream,
    winch: Stream,
    cont: Stream,
}

impl TerminalSignals {
    /// Installs the handlers. Needs a running tokio runtime.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            hup: signal(SignalKind::hangup())?,
            int: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            term: signal(SignalKind::terminate())?,
            winch: signal(SignalKind::window_change())?,
            cont: signal(SignalKind::from_raw(
                nix::sys::signal::Signal::SIGCONT as i32,
            ))?,
        })
    }

    /// Waits for the next signal. Cancel safe.
    pub(crate) async fn next(&mut self) -> TerminalSignal {
        tokio::select! {
            _ = self.hup.recv() => TerminalSignal::End(1),
            _ = self.int.recv() => TerminalSignal::End(2),
            _ = self.quit.recv() => TerminalSignal::End(3),
            _ = self.term.recv() => TerminalSignal::End(15),
            _ = self.winch.recv() => TerminalSignal::Resized,
            _ = self.cont.recv() => TerminalSignal::Continued,
        }
    }
}
