//! Saturation or death: does an application that has requests waiting get on?
//!
//! Every slot busy and a queue is saturation: with a request timeout each slot becomes free in time, and that is
//! progress. Death is when requests wait and nothing is finished and nothing is begun for longer than any request may
//! take.
//!
//! What nginx has and no worker serves may also be a body that is still being received, so what is found here is a
//! suspicion; whoever acts on it asks a worker first.

use std::time::Duration;

use super::worker::Worker;

/// Death is not declared before this time, however short the request timeout: a machine under siege, or a stopped
/// process (SIGSTOP, a debugger), comes back.
const LEAST: Duration = Duration::from_secs(20);
/// Beyond the request timeout.
const MARGIN: Duration = Duration::from_secs(10);

/// What was seen at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// The workers; none when uWSGI did not answer.
    pub(super) workers: Option<Vec<Worker>>,
    /// Requests at nginx whose answer is awaited; none when nginx did not answer.
    pub(super) waiting: Option<u64>,
}

/// Watches over progress.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    request_timeout: Option<Duration>,
    last: Option<Vec<(i32, u64, Vec<String>)>>,
    since: Option<Duration>,
}

impl Progress {
    /// For an application whose requests may take so long.
    pub(super) fn new(request_timeout: Option<Duration>) -> Self {
        Self {
            request_timeout,
            last: None,
            since: None,
        }
    }

    /// Begins anew: something else has shown that the application is alive.
    pub(super) fn alive(&mut self, now: Duration) {
        self.since = Some(now);
    }

    /// Takes what was seen at a time; gives how long nothing has moved when that is too long.
    pub(super) fn see(&mut self, seen: &Seen, now: Duration) -> Option<Duration> {
        let current = seen.workers.as_ref().map(|workers| {
            let ids = |worker: &Worker| {
                worker
                    .in_flight
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
        let idle = seen.waiting.unwrap_or(0) == 0;
        // Requests without a limit may keep every slot for ever; that is busy, not dead.
        let busy = self.request_timeout.is_none()
            && seen
                .workers
                .as_ref()
                .is_some_and(|workers| workers.iter().any(|worker| !worker.in_flight.is_empty()));
        if current.is_some() {
            self.last = current;
        }
        if moved || idle || busy {
            self.since = Some(now);
            return None;
        }
        let still = now.saturating_sub(*self.since.get_or_insert(now));
        let limit = self
            .request_timeout
            .map_or(LEAST, |timeout| (timeout + MARGIN).max(LEAST));
        (still >= limit).then_some(still)
    }
}

#[cfg(test)]
mod tests {
    use super::super::worker::InFlight;
    use super::*;

    fn worker(requests: u64, current: &[&str]) -> Worker {
        let request = |id: &&str| InFlight {
            id: (*id).to_owned(),
            method: String::new(),
            path: String::new(),
            started: 0,
        };
        Worker {
            id: 1,
            pid: 7,
            accepting: true,
            requests,
            in_flight: current.iter().map(request).collect(),
        }
    }

    fn seen(requests: u64, current: &[&str], waiting: u64) -> Seen {
        Seen {
            workers: Some(vec![worker(requests, current)]),
            waiting: Some(waiting),
        }
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_busy_application_is_alive() {
        let mut progress = Progress::new(Some(seconds(60)));
        for n in 0..100u64 {
            let id = n.to_string();
            assert_eq!(
                progress.see(&seen(n, &[id.as_str()], 500), seconds(n * 60)),
                None
            );
        }
    }

    #[test]
    fn nothing_waits_nothing_is_wrong() {
        let mut progress = Progress::new(Some(seconds(1)));
        for n in 0..100 {
            assert_eq!(progress.see(&seen(3, &[], 0), seconds(n)), None);
        }
    }

    #[test]
    fn requests_that_wait_for_nobody_are_death() {
        let mut progress = Progress::new(Some(seconds(60)));
        assert_eq!(progress.see(&seen(3, &["a"], 4), seconds(0)), None);
        assert_eq!(progress.see(&seen(3, &["a"], 4), seconds(69)), None);
        assert_eq!(
            progress.see(&seen(3, &["a"], 4), seconds(70)),
            Some(seconds(70))
        );
    }

    #[test]
    fn a_uwsgi_that_does_not_answer_has_twenty_seconds_at_least() {
        let mut progress = Progress::new(Some(seconds(1)));
        let silent = Seen {
            workers: None,
            waiting: Some(1),
        };
        assert_eq!(progress.see(&silent, seconds(0)), None);
        assert_eq!(progress.see(&silent, seconds(19)), None);
        assert_eq!(progress.see(&silent, seconds(20)), Some(seconds(20)));
    }

    #[test]
    fn without_a_limit_only_idle_workers_are_suspect() {
        let mut progress = Progress::new(None);
        progress.see(&seen(3, &["a"], 4), seconds(0));
        assert_eq!(progress.see(&seen(3, &["a"], 4), seconds(9999)), None);
        assert_eq!(progress.see(&seen(3, &[], 4), seconds(10_000)), None);
        assert_eq!(
            progress.see(&seen(3, &[], 4), seconds(10_020)),
            Some(seconds(20))
        );
    }
}
