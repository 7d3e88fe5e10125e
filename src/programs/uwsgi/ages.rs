//! Ages of in-flight requests, immune to steps of the wall clock.
//!
//! uWSGI reports the start of a request by the wall clock, which NTP and operators set: a step forward would make every
//! request overdue, a step back none. Ages are therefore measured with a monotonic clock from the poll that showed the
//! request first. The time before that poll comes from the wall clock, but counts for no more than the time since the
//! previous poll, which did not show the request.

use std::collections::HashMap;
use std::time::Duration;

use super::worker::{InFlight, Worker};

/// When each in-flight request started. Times are monotonic, since any fixed moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Ages {
    last_poll: Duration,
    started: HashMap<Key, Duration>,
}

/// Process, request id, start by the wall clock. The id alone is not unique, because clients may choose it.
type Key = (i32, String, u64);

impl Ages {
    /// Updates the ages from one poll of the statistics. `wall` is the wall clock, since 1970.
    pub(super) fn update(&mut self, workers: &[Worker], now: Duration, wall: Duration) {
        let since_last_poll = now.saturating_sub(self.last_poll);
        let started = |key: Key| {
            let wall_age = Duration::from_secs(wall.as_secs().saturating_sub(key.2));
            let known = self.started.get(&key).copied();
            let estimate = now.saturating_sub(wall_age.min(since_last_poll));
            (key, known.unwrap_or(estimate))
        };
        self.started = keys(workers).map(started).collect();
        self.last_poll = now;
    }

    /// The age of a request at the last poll; none when that did not show it.
    pub(super) fn age(&self, worker: &Worker, request: &InFlight) -> Option<Duration> {
        let started = self.started.get(&key(worker, request))?;
        Some(self.last_poll.saturating_sub(*started))
    }

    /// The oldest request of a worker at the last poll that has a deadline, with its age.
    pub(super) fn oldest<'a>(&self, worker: &'a Worker) -> Option<(&'a InFlight, Duration)> {
        let with_deadline = worker.serving().iter().filter(|request| !request.websocket);
        let ages = with_deadline.filter_map(|request| Some((request, self.age(worker, request)?)));
        ages.max_by_key(|(_, age)| *age)
    }
}

fn keys(workers: &[Worker]) -> impl Iterator<Item = Key> {
    workers
        .iter()
        .flat_map(|worker| worker.in_flight.iter().map(|request| key(worker, request)))
}

fn key(worker: &Worker, request: &InFlight) -> Key {
    (worker.pid, request.id.clone(), request.started)
}

#[cfg(test)]
mod tests {
    use super::super::worker::Existence;
    use super::*;

    fn worker(pid: i32, in_flight: &[(&str, u64)]) -> Worker {
        let request = |(id, started): &(&str, u64)| InFlight {
            id: (*id).to_owned(),
            method: String::new(),
            path: String::new(),
            websocket: false,
            started: *started,
            entered: None,
        };
        Worker {
            id: 1,
            pid,
            accepting: true,
            requests: 0,
            in_flight: in_flight.iter().map(request).collect(),
            existence: Existence::Alive,
            usage: None,
        }
    }

    /// Polls one worker once a second, from second 1 on; each poll has the wall clock and the worker's statistics.
    /// Returns the oldest request at the last poll, and its age in seconds.
    fn oldest(polls: &[(u64, Worker)]) -> Option<(String, u64)> {
        let mut ages = Ages::default();
        for (n, (wall, worker)) in (1..).zip(polls) {
            let worker = std::slice::from_ref(worker);
            ages.update(worker, Duration::from_secs(n), Duration::from_secs(*wall));
        }
        let (request, age) = ages.oldest(&polls.last()?.1)?;
        Some((request.id.clone(), age.as_secs()))
    }

    /// The age of a request that every poll shows.
    fn one(walls: &[u64]) -> u64 {
        let polls: Vec<_> = walls
            .iter()
            .map(|wall| (*wall, worker(7, &[("a", 1000)])))
            .collect();
        oldest(&polls).unwrap().1
    }

    #[test]
    fn without_a_step_the_age_follows_the_wall_clock() {
        assert_eq!(one(&[1000]), 0);
        assert_eq!(one(&[1001, 1002, 1003]), 3);
        assert_eq!(one(&[1000, 1001, 1002, 1003]), 3);
    }

    #[test]
    fn a_step_of_the_clock_makes_no_request_older_or_younger() {
        assert_eq!(one(&[1000, 4600, 4601]), 2);
        assert_eq!(one(&[1001, 1002, 10, 11]), 4);
        // A step before the first poll counts for no more than the time since the poll before it.
        assert_eq!(one(&[4600]), 1);
        assert_eq!(one(&[10, 11]), 1);
    }

    #[test]
    fn the_oldest_is_the_one_that_was_seen_first() {
        let polls = [
            (1000, worker(7, &[("a", 1000)])),
            // After a step back the younger request seems to be older.
            (502, worker(7, &[("b", 501), ("a", 1000)])),
        ];
        assert_eq!(oldest(&polls), Some(("a".to_owned(), 1)));
    }

    #[test]
    fn finished_requests_are_forgotten_and_a_new_process_counts_anew() {
        let polls = [
            (1001, worker(7, &[("a", 1000)])),
            (1002, worker(7, &[])),
            (1003, worker(7, &[("a", 1003)])),
        ];
        assert_eq!(oldest(&polls), Some(("a".to_owned(), 0)));
        let polls = [
            (1001, worker(7, &[("a", 1000)])),
            (1002, worker(7, &[("a", 1000)])),
            (1003, worker(8, &[("a", 1000)])),
        ];
        assert_eq!(oldest(&polls), Some(("a".to_owned(), 1)));
        assert_eq!(oldest(&polls[..0]), None);
    }

    #[test]
    fn failed_polls_widen_the_interval() {
        let worker = [worker(7, &[("a", 1000)])];
        let mut ages = Ages::default();
        ages.update(&worker, Duration::from_secs(5), Duration::from_secs(1003));
        assert_eq!(ages.oldest(&worker[0]).unwrap().1, Duration::from_secs(3));
    }
}
