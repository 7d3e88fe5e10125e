//! A running uWSGI as the supervisor sees it: readiness, retirement, workers, health.

use std::cell::RefCell;
use std::io::{self, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::unistd::Pid;
use tokio::sync::mpsc;

use super::health::{self, HealthPath};
use super::leftovers;
use super::stats::{self, Socket};
use super::watchdog::Watchdog;
use super::worker::{self, Existence, Worker};
use crate::queue::RequestQueue;
use crate::status::{QueueStatus, WorkerStatus};
use crate::supervise::program::{
    Answer, Application, Health, NotReady, Supervised, WatchdogFinding,
};
use crate::sys::credentials::Credentials;
use crate::sys::family;
use crate::sys::file_user;
use crate::sys::files::{self, WriteError};

/// The command of uWSGI's master FIFO that stops it gracefully: each worker finishes its request
/// (<https://uwsgi-docs.readthedocs.io/en/latest/MasterFIFO.html>).
const FINISH: &[u8] = b"q";
/// Pause between two readiness polls; readiness is seen this much late at the most.
const READY_POLL: Duration = Duration::from_millis(10);
/// Pause between two health checks of a start: each is a request to the application, which may log it and query its own
/// backends.
const HEALTH_POLL: Duration = Duration::from_millis(500);
/// Pause between two polls whether requests are left during a stop.
const FINISH_POLL: Duration = Duration::from_millis(20);

/// A running uWSGI.
#[derive(Clone, Debug)]
pub(super) struct UwsgiApplication {
    pub(super) stats: Socket,
    /// The user of the workers; none: the launcher's own.
    pub(super) user: Option<Credentials>,
    /// The configured number of worker processes.
    pub(super) workers: u32,
    /// The health path, where one is configured.
    pub(super) health: Option<HealthPath>,
    /// The named pipe from which uWSGI's master reads commands (option master-fifo).
    pub(super) fifo: PathBuf,
    /// As soon as this file exists, the workers close their WebSockets.
    pub(super) leaving: PathBuf,
    pub(super) watchdog: Watchdog,
    /// What the import has left open, as text for operators.
    pub(super) warnings: RefCell<Vec<String>>,
    /// The requests that wait on the socket that all generations share.
    pub(super) queue: RequestQueue,
}

impl UwsgiApplication {
    async fn ready(&self) -> Result<(), NotReady> {
        self.accepting().await.map_err(|reason| NotReady {
            reason,
            retry_after: READY_POLL,
        })?;
        match &self.health {
            Some(health) => match health::ask(health).await {
                // Busy: its processes accept requests, and have more of them than they can serve.
                Health::Passing | Health::Busy => Ok(()),
                Health::Failing(reason) => Err(NotReady {
                    reason,
                    retry_after: HEALTH_POLL,
                }),
            },
            None => Ok(()),
        }
    }

    /// Whether all workers accept requests. Only the statistics show this reliably: the application's socket exists and
    /// READY=1 is sent before that.
    async fn accepting(&self) -> Result<(), String> {
        let workers = stats::read(&self.stats)
            .await
            .map_err(|_| "the application is still being imported".to_owned())?;
        let accepting = workers.iter().filter(|worker| worker.serves()).count();
        if u32::try_from(accepting).is_ok_and(|n| n >= self.workers) {
            return Ok(());
        }
        let wanted = self.workers;
        Err(format!("{accepting} of {wanted} processes accept requests"))
    }
}

impl Supervised for UwsgiApplication {
    fn poll_ready(&self) -> Answer<'_, Result<(), NotReady>> {
        Box::pin(self.ready())
    }

    fn watch(&self, pid: Pid, findings: mpsc::Sender<WatchdogFinding>) -> Answer<'_, ()> {
        let left = leftovers::find(pid.as_raw(), &self.watchdog.folder);
        left.warn();
        self.warnings.replace(left.warnings());
        Box::pin(self.watchdog.run(&self.stats, pid, &self.queue, findings))
    }

    fn sampled(&self) -> Option<Instant> {
        self.watchdog.sampled.get()
    }
}

impl Application for UwsgiApplication {
    fn end_open_connections(&self) -> Result<(), WriteError> {
        files::write(&self.leaving, "", 0o644)
    }

    fn retire(&self) -> io::Result<()> {
        if let Err(error) = self.end_open_connections() {
            tracing::warn!(%error, "Cannot tell the old generation to close its WebSockets: they hold it until its time is up.");
        }
        file_user::as_owner_of(&self.watchdog.folder, || write_to_fifo(&self.fifo, FINISH))
    }

    fn user(&self) -> Option<&Credentials> {
        self.user.as_ref()
    }

    fn look(&self) -> Answer<'_, ()> {
        Box::pin(async {
            // Without an answer, what the kernel says of the last one counts.
            let _: io::Result<Vec<Worker>> = stats::read(&self.stats).await;
        })
    }

    fn finished(&self) -> Answer<'_, ()> {
        Box::pin(async {
            loop {
                self.look().await;
                let latest = self.stats.latest();
                if latest
                    .workers()
                    .iter()
                    .all(|worker| worker.serving().is_empty())
                {
                    return;
                }
                tokio::time::sleep(FINISH_POLL).await;
            }
        })
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.borrow().clone()
    }

    fn queue(&self) -> Option<QueueStatus> {
        self.queue.status()
    }

    fn workers(&self) -> Vec<WorkerStatus> {
        self.stats.present().statuses()
    }

    fn serves(&self) -> Result<(), String> {
        let latest = self.stats.present();
        let none = worker::none_serves(latest.workers());
        none.filter(|_| !latest.workers().is_empty())
            .map_or(Ok(()), Err)
    }

    fn processes(&self) -> usize {
        self.stats.ask_kernel();
        let latest = self.stats.latest();
        let known = latest.workers().iter().filter(|worker| worker.pid > 0);
        let (dead, alive): (Vec<_>, Vec<_>) =
            known.partition(|worker| worker.existence == Existence::Dead);
        // The last answer may be older than the successors of the dead.
        let children = family::workers_of(Pid::from_raw(latest.statistics.master));
        let is_known = |pid: Pid| alive.iter().any(|worker| worker.pid == pid.as_raw());
        let successors = children
            .iter()
            .filter(|child| !is_known(child.pid) && !family::has_ended(child.pid));
        alive.len() + successors.count().min(dead.len())
    }

    fn health_path(&self) -> Option<&str> {
        self.health.as_ref().map(|health| health.path.as_str())
    }

    fn check_health(&self) -> Answer<'_, Health> {
        Box::pin(async {
            match &self.health {
                Some(health) => health::check(health, &self.stats).await,
                None => Health::Passing,
            }
        })
    }
}

/// Writes to a named pipe; fails at once when no process has it open for reading (`O_NONBLOCK`, fifo(7)). Its folder
/// belongs to the workers' user, who can replace it: only a pipe is written to, and no link is followed.
fn write_to_fifo(fifo: &Path, text: &[u8]) -> io::Result<()> {
    let mut pipe = std::fs::OpenOptions::new()
        .write(true)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW).bits())
        .open(fifo)?;
    if !pipe.metadata()?.file_type().is_fifo() {
        return Err(io::Error::other("it is not a named pipe"));
    }
    pipe.write_all(text)
}
