//! Parallel clients that ask a service for `/check?number=N`, each time with another N, and keep who has answered it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::connection::Connection;
use crate::http::{Request, TIMEOUT, Target};
use crate::load::parallel;
use crate::wait::{pass_time, until};

/// Four clients for four slots.
const CLIENTS: usize = 4;

/// Between two requests of a client while something else happens: the load shall not take all CPU time.
const PAUSE: Duration = Duration::from_millis(5);

/// A request that was answered 200.
pub(super) struct Answer {
    pub(super) number: u64,
    pub(super) body: Value,
}

impl Answer {
    /// The process that has answered.
    pub(super) fn worker(&self) -> i64 {
        self.body["worker"].as_i64().unwrap()
    }
}

/// All requests to one service.
pub(super) struct Traffic {
    target: Target,
    next: AtomicU64,
    answered: AtomicUsize,
    pub(super) answers: Vec<Answer>,
}

impl Traffic {
    pub(super) fn to(target: impl Into<Target>) -> Self {
        Self {
            target: target.into(),
            next: AtomicU64::new(1),
            answered: AtomicUsize::new(0),
            answers: Vec::new(),
        }
    }

    /// Sends so many requests, as fast as they are answered.
    pub(super) fn send(&mut self, count: usize) {
        let answers = parallel(CLIENTS, |_| {
            self.client(|sent| sent < count / CLIENTS, Duration::ZERO)
        });
        self.answers.extend(answers.into_iter().flatten());
    }

    /// Sends requests while something happens, and some before and after it.
    pub(super) fn send_during(&mut self, what: impl FnOnce()) {
        let stop = AtomicBool::new(false);
        let answers = thread::scope(|scope| {
            let clients = scope.spawn(|| {
                parallel(CLIENTS, |_| {
                    self.client(|_| !stop.load(Ordering::Relaxed), PAUSE)
                })
            });
            // The clients must end when this fails, or the scope would never be left.
            let end = EndOf(&stop);
            self.wait_for_more(20);
            what();
            self.wait_for_more(40);
            drop(end);
            clients.join().unwrap()
        });
        self.answers.extend(answers.into_iter().flatten());
    }

    fn wait_for_more(&self, count: usize) {
        let goal = self.answered.load(Ordering::Relaxed) + count;
        until(TIMEOUT, "the requests are answered", || {
            (self.answered.load(Ordering::Relaxed) >= goal).then_some(())
        });
    }

    /// One client on a connection that it keeps. A request that fails ends the test: all of them are idempotent.
    fn client(&self, goes_on: impl Fn(usize) -> bool, pause: Duration) -> Vec<Answer> {
        let mut kept: Option<Connection> = None;
        let mut answers = Vec::new();
        while goes_on(answers.len()) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let mut connection = kept
                .take()
                .filter(Connection::is_reusable)
                .unwrap_or_else(|| Connection::open(&self.target, TIMEOUT).unwrap());
            let response = connection
                .send(&Request::get(format!("/check?number={number}")))
                .unwrap_or_else(|failure| panic!("request {number}: {failure}"));
            let status = response.status;
            assert_eq!(status, 200, "request {number}: {}", response.text());
            answers.push(Answer {
                number,
                body: response.json(),
            });
            self.answered.fetch_add(1, Ordering::Relaxed);
            if !response.closes() {
                kept = Some(connection);
            }
            pass_time(pause);
        }
        answers
    }

    /// The numbers that were answered by others than this worker.
    pub(super) fn numbers_beside(&self, worker: i64) -> BTreeSet<u64> {
        let others = self
            .answers
            .iter()
            .filter(|answer| answer.worker() != worker);
        others.map(|answer| answer.number).collect()
    }
}

/// Sets a flag at the end of a scope, also of one that a panic ends.
struct EndOf<'a>(&'a AtomicBool);

impl Drop for EndOf<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
