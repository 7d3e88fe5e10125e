//! The requests since the start, as they pass through the log. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::spread::Buckets;
use super::window::{self, Figures, Window};
use crate::logs::observed::{METHODS, RequestFacts};
use crate::status::{TrafficStatus, WindowStatus};

/// Seconds whose requests are told one by one.
const SECONDS: usize = 60;

/// All that is counted of requests.
#[derive(Debug)]
pub(super) struct Traffic {
    requests: u64,
    /// By place in [`METHODS`] and status.
    answers: BTreeMap<(u8, u16), u64>,
    replayed: u64,
    cut: u64,
    last_minute: Window,
    last_5_minutes: Window,
    since_start: Figures,
    /// The same as it was told last.
    told: WindowStatus,
    duration: Buckets,
    queue: Buckets,
    app: Buckets,
    /// The number of a second since the start, and its requests.
    per_second: VecDeque<(u64, u32)>,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            requests: 0,
            answers: BTreeMap::new(),
            replayed: 0,
            cut: 0,
            last_minute: Window::new(Duration::from_secs(5), 12),
            last_5_minutes: Window::new(Duration::from_secs(30), 10),
            since_start: Figures::default(),
            told: WindowStatus::default(),
            duration: Buckets::default(),
            queue: Buckets::default(),
            app: Buckets::default(),
            per_second: VecDeque::new(),
        }
    }
}

impl Traffic {
    /// Counts requests that were answered at `now`, since the start.
    pub(super) fn record(&mut self, requests: &[RequestFacts], now: Duration) {
        for request in requests {
            *self
                .answers
                .entry((request.method, request.status))
                .or_default() += 1;
            self.replayed += u64::from(request.replayed);
            self.last_minute.record(request, now);
            self.last_5_minutes.record(request, now);
            self.since_start.record(request);
            self.duration.record(request.duration);
            if let Some(queue) = request.queue {
                self.queue.record(queue);
            }
            if let Some(app) = request.app {
                self.app.record(app);
            }
        }
        self.requests += requests.len() as u64;
        self.count_second(requests.len(), now.as_secs());
    }

    /// Counts responses that ended before they were complete.
    pub(super) fn cut(&mut self, responses: u64) {
        self.cut += responses;
    }

    /// What is known at `now`, without the timeouts: the log of the application tells of them.
    pub(super) fn status(&mut self, now: Duration) -> TrafficStatus {
        if self.told.requests != self.since_start.requests() {
            self.told = self.since_start.status(now);
        }
        let answer = |((method, status), count): (&(u8, u16), &u64)| {
            let method = METHODS[usize::from(*method)];
            (format!("{method} {status:03}"), *count)
        };
        TrafficStatus {
            requests: self.requests,
            answers: self.answers.iter().map(answer).collect(),
            timeouts: 0,
            replayed: self.replayed,
            cut: self.cut,
            last_minute: self.last_minute.status(now),
            last_5_minutes: self.last_5_minutes.status(now),
            since_start: window::over(self.told, now),
            duration: self.duration.status(),
            queue: self.queue.status(),
            app: self.app.status(),
            per_second: self.seconds(now.as_secs()),
        }
    }

    fn count_second(&mut self, requests: usize, second: u64) {
        let requests = u32::try_from(requests).unwrap_or(u32::MAX);
        match self.per_second.back_mut() {
            Some((last, count)) if *last == second => *count = count.saturating_add(requests),
            _ => {
                if self.per_second.len() > SECONDS {
                    self.per_second.pop_front();
                }
                self.per_second.push_back((second, requests));
            }
        }
    }

    /// The last seconds that are over, before second `now`.
    fn seconds(&self, now: u64) -> Vec<u32> {
        let first = now.saturating_sub(SECONDS as u64);
        let of = |second| {
            let known = self.per_second.iter().find(|(number, _)| *number == second);
            known.map_or(0, |(_, count)| *count)
        };
        (first..now).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_counted_once() {
        let request = |method, status, replayed| RequestFacts {
            method,
            status,
            duration: 7,
            queue: Some(2),
            app: Some(5),
            replayed,
        };
        let mut traffic = Traffic::default();
        let second = Duration::from_secs;
        traffic.record(&[request(0, 200, false), request(7, 0, false)], second(1));
        traffic.record(&[request(0, 200, true)], second(3));
        traffic.cut(2);
        let status = traffic.status(second(4));
        assert_eq!(status.requests, 3);
        let answers: Vec<_> = status
            .answers
            .iter()
            .map(|(name, count)| (name.as_str(), *count))
            .collect();
        assert_eq!(answers, [("GET 200", 2), ("other 000", 1)]);
        assert_eq!((status.replayed, status.cut), (1, 2));
        for histogram in [&status.duration, &status.queue, &status.app] {
            assert_eq!(histogram.count, 3);
        }
        for window in [
            status.last_minute,
            status.last_5_minutes,
            status.since_start,
        ] {
            assert_eq!((window.requests, window.client_errors), (3, 1));
        }
        assert_eq!(status.per_second, [0, 2, 0, 1]);
        assert_eq!(traffic.status(second(100)).per_second, [0; 60]);
    }
}
