//! How old requests are, whatever happens to the wall clock.
//!
//! uWSGI tells when a request has started by the wall clock, which NTP and people set: a step forward would make every
//! request overdue, a step back none. So the age is counted by a clock that nobody sets, from the look that showed the
//! request first. For the time before that the wall clock is asked, but it is believed for no more than the time since
//! the look before, which did not show the request.

use std::collections::HashMap;
use std::time::Duration;

use super::worker::{InFlight, Worker};

/// Remembers when requests were seen first. Times are since any fixed moment, by a clock that nobody sets.
#[derive(Clone, Debug, Default)]
pub(super) struct Ages {
    look: Duration,
    began: HashMap<Key, Duration>,
}

/// Process, id, start. An id alone is the client's choice, and may come again.
type Key = (i32, String, u64);

impl Ages {
    /// Takes what a look shows. `wall` is the wall clock, since 1970.
    pub(super) fn see(&mut self, workers: &[Worker], now: Duration, wall: Duration) {
        let pause = now.saturating_sub(self.look);
        let began = |key: Key| {
            let before = Duration::from_secs(wall.as_secs().saturating_sub(key.2)).min(pause);
            let began = self.began.get(&key).copied();
            (key, began.unwrap_or(now.saturating_sub(before)))
        };
        self.began = keys(workers).map(began).collect();
        self.look = now;
    }

    /// The oldest request of a worker, as the last look showed it, with its age.
    pub(super) fn oldest<'a>(&self, worker: &'a Worker) -> Option<(&'a InFlight, Duration)> {
        let age = |request| {
            let began = self.began.get(&key(worker, request))?;
            Some((request, self.look.saturating_sub(*began)))
        };
        let ages = worker.in_flight.iter().filter_map(age);
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
    use super::*;

    fn worker(pid: i32, in_flight: &[(&str, u64)]) -> Worker {
        let request = |(id, started): &(&str, u64)| InFlight {
            id: (*id).to_owned(),
            method: String::new(),
            path: String::new(),
            started: *started,
        };
        Worker {
            id: 1,
            pid,
            accepting: true,
            requests: 0,
            in_flight: in_flight.iter().map(request).collect(),
        }
    }

    /// Looks at one worker once a second from 0 on, each look with the wall clock and what it shows; the oldest request of the
    /// last one, and its age in seconds.
    fn oldest(looks: &[(u64, Worker)]) -> Option<(String, u64)> {
        let mut ages = Ages::default();
        for (n, (wall, worker)) in (1..).zip(looks) {
            let worker = std::slice::from_ref(worker);
            ages.see(worker, Duration::from_secs(n), Duration::from_secs(*wall));
        }
        let (request, age) = ages.oldest(&looks.last()?.1)?;
        Some((request.id.clone(), age.as_secs()))
    }

    /// The same request on every look.
    fn one(walls: &[u64]) -> u64 {
        let looks: Vec<_> = walls
            .iter()
            .map(|wall| (*wall, worker(7, &[("a", 1000)])))
            .collect();
        oldest(&looks).unwrap().1
    }

    #[test]
    fn without_a_step_the_age_is_the_clock_s() {
        assert_eq!(one(&[1000]), 0);
        assert_eq!(one(&[1001, 1002, 1003]), 3);
        assert_eq!(one(&[1000, 1001, 1002, 1003]), 3);
    }

    #[test]
    fn a_step_of_the_clock_makes_no_request_older_or_younger() {
        assert_eq!(one(&[1000, 4600, 4601]), 2);
        assert_eq!(one(&[1001, 1002, 10, 11]), 4);
        // A step before the first look counts for no more than the pause before it.
        assert_eq!(one(&[4600]), 1);
        assert_eq!(one(&[10, 11]), 1);
    }

    #[test]
    fn the_oldest_is_the_one_that_was_seen_first() {
        let looks = [
            (1000, worker(7, &[("a", 1000)])),
            // The clock has been set back: the younger one seems to be older.
            (502, worker(7, &[("b", 501), ("a", 1000)])),
        ];
        assert_eq!(oldest(&looks), Some(("a".to_owned(), 1)));
    }

    #[test]
    fn what_has_gone_is_forgotten_and_a_new_process_begins_anew() {
        let looks = [
            (1001, worker(7, &[("a", 1000)])),
            (1002, worker(7, &[])),
            (1003, worker(7, &[("a", 1003)])),
        ];
        assert_eq!(oldest(&looks), Some(("a".to_owned(), 0)));
        let looks = [
            (1001, worker(7, &[("a", 1000)])),
            (1002, worker(7, &[("a", 1000)])),
            (1003, worker(8, &[("a", 1000)])),
        ];
        assert_eq!(oldest(&looks), Some(("a".to_owned(), 1)));
        assert_eq!(oldest(&looks[..0]), None);
    }

    #[test]
    fn looks_that_failed_widen_the_pause() {
        let worker = [worker(7, &[("a", 1000)])];
        let mut ages = Ages::default();
        ages.see(&worker, Duration::from_secs(5), Duration::from_secs(1003));
        assert_eq!(ages.oldest(&worker[0]).unwrap().1, Duration::from_secs(3));
    }
}
