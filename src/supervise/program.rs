//! The traits of a supervised program. `crate::programs` implements them; the supervisor knows no program by name.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use tokio::sync::mpsc;

use super::machine::identity::Role;
use crate::status::{ClientConnections, QueueStatus, RequestStatus, WorkerStatus};
use crate::sys::credentials::Credentials;
use crate::sys::files::WriteError;

/// A future on the loop's thread, which it must not block.
pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A supervised program of any role.
pub(crate) trait Supervised: fmt::Debug {
    /// One readiness poll.
    fn poll_ready(&self) -> Answer<'_, Result<(), NotReady>>;

    /// The watchdog of a running process. It never ends; a process that stays hung is found again and again. Nobody else
    /// asks a program that serves what it does: what the watchdog has seen last is for all.
    fn watch(&self, pid: Pid, findings: mpsc::Sender<WatchdogFinding>) -> Answer<'_, ()>;

    /// When the watchdog began to ask it last; none when it has not yet.
    fn sampled(&self) -> Option<Instant>;
}

/// A program that runs the application.
pub(crate) trait Application: Supervised {
    /// Makes it end the connections that clients hold open without a request (WebSockets): it will be stopped.
    fn end_open_connections(&self) -> Result<(), WriteError>;

    /// Makes it take no further request, finish those that it has, and exit: its successor serves on the same socket, or
    /// the service stops.
    fn retire(&self) -> io::Result<()>;

    /// The user that its workers run as; none: the launcher's own.
    fn user(&self) -> Option<&Credentials>;

    /// Asks it what its workers do, as its watchdog does: for the time in which it retires and has none.
    fn look(&self) -> Answer<'_, ()>;

    /// Waits until no request is in its workers, also when the clients of these have left. The limit is the caller's.
    fn finished(&self) -> Answer<'_, ()>;

    /// What is wrong with the application that serves, each with the remedy: text for operators.
    fn warnings(&self) -> Vec<String>;

    /// The requests that wait for one of its slots; none when the system does not tell.
    fn queue(&self) -> Option<QueueStatus>;

    /// Its worker processes, with the requests in each, as its watchdog has seen them last. Empty when nothing is known.
    fn workers(&self) -> Vec<WorkerStatus>;

    /// Whether one of its processes takes requests, as far as its watchdog knows; else why none does, as text for operators.
    fn serves(&self) -> Result<(), String>;

    /// How many processes of it are alive, as far as is known without asking it.
    fn processes(&self) -> usize;

    /// The health path, where one is configured.
    fn health_path(&self) -> Option<&str>;

    /// Requests the health path. Passes at once where none is configured.
    fn check_health(&self) -> Answer<'_, Health>;
}

/// A program that accepts requests from clients and passes them to the application.
pub(crate) trait Proxy: Supervised {
    /// Makes it close each client connection after the next response.
    fn begin_drain(&self) -> Result<(), WriteError>;

    /// Lets it keep client connections open again.
    fn end_drain(&self) -> Result<(), WriteError>;

    /// Waits until it has no client connection left; false when it cannot be polled.
    fn drained(&self) -> Answer<'_, bool>;

    /// The client connections that it held when its watchdog looked last; none when it has not told them.
    fn clients(&self) -> Option<ClientConnections>;
}

/// A supervised program, by its role.
#[derive(Clone, Debug)]
pub(crate) enum Program {
    Application(Rc<dyn Application>),
    Proxy(Rc<dyn Proxy>),
}

impl Program {
    pub(crate) fn role(&self) -> Role {
        match self {
            Self::Application(_) => Role::Application,
            Self::Proxy(_) => Role::Proxy,
        }
    }

    pub(crate) fn application(&self) -> Option<Rc<dyn Application>> {
        match self {
            Self::Application(application) => Some(Rc::clone(application)),
            Self::Proxy(_) => None,
        }
    }

    /// The program without its role.
    pub(crate) fn supervised(&self) -> &dyn Supervised {
        match self {
            Self::Application(application) => application.as_ref(),
            Self::Proxy(proxy) => proxy.as_ref(),
        }
    }
}

/// A program that is not ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotReady {
    /// Text for operators.
    pub(crate) reason: String,
    /// Pause before the next poll.
    pub(crate) retry_after: Duration,
}

/// Result of a health check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// It answered 2xx or 3xx.
    Passing,
    /// It has not answered yet, because other requests occupy every slot.
    Busy,
    /// It answered anything else, or not in time; text for operators.
    Failing(String),
}

/// What an application may ask the launcher for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Reload,
    Stop,
}

/// What a watchdog found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WatchdogFinding {
    /// The process is alive but makes no progress.
    Hung {
        /// Time without progress.
        idle: Duration,
        /// The requests in its workers at the last poll that succeeded, as text for operators.
        requests: Option<String>,
    },
    /// It serves, and has lost something that only a start brings back: what a killed process of it had counted in shared
    /// memory.
    Damaged,
    /// A worker has ended.
    WorkerEnded {
        pid: Pid,
        /// The requests that were in it.
        serving: Vec<RequestStatus>,
    },
    /// A worker has ended, and the program has neither noticed that nor replaced it.
    WorkerLost {
        /// The number of the worker.
        worker: u32,
        pid: Pid,
        /// The signal that has ended it, where the kernel tells.
        signal: Option<i32>,
        /// Whether it was seen leaving by itself before.
        was_ending: bool,
    },
    /// The application asks the launcher for something.
    Wish(Wish),
    /// A request is overdue and could not be interrupted, so its worker has to be killed.
    Overdue {
        /// The number of the worker.
        worker: u32,
        /// The process of the worker according to the program's statistics: untrusted, to be checked before it is
        /// killed.
        pid: Pid,
        request: RequestStatus,
    },
}

impl WatchdogFinding {
    /// Whether it matters only while requests are taken: a program that finishes replaces no worker, and may be silent.
    pub(crate) fn is_about_service(&self) -> bool {
        match self {
            Self::Hung { .. } | Self::Damaged | Self::WorkerLost { .. } | Self::Wish(_) => true,
            Self::WorkerEnded { .. } | Self::Overdue { .. } => false,
        }
    }
}
