//! Turns signals into their meaning for the launcher.
#![forbid(unsafe_code)]

use std::io;
use std::task::Poll;

use nix::sys::signal::{SigSet, Signal as Kernel};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// The meaning of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// TERM, INT or QUIT: graceful stop; each repetition is more urgent.
    Stop,
    /// HUP: load new configuration and code.
    Reload,
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
    hup: Stream,
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

fn unblock() -> io::Result<()> {
    Ok(handled_signals().thread_unblock()?)
}

impl Signals {
    /// Installs the handlers. Needs a running tokio runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let signals = Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hup: signal(SignalKind::hangup())?,
            usr1: signal(SignalKind::user_defined1())?,
            chld: signal(SignalKind::child())?,
        };
        unblock()?;
        Ok(signals)
    }

    /// Waits for the next signal. Cancel safe.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.term.recv() => Signal::Stop,
            _ = self.int.recv() => Signal::Stop,
            _ = self.quit.recv() => Signal::Stop,
            _ = self.hup.recv() => Signal::Reload,
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
        let forwarded = [
            Kernel::SIGTERM,
            Kernel::SIGINT,
            Kernel::SIGQUIT,
            Kernel::SIGHUP,
            Kernel::SIGUSR1,
            Kernel::SIGUSR2,
            Kernel::SIGWINCH,
            Kernel::SIGCONT,
        ];
        let streams = forwarded
            .into_iter()
            .map(|kind| signal(SignalKind::from_raw(kind as i32)).map(|stream| (kind, stream)))
            .collect::<io::Result<_>>()?;
        let forwarded = Self {
            streams,
            chld: signal(SignalKind::child())?,
        };
        unblock()?;
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
