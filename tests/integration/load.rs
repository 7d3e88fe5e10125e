//! Parallel clients: one request each at the same time, or a continuous load until it is stopped.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::http::{Failure, Request, Response, Target};
use crate::wait::until;

/// Pause between two requests of a client, so that the load does not use all CPU time.
const PAUSE: Duration = Duration::from_millis(1);

/// Runs `work(0..n)` in `n` threads that start at the same time; returns the results by index.
pub(crate) fn parallel<T: Send>(n: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(n);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..n)
            .map(|i| {
                let (work, barrier) = (&work, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    work(i)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

/// Sends one request in a new thread.
pub(crate) fn background(
    target: impl Into<Target>,
    request: Request,
) -> JoinHandle<Result<Response, Failure>> {
    let target = target.into();
    thread::spawn(move || request.send(target))
}

/// Whether a client reuses its connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Clients {
    KeepAlive,
    Fresh,
}

/// The result of one request.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) started: Instant,
    pub(crate) took: Duration,
    /// None for the expected status, else the reason.
    pub(crate) failed: Option<String>,
}

/// Clients that repeat the same idempotent request until they are stopped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Vec<Sample>>>,
}

impl Load {
    pub(crate) fn start(
        target: impl Into<Target>,
        clients: usize,
        kind: Clients,
        request: &Request,
    ) -> Self {
        let target = target.into();
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicUsize::new(0));
        let threads = (0..clients)
            .map(|_| {
                let client = Client {
                    target: target.clone(),
                    kind,
                    request: request.clone(),
                    connection: None,
                };
                let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
                thread::spawn(move || client.run(&stop, &answered))
            })
            .collect();
        Self {
            stop,
            answered,
            threads,
        }
    }

    /// Requests that have been answered or have failed so far.
    pub(crate) fn count(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Waits until `more` further requests have been answered or have failed.
    #[track_caller]
    pub(crate) fn wait_for_requests(&self, more: usize, deadline: Duration) {
        let goal = self.count() + more;
        until(deadline, "the load goes on", || {
            (self.count() >= goal).then_some(())
        });
    }

    /// Stops the clients after their current requests.
    pub(crate) fn stop(self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        let mut samples: Vec<Sample> = self
            .threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        samples.sort_by_key(|sample| sample.started);
        Outcome { samples }
    }
}

struct Client {
    target: Target,
    kind: Clients,
    request: Request,
    connection: Option<Connection>,
}

impl Client {
    fn run(mut self, stop: &AtomicBool, answered: &AtomicUsize) -> Vec<Sample> {
        let mut samples = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let started = Instant::now();
            let failed = match self.ask() {
                Ok(response) if response.status == 200 => None,
                Ok(response) => Some(format!("status {}", response.status)),
                Err(failure) => {
                    self.connection = None;
                    Some(failure.to_string())
                }
            };
            samples.push(Sample {
                started,
                took: started.elapsed(),
                failed,
            });
            answered.fetch_add(1, Ordering::Relaxed);
            thread::sleep(PAUSE);
        }
        samples
    }

    fn ask(&mut self) -> Result<Response, Failure> {
        if self.kind == Clients::Fresh {
            return self
                .request
                .clone()
                .header("Connection", "close")
                .send(self.target.clone());
        }
        let kept = self.connection.take().filter(Connection::is_reusable);
        let mut connection = match kept {
            Some(kept) => kept,
            None => Connection::open(&self.target, crate::http::TIMEOUT)?,
        };
        let response = connection.send(&self.request)?;
        self.connection = Some(connection);
        Ok(response)
    }
}

/// The result of a load.
pub(crate) struct Outcome {
    pub(crate) samples: Vec<Sample>,
}

impl Outcome {
    pub(crate) fn sent(&self) -> usize {
        self.samples.len()
    }

    pub(crate) fn failed(&self) -> usize {
        self.samples
            .iter()
            .filter(|sample| sample.failed.is_some())
            .count()
    }

    /// Failures other than refused connections, which are correct for a stopped service.
    pub(crate) fn failed_beyond_refusal(&self) -> usize {
        let beyond = |reason: &String| !reason.starts_with("connect: ");
        self.samples
            .iter()
            .filter(|sample| sample.failed.as_ref().is_some_and(beyond))
            .count()
    }

    pub(crate) fn longest(&self) -> Duration {
        self.samples
            .iter()
            .map(|sample| sample.took)
            .max()
            .unwrap_or_default()
    }

    pub(crate) fn p99(&self) -> Duration {
        let mut times: Vec<_> = self.samples.iter().map(|sample| sample.took).collect();
        times.sort();
        times
            .get(times.len() * 99 / 100)
            .copied()
            .unwrap_or_default()
    }

    /// The samples that started in this interval.
    pub(crate) fn between(&self, from: Instant, to: Instant) -> Self {
        let samples = self
            .samples
            .iter()
            .filter(|sample| sample.started >= from && sample.started < to);
        Self {
            samples: samples.cloned().collect(),
        }
    }

    /// Each reason with its count.
    pub(crate) fn reasons(&self) -> String {
        let mut counts = BTreeMap::<&str, usize>::new();
        for reason in self
            .samples
            .iter()
            .filter_map(|sample| sample.failed.as_deref())
        {
            *counts.entry(reason).or_default() += 1;
        }
        let mut text = String::new();
        for (reason, count) in counts {
            let comma = if text.is_empty() { "" } else { ", " };
            write!(text, "{comma}{count} × {reason}").unwrap();
        }
        text
    }
}
