//! The sampler: gathers what the loop, the programs, the log and the kernel know, and publishes it as one report.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::compose::{Parts, compose};
use super::counting::Counting;
use super::meter::Meter;
use super::pace::{Due, Pace};
use super::reports::{Published, Reports};
use crate::logs::LogAccounts;
use crate::status::{ServicePhase, StatusReport};
use crate::supervise::commands::{Snapshot, Snapshots};
use crate::supervise::program::{Application, Proxy};

/// Two reports have at least this time between them: a busy service would have many in a moment.
const LEAST_INTERVAL: Duration = Duration::from_millis(20);

/// Where the sampler looks.
#[derive(Debug)]
pub(crate) struct Sampler {
    started: Instant,
    snapshots: Snapshots,
    counting: Arc<Counting>,
    log: LogAccounts,
    pace: Pace,
    meter: Meter,
    /// What the service has been doing, and since when.
    phase: Option<(ServicePhase, Instant)>,
    /// Why no process of the application took requests when that was told last.
    not_serving: Option<String>,
}

impl Sampler {
    /// `started`: when the launcher started.
    pub(crate) fn new(
        started: Instant,
        snapshots: Snapshots,
        counting: Arc<Counting>,
        log: LogAccounts,
        pace: Pace,
    ) -> Self {
        Self {
            started,
            snapshots,
            counting,
            log,
            pace,
            meter: Meter::new(),
            phase: None,
            not_serving: None,
        }
    }

    /// Publishes reports in a task of its own, as long as the loop runs. Needs a `LocalSet`.
    pub(crate) fn start(mut self) -> Reports {
        let (sender, latest) = watch::channel(self.publish());
        let reports = Reports::new(latest, self.pace.clone());
        tokio::task::spawn_local(self.run(sender));
        reports
    }

    async fn run(mut self, sender: watch::Sender<Published>) {
        let (pace, counting) = (self.pace.clone(), Arc::clone(&self.counting));
        let mut pause = pin!(pace.pause(Instant::now(), Due::Idle));
        loop {
            tokio::select! {
                changed = self.snapshots.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = pace.next_sample() => {
                    if pace.is_watched() {
                        self.meter.look_at_new(&self.pids());
                    } else if self.not_serving() == self.not_serving {
                        // Nobody looks; but a probe may ask whether the service is ready.
                        continue;
                    }
                }
                () = counting.next_error() => {}
                () = &mut pause => {
                    pause.set(pace.pause(Instant::now(), Due::Idle));
                    self.look();
                }
            }
            sender.send_replace(self.publish());
            // The least interval between two reports.
            tokio::time::sleep(LEAST_INTERVAL).await;
        }
    }

    /// Why no process of the application takes requests.
    fn not_serving(&self) -> Option<String> {
        let application = self.snapshots.borrow().application.clone();
        application.and_then(|application| application.serves().err())
    }

    fn look(&mut self) {
        self.meter.look(&self.pids(), self.pace.is_watched());
    }

    /// The processes of the application that serves.
    fn pids(&self) -> Vec<i32> {
        let application = self.snapshots.borrow().application.clone();
        let workers = application.map(|application| application.workers());
        workers.iter().flatten().map(|worker| worker.pid).collect()
    }

    fn publish(&mut self) -> Published {
        self.not_serving = self.not_serving();
        let snapshot = self.snapshots.borrow_and_update().clone();
        let mut report = compose(snapshot.report.clone(), self.parts(&snapshot));
        report.phase_seconds = self.phase_seconds(&report);
        Published {
            report: Rc::new(report),
            admin_details: snapshot.admin_details,
            at: Instant::now(),
            sampled: sampled(&snapshot),
            application: snapshot.application,
        }
    }

    fn parts(&self, snapshot: &Snapshot) -> Parts {
        let application = snapshot.application.as_deref();
        let mut workers = application.map_or_else(Vec::new, Application::workers);
        for worker in &mut workers {
            worker.process = self.meter.complete(worker.pid, worker.process);
        }
        let retiring = snapshot.retiring.iter();
        let old_workers = retiring.flat_map(|application| application.workers());
        let finishing = old_workers.filter(|worker| !worker.serving.is_empty());
        Parts {
            since: self.started.elapsed().saturating_sub(snapshot.at.0),
            ts: jiff::Timestamp::now().to_string(),
            workers,
            finishing: finishing.collect(),
            not_serving: self.not_serving.clone(),
            warnings: application.map_or_else(Vec::new, Application::warnings),
            queue: application.and_then(Application::queue),
            clients: snapshot.proxy.as_deref().and_then(Proxy::clients),
            counts: self.counting.counts(),
            resources: self.meter.resources(),
            log: self.log.counters(),
            errors: self.log.recent_errors(),
            exits_by_worker: snapshot.exits_by_worker.clone(),
        }
    }

    fn phase_seconds(&mut self, report: &StatusReport) -> f64 {
        // A service that reloads is as ready as before.
        let phase = match report.phase {
            ServicePhase::Reloading => ServicePhase::Ready,
            other => other,
        };
        let since = match self.phase {
            Some((before, since)) if before == phase => since,
            _ => Instant::now(),
        };
        self.phase = Some((phase, since));
        since.elapsed().as_secs_f64()
    }
}

/// When the program that was asked the longest time ago was asked; none when one of them is not asked now.
fn sampled(snapshot: &Snapshot) -> Option<Instant> {
    let application = snapshot.application.as_deref()?.sampled()?;
    let proxy = snapshot.proxy.as_deref()?.sampled()?;
    Some(application.min(proxy))
}
