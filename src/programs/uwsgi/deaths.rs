//! The ends of uWSGI's workers, seen with the kernel's eyes.
//!
//! uWSGI's master looks for dead workers once a second, and whenever it is asked for its statistics: it answers first, and
//! looks then. So a question at the moment of an end still shows the requests that the dead worker had, and brings its
//! successor sooner. What uWSGI says about an end (its cause, for instance) comes through its log. A worker that uWSGI
//! never buries, because its master is stopped or SIGCHLD is ignored, is reported as lost.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::stats::{self, Socket};
use super::worker::{Existence, Worker};
use crate::supervise::program::WatchdogFinding;
use crate::sys::family;
use crate::sys::pidfd::HeldProcess;
use crate::sys::process_stat;

/// uWSGI buries a dead worker within a second; one that is still in its statistics after this time is lost.
const LOST_AFTER: Duration = Duration::from_secs(2);

/// The workers of one uWSGI.
#[derive(Debug)]
pub(super) struct WorkerDeaths {
    master: Pid,
    /// How many there are; they are numbered from 1.
    workers: u32,
    /// A task for each living worker; it ends with the worker.
    watching: JoinSet<Pid>,
    watched: HashSet<i32>,
    /// The last process of each worker.
    last: HashMap<u32, i32>,
    /// Workers that were seen ending.
    ending: HashSet<i32>,
    /// Dead workers in uWSGI's statistics: since when, and whether they were reported.
    dead: HashMap<i32, (Instant, bool)>,
}

impl WorkerDeaths {
    /// `workers` is their number: what the statistics say of others is not believed.
    pub(super) fn of(master: Pid, workers: u32) -> Self {
        Self {
            master,
            workers,
            watching: JoinSet::new(),
            watched: HashSet::new(),
            last: HashMap::new(),
            ending: HashSet::new(),
            dead: HashMap::new(),
        }
    }

    /// Waits for the end of a worker, and returns all that have ended by then.
    pub(super) async fn next(&mut self) -> Vec<Pid> {
        loop {
            let Some(first) = self.watching.join_next().await else {
                std::future::pending::<()>().await;
                continue;
            };
            let more = std::iter::from_fn(|| self.watching.try_join_next());
            // No task is aborted, and none panics.
            let ended: Vec<Pid> = std::iter::once(first)
                .chain(more)
                .filter_map(Result::ok)
                .collect();
            if !ended.is_empty() {
                return ended;
            }
        }
    }

    /// Watches the workers of a poll from now on, and finds the lost ones.
    pub(super) fn follow(&mut self, workers: &[Worker], now: Instant) -> Vec<WatchdogFinding> {
        let own = |worker: &&Worker| (1..=self.workers).contains(&worker.id);
        let workers: Vec<&Worker> = workers.iter().filter(own).collect();
        for worker in workers.iter().filter(|worker| worker.pid > 0) {
            self.last.insert(worker.id, worker.pid);
        }
        let last: HashSet<i32> = self.last.values().copied().collect();
        self.watched.retain(|pid| last.contains(pid));
        self.ending.retain(|pid| last.contains(pid));
        self.dead.retain(|pid, _| last.contains(pid));
        let mut findings = Vec::new();
        for worker in workers {
            // uWSGI may have forgotten the number of a dead process.
            let Some(pid) = self.last.get(&worker.id).copied() else {
                continue;
            };
            match worker.existence {
                Existence::Alive | Existence::Stopped => self.watch(pid),
                Existence::Ending => {
                    self.watch(pid);
                    self.ending.insert(pid);
                }
                Existence::Dead => {
                    let (since, reported) = self.dead.entry(pid).or_insert((now, false));
                    if !*reported && now.duration_since(*since) >= LOST_AFTER {
                        *reported = true;
                        findings.push(self.lost(worker.id, pid));
                    }
                }
            }
        }
        findings
    }

    fn lost(&self, worker: u32, pid: i32) -> WatchdogFinding {
        WatchdogFinding::WorkerLost {
            worker,
            pid: Pid::from_raw(pid),
            signal: process_stat::read(pid).and_then(|stat| stat.killed_by),
            was_ending: self.ending.contains(&pid),
        }
    }

    fn watch(&mut self, pid: i32) {
        if self.watched.insert(pid) {
            self.watching
                .spawn_local(until_end(Pid::from_raw(pid), self.master));
        }
    }
}

/// Completes when a worker has ended; never where the kernel has no pidfd. Then the requests of a dead worker are those of
/// the last poll.
async fn until_end(pid: Pid, master: Pid) -> Pid {
    match HeldProcess::open(pid) {
        // The number may have been another's when it was opened.
        Ok(process) if family::is_child_of(pid, master) => {
            if process.ended().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(_) => std::future::pending().await,
    }
    pid
}

/// Reports the ends of workers with the requests that they had.
pub(super) async fn report(
    ended: &[Pid],
    stats: &Socket,
    findings: &mpsc::Sender<WatchdogFinding>,
) {
    let before = stats.latest();
    // Without an answer, the last one counts.
    let _: io::Result<Vec<Worker>> = stats::read(stats).await;
    let after = stats.latest();
    for pid in ended {
        let pid = *pid;
        let requests = after.requests_of(pid.as_raw());
        let Some(serving) = requests.or_else(|| before.requests_of(pid.as_raw())) else {
            continue;
        };
        let finding = WatchdogFinding::WorkerEnded { pid, serving };
        // The supervisor's loop may have ended.
        let _: Result<(), _> = findings.send(finding).await;
    }
}
