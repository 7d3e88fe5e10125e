//! Saturated or hung: does an application with waiting requests make progress?
//!
//! When every slot is busy and requests queue up, the application is saturated: with a request timeout each slot
//! becomes free in time, and that is progress. It is hung when requests wait, and none is finished and none is started
//! for longer than any request may take.
//!
//! It is hung as well when all of its processes are dead and nobody replaces them, whether requests wait or not: who is not
//! ready gets none.
//!
//! On an overloaded machine a worker may just not have got its turn. So this is only a suspicion; the watchdog pings a
//! worker before it acts on it.

use std::time::Duration;

use super::worker::Worker;

/// An application does not count as hung before this time without progress, however short the request timeout: on an
/// overloaded machine, or when its process is stopped for a while (SIGSTOP, a debugger), it recovers by itself.
const MIN_IDLE: Duration = Duration::from_secs(20);
/// Added to the request timeout before an application counts as hung.
const MARGIN: Duration = Duration::from_secs(10);

/// The result of one poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Observation {
    /// The workers; none when uWSGI did not answer.
    pub(super) workers: Option<Vec<Worker>>,
    /// Whether every process of the application is dead.
    pub(super) dead: bool,
    /// Requests that wait for a slot; none when the system does not tell.
    pub(super) waiting: Option<u32>,
    /// Requests that have been taken out of the queue since the start, because no slot took them.
    pub(super) refused: u64,
}

/// Compares each poll with the last, to detect that nothing moves.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    request_timeout: Option<Duration>,
    last: Option<Vec<(i32, u64, Vec<String>)>>,
    /// When progress was seen last.
    last_moved: Option<Duration>,
    refused: u64,
    /// Whether requests have been refused since then: that none waits is no progress then.
    starving: bool,
}

impl Progress {
    /// `request_timeout`: how long a request may take; none: without limit.
    pub(super) fn new(request_timeout: Option<Duration>) -> Self {
        Self {
            request_timeout,
            last: None,
            last_moved: None,
            refused: 0,
            starving: false,
        }
    }

    /// Counts from now on again.
    pub(super) fn reset(&mut self, now: Duration) {
        self.last_moved = Some(now);
        self.starving = false;
    }

    /// Takes the result of a poll. Returns how long nothing has moved, if that is so long that the application seems
    /// hung.
    pub(super) fn check(&mut self, observed: &Observation, now: Duration) -> Option<Duration> {
        let current = observed.workers.as_ref().map(|workers| {
            let ids = |worker: &Worker| {
                worker
                    .serving()
                    .iter()
                    .map(|request| request.id.clone())
                    .collect()
            };
            workers
                .iter()
                .map(|worker| (worker.pid, worker.requests, ids(worker)))
                .collect()
        });
        let moved = current.is_some() && current != self.last;
        let nothing_waits = observed.waiting.unwrap_or(0) == 0;
        // What has no time limit may keep every slot for ever: the application is busy, not hung.
        let mut in_flight = observed
            .workers
            .iter()
            .flatten()
            .flat_map(Worker::serving)
            .peekable();
        let busy = in_flight.peek().is_some()
            && (self.request_timeout.is_none() || in_flight.all(|request| request.websocket));
        if current.is_some() {
            self.last = current;
        }
        let refused = observed.refused > std::mem::replace(&mut self.refused, observed.refused);
        self.starving = !moved && (self.starving || refused);
        if moved || busy || (nothing_waits && !self.starving && !observed.dead) {
            self.last_moved = Some(now);
            return None;
        }
        let idle = now.saturating_sub(*self.last_moved.get_or_insert(now));
        let limit = self
            .request_timeout
            .filter(|_| !observed.dead)
            .map_or(MIN_IDLE, |timeout| (timeout + MARGIN).max(MIN_IDLE));
        (idle >= limit).then_some(idle)
    }
}

#[cfg(test)]
mod tests {
    use super::super::worker::{Existence, InFlight};
    use super::*;

    fn worker(requests: u64, current: &[&str]) -> Worker {
        let request = |id: &&str| InFlight {
            id: (*id).to_owned(),
            method: String::new(),
            path: String::new(),
            websocket: false,
            started: 0,
            entered: None,
        };
        Worker {
            id: 1,
            pid: 7,
            accepting: true,
            requests,
            in_flight: current.iter().map(request).collect(),
            existence: Existence::Alive,
            usage: None,
        }
    }

