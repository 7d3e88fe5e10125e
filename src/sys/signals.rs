//! Turns signals into their meaning for the launcher.
#![forbid(unsafe_code)]

use std::io;
use std::task::Poll;

use super::hang_up::{self, HangUp, HangUps};
use nix::sys::signal::{SigSet, Signal as Kernel};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// The meaning of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// TERM, INT or QUIT: graceful stop; each repetition is more urgent.
    Stop,
    /// HUP that somebody has sent: load new configuration and code.
    Reload,
    /// HUP, because the terminal has gone: graceful stop.
    HungUp,
    /// USR1: write the status to the log.
    Report,
    /// CHLD: a child or orphan has ended.
    Child,
}

/// Handlers of the signals that the launcher handles; they stay installed.
///
/// The kernel discards signals to PID 1 that have no handler (`pid_namespaces(7)`), so signals that are not listed here
/// have no effect in a container.
#[derive(Debug)]
pub(crate) struct Signals {
    term: Stream,
    int: Stream,
    quit: Stream,
    hup: HangUps,
    usr1: Stream,
    chld: Stream,
}

fn handled_signals() -> SigSet {
    [
        Kernel::SIGTERM,
        Kernel::SIGINT,
        Kernel::SIGQUIT,
        Kernel::SIGHUP,
        Kernel::SIGUSR1,
    ]
    .into_iter()
    .collect()
}

/// Blocks the signals until their handlers are installed ([`Signals::new`], [`ForwardedSignals::new`]). Before that, the
/// kernel would discard them for PID 1 and silently kill any other process. Must be called before threads are started.
pub(crate) fn block_until_handled() {
    // It can only fail for a set of another size than the kernel's.
    let _: nix::Result<()> = handled_signals().thread_block();
}

/// SIGHUP stays blocked where it is read with its sender.
fn unblock(with_hang_up: bool) -> io::Result<()> {
    let mut signals = handled_signals();
    if !with_hang_up {
        signals.remove(Kernel::SIGHUP);
    }
    Ok(signals.thread_unblock()?)
}

impl Signals {
    /// Installs the handlers. Needs a running tokio runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let signals = Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hup: HangUps::new()?,
            usr1: signal(SignalKind::user_defined1())?,
            chld: signal(SignalKind::child())?,
        };
        unblock(false)?;
        Ok(signals)
    }

    /// Waits for the next signal. Cancel safe.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.term.recv() => Signal::Stop,
            _ = self.int.recv() => Signal::Stop,
            _ = self.quit.recv() => Signal::Stop,
            hang_up = self.hup.next() => match hang_up {
                HangUp::Asked => Signal::Reload,
                HangUp::TerminalGone => Signal::HungUp,
            },
            _ = self.usr1.recv() => Signal::Report,
            _ = self.chld.recv() => Signal::Child,
        }
    }
}

/// Handlers of the signals that development mode forwards to flask unchanged.
#[derive(Debug)]
pub(crate) struct ForwardedSignals {
    streams: Vec<(Kernel, Stream)>,
    chld: Stream,
}

/// A signal in development mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForwardedEvent {
    /// To be forwarded.
    Signal(Kernel),
    /// A child has ended or was stopped.
    Child,
}

impl ForwardedSignals {
    /// Installs the handlers. Needs a running tokio runtime.
    pub(crate) fn new() -> io::Result<Self> {
        // Under nohup(1), SIGHUP stays ignored.
        let hang_up = (!hang_up::is_ignored()).then_some(Kernel::SIGHUP);
        let forwarded = [
            Kernel::SIGTERM,
            Kernel::SIGINT,
            Kernel::SIGQUIT,
            Kernel::SIGUSR1,
            Kernel::SIGUSR2,
            Kernel::SIGWINCH,
            Kernel::SIGCONT,
        ];
        let streams = forwarded
            .into_iter()
            .chain(hang_up)
            .map(|kind| signal(SignalKind::from_raw(kind as i32)).map(|stream| (kind, stream)))
            .collect::<io::Result<_>>()?;
        let forwarded = Self {
            streams,
            chld: signal(SignalKind::child())?,
        };
        unblock(true)?;
        Ok(forwarded)
    }

    /// Waits for the next signal. Cancel safe.
    pub(crate) async fn next(&mut self) -> ForwardedEvent {
        std::future::poll_fn(|context| {
            if self.chld.poll_recv(context).is_ready() {
                return Poll::Ready(ForwardedEvent::Child);
            }
            for (kind, stream) in &mut self.streams {
                if stream.poll_recv(context).is_ready() {
                    return Poll::Ready(ForwardedEvent::Signal(*kind));
                }
            }
            Poll::Pending
        })
        .await
    }
}
