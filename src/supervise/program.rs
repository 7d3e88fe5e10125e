//! What the supervisor asks of the programs that it runs. `crate::programs` implements these traits; the supervisor knows
//! no program by name.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use nix::unistd::Pid;
use tokio::sync::mpsc;

use super::machine::identity::Role;
use crate::status::{RequestStatus, WorkerStatus};
use crate::sys::files::WriteError;

/// An answer that takes time. It runs on the loop's thread and must not block it.
pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// What every supervised program can be asked.
pub(crate) trait Supervised: fmt::Debug {
    /// Asks once whether the program serves.
    fn poll_ready(&self) -> Answer<'_, Result<(), NotReady>>;

    /// Watches a process of the program that serves, and sends what it finds. Ends when it has found the process hung.
    fn watch(
        &self,
        pid: Pid,
        proxy: ServingProxy,
        findings: mpsc::Sender<WatchdogFinding>,
    ) -> Answer<'_, ()>;
}

/// A program that runs the application.
pub(crate) trait Application: Supervised {
    /// Asks it to finish its requests and end, while its successor serves on the same socket.
    fn retire(&self) -> io::Result<()>;

    /// Its worker processes, with the requests in each.
    fn workers(&self) -> Answer<'_, io::Result<Vec<WorkerStatus>>>;

    /// The path that has to answer, where one is configured.
    fn health_path(&self) -> Option<&str>;

    /// Asks the application for the health path. Passes at once where none is configured.
    fn check_health(&self) -> Answer<'_, Health>;
}

/// A program that accepts requests from clients and passes them to the application.
pub(crate) trait Proxy: Supervised {
    /// Makes it close each client's connection after the current answer.
    fn begin_drain(&self) -> Result<(), WriteError>;

    /// Ends that.
    fn end_drain(&self) -> Result<(), WriteError>;

    /// Waits until it has no client connection left; false when it does not answer.
    fn drained(&self) -> Answer<'_, bool>;

    /// Requests whose answer it awaits or sends; none when it does not answer.
    fn requests(&self) -> Answer<'_, Option<u64>>;
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

    pub(crate) fn proxy(&self) -> Option<Rc<dyn Proxy>> {
        match self {
            Self::Application(_) => None,
            Self::Proxy(proxy) => Some(Rc::clone(proxy)),
        }
    }

    /// What it can be asked whatever its role.
    pub(crate) fn supervised(&self) -> &dyn Supervised {
        match self {
            Self::Application(application) => application.as_ref(),
            Self::Proxy(proxy) => proxy.as_ref(),
        }
    }
}

/// The proxy that serves now. A reload may bring another one while a watchdog runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServingProxy(Rc<RefCell<Option<Rc<dyn Proxy>>>>);

impl ServingProxy {
    pub(crate) fn set(&self, proxy: Option<Rc<dyn Proxy>>) {
        *self.0.borrow_mut() = proxy;
    }

    pub(crate) fn get(&self) -> Option<Rc<dyn Proxy>> {
        self.0.borrow().clone()
    }
}

/// A program that is not ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotReady {
    /// What is missing.
    pub(crate) reason: String,
    /// When to ask again.
    pub(crate) retry_after: Duration,
}

/// Answer of the health path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// It answered 2xx or 3xx.
    Passing,
    /// It did not answer yet, because other requests have every slot.
    Busy,
    /// It answered anything else, or not in time.
    Failing(String),
}

/// What a watchdog found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WatchdogFinding {
    /// The process is alive and serves nothing.
    Hung {
        /// For how long.
        idle: Duration,
        /// The requests in its workers when they were known last, for people.
        requests: Option<String>,
    },
    /// A request is overdue and could not be interrupted: its worker has to be killed.
    Overdue {
        /// The number of the worker.
        worker: u32,
        /// The process of the worker, from the program's statistics, which the workers' user could forge.
        pid: Pid,
        request: RequestStatus,
    },
}