    fn observed(requests: u64, current: &[&str], waiting: u32) -> Observation {
        Observation {
            workers: Some(vec![worker(requests, current)]),
            dead: false,
            waiting: Some(waiting),
            refused: 0,
        }
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_saturated_application_makes_progress() {
        let mut progress = Progress::new(Some(seconds(60)));
        for n in 0..100u64 {
            let id = n.to_string();
            assert_eq!(
                progress.check(&observed(n, &[id.as_str()], 500), seconds(n * 60)),
                None
            );
        }
    }

    #[test]
    fn an_application_without_waiting_requests_is_not_hung() {
        let mut progress = Progress::new(Some(seconds(1)));
        for n in 0..100 {
            assert_eq!(progress.check(&observed(3, &[], 0), seconds(n)), None);
        }
    }

    #[test]
    fn waiting_requests_without_progress_mean_hung() {
        let mut progress = Progress::new(Some(seconds(60)));
        assert_eq!(progress.check(&observed(3, &["a"], 4), seconds(0)), None);
        assert_eq!(progress.check(&observed(3, &["a"], 4), seconds(69)), None);
        assert_eq!(
            progress.check(&observed(3, &["a"], 4), seconds(70)),
            Some(seconds(70))
        );
    }

    #[test]
    fn slots_that_websockets_hold_are_busy() {
        let mut progress = Progress::new(Some(seconds(1)));
        let mut sockets = observed(3, &["a"], 4);
        if let Some(worker) = sockets.workers.iter_mut().flatten().next() {
            worker.in_flight[0].websocket = true;
        }
        for second in 0..100 {
            assert_eq!(progress.check(&sockets, seconds(second)), None);
        }
    }

    #[test]
    fn who_is_refused_instead_of_waiting_shows_a_hung_application_too() {
        let mut progress = Progress::new(Some(seconds(1)));
        let refused = |requests, refused| Observation {
            refused,
            ..observed(requests, &[], 0)
        };
        assert_eq!(progress.check(&refused(3, 0), seconds(0)), None);
        // One is refused, and then nobody comes for a while.
        assert_eq!(progress.check(&refused(3, 1), seconds(1)), None);
        assert_eq!(progress.check(&refused(3, 1), seconds(19)), None);
        assert_eq!(
            progress.check(&refused(3, 1), seconds(20)),
            Some(seconds(20))
        );
        // A request is finished.
        assert_eq!(progress.check(&refused(4, 2), seconds(21)), None);
        assert_eq!(progress.check(&refused(4, 2), seconds(99)), None);
    }

    #[test]
    fn a_uwsgi_that_does_not_answer_has_twenty_seconds_at_least() {
        let mut progress = Progress::new(Some(seconds(1)));
        let silent = Observation {
            workers: None,
            dead: false,
            waiting: Some(1),
            refused: 0,
        };
        assert_eq!(progress.check(&silent, seconds(0)), None);
        assert_eq!(progress.check(&silent, seconds(19)), None);
        assert_eq!(progress.check(&silent, seconds(20)), Some(seconds(20)));
    }

    #[test]
    fn an_application_whose_processes_stay_dead_is_hung() {
        let mut progress = Progress::new(Some(seconds(60)));
        let mut dead = observed(3, &["a"], 0);
        assert_eq!(progress.check(&dead, seconds(0)), None);
        dead.dead = true;
        if let Some(worker) = dead.workers.iter_mut().flatten().next() {
            worker.existence = Existence::Dead;
        }
        // Its request has ended with it.
        assert_eq!(progress.check(&dead, seconds(1)), None);
        assert_eq!(progress.check(&dead, seconds(20)), None);
        assert_eq!(progress.check(&dead, seconds(21)), Some(seconds(20)));
    }

    #[test]
    fn without_a_request_timeout_only_idle_workers_are_suspect() {
        let mut progress = Progress::new(None);
        progress.check(&observed(3, &["a"], 4), seconds(0));
        assert_eq!(progress.check(&observed(3, &["a"], 4), seconds(9999)), None);
        assert_eq!(progress.check(&observed(3, &[], 4), seconds(10_000)), None);
        assert_eq!(
            progress.check(&observed(3, &[], 4), seconds(10_020)),
            Some(seconds(20))
        );
    }
}
