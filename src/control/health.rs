//! Health checks: what /healthcheck answers. One check runs at a time, and all who ask meanwhile share its answer, so that
//! many clients are one request to the application.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::status::{HealthReport, ServicePhase, WorkerStatus};
use crate::supervise::commands::Snapshot;
use crate::supervise::program::Health;

/// An answer of this age still tells how the service is: a check takes up to 8 s itself.
const RECENT: Duration = Duration::from_secs(10);

/// The answer of a check, as soon as there is one.
type CheckAnswer = watch::Receiver<Option<HealthReport>>;

/// The health checks of all listeners.
#[derive(Debug, Default)]
pub(crate) struct HealthChecks {
    running: RefCell<Option<CheckAnswer>>,
    last: RefCell<Option<(Instant, HealthReport)>>,
}

impl HealthChecks {
    /// The answer of the check that runs, or of a new one; none when the launcher stops. Needs a `LocalSet`.
    pub(super) async fn ask(self: &Rc<Self>, snapshot: Snapshot) -> Option<HealthReport> {
        let running = self.running.borrow().clone();
        let mut answer = running.unwrap_or_else(|| self.begin(snapshot));
        let report = answer.wait_for(Option::is_some).await.ok()?;
        report.clone()
    }

    /// A task of its own, because the client that has asked first may leave first.
    fn begin(self: &Rc<Self>, snapshot: Snapshot) -> CheckAnswer {
        let (sender, receiver) = watch::channel(None);
        self.running.replace(Some(receiver.clone()));
        let checks = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let report = health(&snapshot).await;
            checks.last.replace(Some((Instant::now(), report.clone())));
            checks.running.replace(None);
            sender.send_replace(Some(report));
        });
        receiver
    }

    /// The last answer, for clients that cannot wait.
    pub(super) fn recent(&self) -> Option<HealthReport> {
        let last = self.last.borrow();
        let (at, report) = last.as_ref()?;
        (at.elapsed() <= RECENT).then(|| report.clone())
    }
}

/// Passing: ready, and the health path answers. Warning: starting, or every slot is busy. Critical: anything else.
async fn health(snapshot: &Snapshot) -> HealthReport {
    let report = &snapshot.report;
    if !report.ready {
        let reason = report.reason.clone().unwrap_or_default();
        let level = match report.phase {
            ServicePhase::Starting => 1,
            ServicePhase::Ready
            | ServicePhase::Reloading
            | ServicePhase::Degraded
            | ServicePhase::Stopping => 2,
        };
        return HealthReport { level, reason };
    }
    let application = snapshot.application.as_ref();
    let Some((application, path)) =
        application.and_then(|application| Some((application, application.health_path()?)))
    else {
        return HealthReport {
            level: 0,
            reason: "ready".to_owned(),
        };
    };
    let (level, reason) = match application.check_health().await {
        Health::Passing => (0, format!("ready, and {path} answers")),
        Health::Busy => {
            // What cannot be polled is left out of the text.
            let workers = application.workers().await.unwrap_or_default();
            let serving = serving(&workers, report.plan.processes);
            (1, format!("busy: {serving}; {path} waits for a free slot"))
        }
        Health::Failing(why) => (2, why),
    };
    HealthReport { level, reason }
}

/// Which of the processes serve, in words. All of them when nothing is known of them.
fn serving(workers: &[WorkerStatus], processes: u32) -> String {
    let with_slots = |worker: &&WorkerStatus| worker.state.has_slots();
    let count = workers.iter().filter(with_slots).count();
    if count == workers.len() {
        return format!("all {processes} processes are serving");
    }
    let verb = if count == 1 { "is" } else { "are" };
    let all = workers.len();
    format!("{count} of {all} processes {verb} serving, the others are ending, stopped or dead")
}
