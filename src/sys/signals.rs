//! Signals as what they mean.
#![forbid(unsafe_code)]

use std::io;
use std::task::Poll;

use nix::sys::signal::{SigSet, Signal as Kernel};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// What a signal asks of the launcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// TERM, INT or QUIT: stop gracefully; again: faster.
    Stop,
    /// HUP: new configuration and code.
    Reload,
    /// USR1: say how things are.
    Report,
    /// CHLD: a child ended.
    Child,
}

/// The signals that are handled. A handler is installed when this is made, and stays.
///
/// PID 1 is spared every signal it has no handler for (`pid_namespaces(7)`), so what is not listed here has no effect in
/// a container.
#[derive(Debug)]
pub struct Signals {
    term: Stream,
    int: Stream,
    quit: Stream,
    hup: Stream,
    usr1: Stream,
    chld: Stream,
}

/// What ends a process or asks something of the launcher.
fn meant_for_us() -> SigSet {
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

/// Holds signals back until there are handlers ([`Signals::new`], [`Forwarded::new`]). PID 1 never gets to know of those
/// that come before, and any other process would die of them without a word. To be called before threads are started.
pub fn hold() {
    // It can only fail for a set of another size than the kernel's.
    let _: nix::Result<()> = meant_for_us().thread_block();
}

fn release() -> io::Result<()> {
    Ok(meant_for_us().thread_unblock()?)
}

impl Signals {
    /// Installs the handlers. Needs a running tokio runtime.
    pub fn new() -> io::Result<Self> {
        let signals = Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hup: signal(SignalKind::hangup())?,
            usr1: signal(SignalKind::user_defined1())?,
            chld: signal(SignalKind::child())?,
        };
        release()?;
        Ok(signals)
    }

    /// The next signal. Losing the future loses no signal.
    pub async fn next(&mut self) -> Signal {
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

/// Signals that development mode passes on to flask, as they come.
#[derive(Debug)]
pub struct Forwarded {
    streams: Vec<(Kernel, Stream)>,
    chld: Stream,
}

/// What development mode hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Pass this on.
    Signal(Kernel),
    /// A child ended or was stopped.
    Child,
}

impl Forwarded {
    /// Installs the handlers. Needs a running tokio runtime.
    pub fn new() -> io::Result<Self> {
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
        release()?;
        Ok(forwarded)
    }

    /// The next one. Losing the future loses no signal.
    pub async fn next(&mut self) -> Heard {
        std::future::poll_fn(|context| {
            if self.chld.poll_recv(context).is_ready() {
                return Poll::Ready(Heard::Child);
            }
            for (kind, stream) in &mut self.streams {
                if stream.poll_recv(context).is_ready() {
                    return Poll::Ready(Heard::Signal(*kind));
                }
            }
            Poll::Pending
        })
        .await
    }
}
