//! The watchdog of uWSGI: finds a hung application, overdue requests, and what the import left open.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use tokio::sync::mpsc;

use super::deaths::{self, WorkerDeaths};
use super::progress::{Observation, Progress};
use super::protocol;
use super::reading::Reading;
use super::stats::{self, Socket};
use super::wishes;
use super::worker::{self, Existence, InFlight, Worker};
use crate::queue::RequestQueue;
use crate::supervise::in_flight::describe_oldest;
use crate::supervise::program::WatchdogFinding;
use crate::telemetry::pace::{Due, Pace};

/// uWSGI's master reaps dead workers once a second, and whenever it is asked for its statistics: after a kill,
/// [`POLLS_AFTER_KILL`] polls at this interval bring the new worker sooner.
const POLL_INTERVAL_AFTER_KILL: Duration = Duration::from_millis(50);
const POLLS_AFTER_KILL: u32 = 2;
/// Pause between two polls while no worker serves: the service is not ready, and the next moment it may be.
const POLL_INTERVAL_NOT_SERVING: Duration = Duration::from_millis(100);
/// Time limit of the last ping before the application counts as hung.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// The settings of the watchdog, from the plan.
#[derive(Clone, Debug)]
pub(super) struct Watchdog {
    /// The configured number of worker processes.
    pub(super) workers: u32,
    /// uWSGI's folder.
    pub(super) folder: PathBuf,
    /// The application's socket, for the ping.
    pub(super) socket: PathBuf,
    /// How long a request may take; none: without limit.
    pub(super) request_timeout: Option<Duration>,
    /// The age of a request at which its worker is killed; none: there is no request timeout.
    pub(super) kill_after: Option<Duration>,
    /// How often uWSGI is asked. An answer costs its master a millisecond.
    pub(super) pace: Pace,
    /// When it was asked last.
    pub(super) sampled: Cell<Option<Instant>>,
}

impl Watchdog {
    /// Polls the master process `pid` and sends findings.
    pub(super) async fn run(
        &self,
        stats: &Socket,
        pid: Pid,
        queue: &RequestQueue,
        findings: mpsc::Sender<WatchdogFinding>,
    ) {
        if !wishes::take(&self.folder).is_empty() {
            tracing::warn!(
                "The application asks for a reload or a stop when it is imported. That is ignored: it would never end."
            );
        }
        let mut progress = Progress::new(self.request_timeout);
        let mut overdue = Overdue::default();
        let mut workers_of = WorkerDeaths::of(pid, self.workers);
        let mut requests = None;
        let started = Instant::now();
        let (mut began, mut next) = (started, Due::Within(Duration::ZERO));
        loop {
            for finding in workers_of.follow(stats.latest().workers(), Instant::now()) {
                // The supervisor's loop may have ended.
                let _: Result<(), _> = findings.send(finding).await;
            }
            tokio::select! {
                ended = workers_of.next() => {
                    deaths::report(&ended, stats, &findings).await;
                    self.pace.sampled();
                    continue;
                }
                () = self.pace.pause(began, next) => {}
                () = queue.until_busy(), if next == Due::Idle => {
                    next = Due::Usual;
                    continue;
                }
            }
            for wish in wishes::take(&self.folder) {
                // The supervisor's loop may have ended.
                let _: Result<(), _> = findings.send(WatchdogFinding::Wish(wish)).await;
            }
            began = Instant::now();
            // No answer is an observation as well: a uWSGI that hangs gives none.
            let workers = stats::read(stats).await.ok();
            self.sampled.set(Some(began));
            self.pace.sampled();
            let latest = stats.latest();
            if let (Some(limit), Some(_)) = (self.kill_after, &workers) {
                for finding in overdue.poll(&latest, limit) {
                    // The supervisor's loop may have ended.
                    let _: Result<(), _> = findings.send(finding).await;
                }
            }
            if workers.is_some() {
                requests = describe(&latest);
            }
            let waiting = queue.status().map(|queue| queue.waiting);
            let known = latest.workers();
            let not_serving = worker::none_serves(known).map(|_| POLL_INTERVAL_NOT_SERVING);
            let is_idle = queue.is_quiet() && known.iter().all(Worker::is_idle);
            next = match overdue.next_poll().or(not_serving) {
                Some(soon) => Due::Within(soon),
                None if is_idle => Due::Idle,
                None => Due::Usual,
            };
            let observed = Observation {
                workers,
                dead: !known.is_empty() && known.iter().all(is_dead),
                waiting,
                refused: queue.refused(),
            };
            let Some(idle) = progress.check(&observed, started.elapsed()) else {
                continue;
            };
            // From now on again: it may stay hung, and is reported again then.
            progress.reset(started.elapsed());
            if !protocol::worker_accepts(&self.socket, PING_TIMEOUT).await {
                // The supervisor's loop may have ended.
                let _: Result<(), _> = findings
                    .send(WatchdogFinding::Hung {
                        idle,
                        requests: requests.clone(),
                    })
                    .await;
            }
        }
    }
}

