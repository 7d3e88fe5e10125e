//! What uWSGI has told last about its workers, and what follows from the answers before: ages and shares of CPU time.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::ages::Ages;
use super::stats_json::Statistics;
use super::worker::{InFlight, Usage, Worker};
use crate::status::{ProcessFigures, RequestStatus, WorkerStatus};
use crate::sys::process_stat;

/// The last answer.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// Times are counted from here.
    origin: Instant,
    /// When it came.
    at: Duration,
    pub(super) statistics: Statistics,
    ages: Ages,
    /// The share of a CPU of each process between the two last answers.
    shares: HashMap<i32, f64>,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            at: Duration::ZERO,
            statistics: Statistics::default(),
            ages: Ages::default(),
            shares: HashMap::new(),
        }
    }
}

impl Reading {
    /// Takes the next answer.
    pub(crate) fn update(&mut self, statistics: Statistics) {
        let now = self.origin.elapsed();
        // A clock before 1970 makes no request older: ages come from the other clock.
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        self.ages.update(&statistics.workers, now, wall);
        self.shares = shares(
            &self.statistics.workers,
            &statistics.workers,
            now.saturating_sub(self.at),
        );
        self.at = now;
        self.statistics = statistics;
    }

    pub(super) fn workers(&self) -> &[Worker] {
        &self.statistics.workers
    }

    /// The oldest request of a worker that has a deadline, with its age at the answer.
    pub(super) fn oldest<'a>(&self, worker: &'a Worker) -> Option<(&'a InFlight, Duration)> {
        self.ages.oldest(worker)
    }

    /// The workers in a status report of this moment.
    pub(crate) fn statuses(&self) -> Vec<WorkerStatus> {
        let boot = process_stat::since_boot();
        let status = |worker: &Worker| {
            let requests = worker.serving().iter();
            worker.status(
                requests
                    .map(|request| self.request(worker, request))
                    .collect(),
                self.figures(worker, boot),
            )
        };
        self.workers().iter().map(status).collect()
    }

    /// The requests that were in a process, also in a dead one; none when it is not known.
    pub(super) fn requests_of(&self, pid: i32) -> Option<Vec<RequestStatus>> {
        let worker = self.workers().iter().find(|worker| worker.pid == pid)?;
        let requests = worker.in_flight.iter();
        Some(
            requests
                .map(|request| self.request(worker, request))
                .collect(),
        )
    }

    fn request(&self, worker: &Worker, request: &InFlight) -> RequestStatus {
        let since_answer = self.origin.elapsed().saturating_sub(self.at);
        let age = self.ages.age(worker, request).unwrap_or_default() + since_answer;
        request.status(age.as_secs())
    }

    fn figures(&self, worker: &Worker, boot: Option<Duration>) -> ProcessFigures {
        let Some(usage) = worker.usage else {
            return ProcessFigures::default();
        };
        ProcessFigures {
            age_seconds: boot.map(|boot| boot.saturating_sub(usage.started).as_secs_f64()),
            cpu_seconds: Some(usage.cpu.as_secs_f64()),
            cpu_share: self.shares.get(&worker.pid).copied(),
            threads: Some(usage.threads),
            rss_bytes: Some(usage.rss),
            ..ProcessFigures::default()
        }
    }
}

/// What the processes that are in both answers have used in between.
fn shares(before: &[Worker], after: &[Worker], between: Duration) -> HashMap<i32, f64> {
    if between.is_zero() {
        return HashMap::new();
    }
    let used = |worker: &Worker| {
        let is_same = |other: &Usage| {
            worker
                .usage
                .is_some_and(|usage| usage.started == other.started)
        };
        let earlier = before.iter().find(|other| other.pid == worker.pid)?;
        let earlier = earlier.usage.filter(is_same)?;
        let used = worker.usage?.cpu.saturating_sub(earlier.cpu);
        Some((worker.pid, used.as_secs_f64() / between.as_secs_f64()))
    };
    after.iter().filter_map(used).collect()
}

#[cfg(test)]
mod tests {
    use super::super::worker::Existence;
    use super::*;

    fn worker(pid: i32, cpu: u64, started: u64) -> Worker {
        Worker {
            id: 1,
            pid,
            accepting: true,
            requests: 0,
            in_flight: Vec::new(),
            existence: Existence::Alive,
            usage: Some(Usage {
                cpu: Duration::from_secs(cpu),
                threads: 1,
                rss: 0,
                started: Duration::from_secs(started),
            }),
        }
    }

    #[test]
    fn the_share_of_a_cpu_is_that_of_one_process() {
        let before = [worker(7, 10, 1), worker(8, 10, 1)];
        // The number 8 is another process by now, and 9 is new.
        let after = [worker(7, 11, 1), worker(8, 1, 2), worker(9, 5, 2)];
        let shares = shares(&before, &after, Duration::from_secs(2));
        assert_eq!(shares, [(7, 0.5)].into());
    }

    #[test]
    fn requests_grow_older_between_two_answers() {
        let mut reading = Reading::default();
        let request = InFlight {
            id: "r".into(),
            method: "GET".into(),
            path: "/".into(),
            websocket: false,
            started: 0,
            entered: None,
        };
        let mut busy = worker(7, 0, 0);
        busy.in_flight.push(request);
        reading.origin = Instant::now()
            .checked_sub(Duration::from_secs(100))
            .unwrap();
        let statistics = Statistics {
            master: 1,
            workers: vec![busy],
        };
        reading.update(statistics);
        // As if it had come 40 s ago.
        reading.at -= Duration::from_secs(40);
        let requests = reading.requests_of(7).unwrap();
        assert_eq!(requests[0].seconds, 140);
        assert_eq!(reading.statuses()[0].serving, requests);
        assert_eq!(reading.requests_of(8), None);
    }
}
