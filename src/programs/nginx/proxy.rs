//! A running nginx as the supervisor sees it: readiness, drain, client connections.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use tokio::sync::mpsc;

use super::status_page::{self, NoFigures};
use crate::status::ClientConnections;
use crate::supervise::program::{Answer, NotReady, Proxy, Supervised, WatchdogFinding};
use crate::sys::family;
use crate::sys::files::{self, WriteError};
use crate::telemetry::pace::{Due, Pace};

/// nginx answers on its status socket in well below a millisecond; the timeout allows for a machine under heavy load.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Pause between two readiness polls; readiness is seen this much late at the most.
const READY_POLL: Duration = Duration::from_millis(10);
/// Pause between two polls whether client connections are left during a drain.
const DRAIN_POLL: Duration = Duration::from_millis(20);
/// An nginx that has said nothing for so long is hung. One that closes the connection is busy.
const HUNG_AFTER: Duration = Duration::from_secs(20);

/// The title of a worker process that has not been asked to finish (`ngx_worker_process_cycle`).
const WORKER: &str = "nginx: worker process";
/// nginx is not replaced earlier than this after its start because it has lost a worker: several may be lost one after the
/// other.
const REPLACE_INTERVAL: Duration = Duration::from_secs(10);

/// A running nginx.
#[derive(Debug)]
pub(super) struct NginxProxy {
    /// The private socket of its status page.
    status: PathBuf,
    /// While this file exists, nginx closes each connection after the response.
    draining: PathBuf,
    pace: Pace,
    /// The connections at the last look.
    clients: Cell<Option<ClientConnections>>,
    /// When the watchdog began to look last.
    sampled: Cell<Option<Instant>>,
}

impl NginxProxy {
    pub(super) fn new(status: PathBuf, draining: PathBuf, pace: Pace) -> Self {
        Self {
            status,
            draining,
            pace,
            clients: Cell::new(None),
            sampled: Cell::new(None),
        }
    }

    async fn look(&self) -> Result<ClientConnections, NoFigures> {
        let answer = status_page::connections(&self.status, TIMEOUT).await;
        self.clients.set(answer.as_ref().ok().copied());
        answer
    }
}

impl Supervised for NginxProxy {
    fn poll_ready(&self) -> Answer<'_, Result<(), NotReady>> {
        Box::pin(async {
            match self.look().await {
                // It serves, and has no connection to spare for the question.
                Ok(_) | Err(NoFigures::Busy(_)) => Ok(()),
                Err(silent @ NoFigures::Silent(_)) => Err(NotReady {
                    reason: silent.text(),
                    retry_after: READY_POLL,
                }),
            }
        })
    }

    fn watch(&self, pid: Pid, findings: mpsc::Sender<WatchdogFinding>) -> Answer<'_, ()> {
        Box::pin(async move {
            let (mut silence, mut workers) = (Silence::new(), WorkerProcesses::new(pid));
            let (mut began, mut next) = (Instant::now(), Due::Within(Duration::ZERO));
            loop {
                self.pace.pause(began, next).await;
                began = Instant::now();
                let answer = self.look().await;
                next = match answer {
                    Ok(clients) if clients == ClientConnections::default() => Due::Idle,
                    Ok(_) | Err(_) => Due::Usual,
                };
                self.sampled.set(Some(began));
                self.pace.sampled();
                let hung = silence.check(matches!(answer, Err(NoFigures::Silent(_))));
                let damaged = workers.lost_one().then_some(WatchdogFinding::Damaged);
                for finding in hung.into_iter().chain(damaged) {
                    // The supervisor's loop may have ended.
                    let _: Result<(), _> = findings.send(finding).await;
                }
            }
        })
    }

    fn sampled(&self) -> Option<Instant> {
        self.sampled.get()
    }
}

/// How long nginx has said nothing.
struct Silence {
    answered: Instant,
    /// When it was reported last; when nginx spoke again, if that was later.
    told: Instant,
}

impl Silence {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            answered: now,
            told: now,
        }
    }

    /// Takes the result of a poll; a finding each time that it has said nothing for long enough.
    fn check(&mut self, silent: bool) -> Option<WatchdogFinding> {
        let now = Instant::now();
        if !silent {
            (self.answered, self.told) = (now, now);
        }
        if now.duration_since(self.told) < HUNG_AFTER {
            return None;
        }
        self.told = now;
        Some(WatchdogFinding::Hung {
            idle: now.duration_since(self.answered),
            requests: None,
        })
    }
}

/// nginx's worker processes. One that is gone, and was not asked to finish its requests, was killed or has crashed. Then what
/// it had counted stays counted: limit_conn and stub_status count in shared memory.
struct WorkerProcesses {
    master: Pid,
    seen: Vec<Pid>,
    /// Not earlier is one reported, or reported again.
    next: Instant,
    lost: bool,
}

impl WorkerProcesses {
    fn new(master: Pid) -> Self {
        let mut workers = Self {
            master,
            seen: Vec::new(),
            next: Instant::now() + REPLACE_INTERVAL,
            lost: false,
        };
        workers.look();
        workers
    }

    /// True once in a while from the loss of a worker on: nginx may not be replaced at the moment.
    fn lost_one(&mut self) -> bool {
        self.look();
        let now = Instant::now();
        if !self.lost || now < self.next {
            return false;
        }
        self.next = now + REPLACE_INTERVAL;
        true
    }

    fn look(&mut self) {
        // nginx has other processes, too, which end by themselves (cache loader).
        if let Some(children) = family::titles_of_children(self.master) {
            let is_there = |worker: &Pid| children.iter().any(|(pid, _)| pid == worker);
            self.lost |= !self.seen.iter().all(is_there);
            self.seen = children
                .iter()
                .filter(|(_, title)| title == WORKER)
                .map(|(pid, _)| *pid)
                .collect();
        }
    }
}

impl Proxy for NginxProxy {
    fn begin_drain(&self) -> Result<(), WriteError> {
        files::write(&self.draining, "", 0o644)
    }

    fn end_drain(&self) -> Result<(), WriteError> {
        files::remove(&self.draining)
    }

    fn drained(&self) -> Answer<'_, bool> {
        Box::pin(async {
            loop {
                match self.look().await {
                    Ok(connections) if connections == ClientConnections::default() => return true,
                    Ok(_) | Err(NoFigures::Busy(_)) => tokio::time::sleep(DRAIN_POLL).await,
                    Err(NoFigures::Silent(_)) => return false,
                }
            }
        })
    }

    fn clients(&self) -> Option<ClientConnections> {
        self.clients.get()
    }
}