fn is_dead(worker: &Worker) -> bool {
    worker.existence == Existence::Dead
}

/// Finds overdue requests and reports each once.
#[derive(Debug, Default)]
struct Overdue {
    /// Processes that were reported already. A killed worker keeps its request in the statistics until uWSGI's master
    /// has reaped it.
    reported: Vec<i32>,
    polls_after_kill: u32,
}

impl Overdue {
    /// How soon the next poll is due, if earlier than usual.
    fn next_poll(&mut self) -> Option<Duration> {
        self.polls_after_kill = self.polls_after_kill.checked_sub(1)?;
        Some(POLL_INTERVAL_AFTER_KILL)
    }

    fn poll(&mut self, latest: &Reading, limit: Duration) -> Vec<WatchdogFinding> {
        self.reported
            .retain(|pid| latest.workers().iter().any(|worker| worker.pid == *pid));
        let mut findings = overdue(latest.workers(), limit, |worker| latest.oldest(worker));
        findings.retain(|(worker, _)| !self.reported.contains(&worker.pid));
        if !findings.is_empty() {
            self.polls_after_kill = POLLS_AFTER_KILL;
        }
        self.reported
            .extend(findings.iter().map(|(worker, _)| worker.pid));
        findings.into_iter().map(|(_, finding)| finding).collect()
    }
}

/// Workers with a request older than the limit. uWSGI reports the start in whole seconds, rounded down, so a request
/// seems up to a second older than it is.
fn overdue<'a>(
    workers: &'a [Worker],
    limit: Duration,
    oldest: impl Fn(&'a Worker) -> Option<(&'a InFlight, Duration)>,
) -> Vec<(&'a Worker, WatchdogFinding)> {
    workers
        .iter()
        .filter_map(|worker| {
            let (request, age) = oldest(worker)?;
            let finding = WatchdogFinding::Overdue {
                worker: worker.id,
                pid: Pid::from_raw(worker.pid),
                request: request.status(age.as_secs()),
            };
            (age >= limit).then_some((worker, finding))
        })
        .collect()
}

/// The oldest in-flight requests as text for operators; none when there is none.
fn describe(latest: &Reading) -> Option<String> {
    let statuses = latest.statuses();
    describe_oldest(statuses.iter().flat_map(|worker| &worker.serving))
}

#[cfg(test)]
mod tests {
    use super::super::ages::Ages;
    use super::*;

    #[test]
    fn only_overdue_requests_are_found() {
        let request = |started| InFlight {
            id: "r".into(),
            method: "GET".into(),
            path: "/".into(),
            websocket: false,
            started,
            entered: None,
        };
        let worker = |pid, in_flight| Worker {
            id: 1,
            pid,
            accepting: true,
            requests: 0,
            in_flight,
            existence: Existence::Alive,
            usage: None,
        };
        let workers = [
            worker(7, vec![request(1000)]),
            worker(8, vec![request(1004), request(1009)]),
            worker(9, vec![]),
        ];
        let second = Duration::from_secs;
        let mut ages = Ages::default();
        ages.update(&workers[..1], second(1), second(1000));
        ages.update(&workers, second(5), second(1004));
        // The wall clock is set forward by an hour, which makes no request older.
        ages.update(&workers, second(7), second(4606));
        assert!(overdue(&workers, second(7), |worker| ages.oldest(worker)).is_empty());
        ages.update(&workers, second(8), second(4607));
        let found = overdue(&workers, second(7), |worker| ages.oldest(worker));
        assert!(
            matches!(found.as_slice(), [(_, WatchdogFinding::Overdue { pid, request, .. })] if pid.as_raw() == 7 && request.seconds == 7),
            "{found:?}"
        );
    }
}
