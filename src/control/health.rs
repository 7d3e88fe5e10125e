//! Health checks: what /healthcheck answers. One check runs at a time, and all who ask meanwhile share its answer, so that
//! many clients are one request to the application.
//!
//! Nobody waits for an application whose slots are all busy: it may hang, and a probe has little time. Then the last answer
//! of the health path counts as long as it is recent, because a busy service is well.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::status::{HealthReport, ServicePhase, StatusReport, WorkerStatus};
use crate::supervise::program::{Application, Health};
use crate::telemetry::reports::{Published, Reports};

/// An answer of this age still tells how the service is: a check takes up to 8 s itself.
const RECENT: Duration = Duration::from_secs(15);
/// How long a check may take while every slot is busy.
const PATIENCE: Duration = Duration::from_millis(10);

/// The answer of a check, as soon as there is one.
type CheckAnswer = watch::Receiver<Option<HealthReport>>;

/// The health checks of all listeners.
#[derive(Debug, Default)]
pub(crate) struct HealthChecks {
    running: RefCell<Option<CheckAnswer>>,
    last: RefCell<Option<(Instant, HealthReport)>>,
}

impl HealthChecks {
    /// Passing: ready, and the health path answers. Warning: starting, or every slot is busy for longer than a moment.
    /// Critical: anything else. Needs a `LocalSet`.
    pub(super) async fn ask(
        self: &Rc<Self>,
        published: &Published,
        mut reports: Reports,
    ) -> HealthReport {
        let mut report = Rc::clone(&published.report);
        let with_path = published
            .application
            .as_ref()
            .and_then(|application| Some((application, application.health_path()?)));
        let (application, path) = match with_path {
            Some(with_path) if report.ready => with_path,
            Some(_) | None => return without_check(&report),
        };
        let running = self.running.borrow().clone();
        let answer = running.unwrap_or_else(|| self.begin(Rc::clone(application)));
        let mut answer = pin!(completed(answer));
        let mut is_busy = all_busy(&report, path);
        loop {
            tokio::select! {
                biased;
                health = &mut answer => return health.unwrap_or_else(|| without_check(&report)),
                () = tokio::time::sleep(PATIENCE), if is_busy => return self.while_busy(&report, path),
                next = reports.next(), if !is_busy => match next {
                    Some(next) => {
                        report = next.report;
                        is_busy = all_busy(&report, path);
                    }
                    None => return without_check(&report),
                },
            }
        }
    }

    /// A task of its own, because the client that has asked first may leave first.
    fn begin(self: &Rc<Self>, application: Rc<dyn Application>) -> CheckAnswer {
        let (sender, receiver) = watch::channel(None);
        self.running.replace(Some(receiver.clone()));
        let checks = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let path = application.health_path().unwrap_or_default();
            let (level, reason) = match application.check_health().await {
                Health::Passing => (0, format!("ready, and {path} answers")),
                Health::Busy => {
                    let serving = serving(&application.workers());
                    (1, format!("busy: {serving}; {path} waits for a free slot"))
                }
                Health::Failing(why) => (2, why),
            };
            let health = HealthReport { level, reason };
            checks.last.replace(Some((Instant::now(), health.clone())));
            checks.running.replace(None);
            sender.send_replace(Some(health));
        });
        receiver
    }

    fn while_busy(&self, report: &StatusReport, path: &str) -> HealthReport {
        if let Some(health) = self.recent() {
            return health;
        }
        let serving = serving(&report.workers);
        HealthReport {
            level: 1,
            reason: format!("busy: {serving}; {path} waits for a free slot"),
        }
    }

    /// The last answer, for clients that cannot wait.
    pub(super) fn recent(&self) -> Option<HealthReport> {
        let last = self.last.borrow();
        let (at, report) = last.as_ref()?;
        (at.elapsed() <= RECENT).then(|| report.clone())
    }
}

async fn completed(mut answer: CheckAnswer) -> Option<HealthReport> {
    let health = answer.wait_for(Option::is_some).await.ok()?;
    health.clone()
}

/// What is known without a request to the health path.
fn without_check(report: &StatusReport) -> HealthReport {
    if report.ready {
        return HealthReport {
            level: 0,
            reason: "ready".to_owned(),
        };
    }
    let level = match report.phase {
        ServicePhase::Starting => 1,
        ServicePhase::Ready
        | ServicePhase::Reloading
        | ServicePhase::Degraded
        | ServicePhase::Stopping => 2,
    };
    HealthReport {
        level,
        reason: report.reason.clone().unwrap_or_default(),
    }
}

/// Whether requests occupy every slot, other ones than health checks: a health path that hangs is no busy service.
fn all_busy(report: &StatusReport, health_path: &str) -> bool {
    let health_path = health_path.split('?').next().unwrap_or_default();
    let other = |worker: &WorkerStatus| {
        let serving = worker.serving.iter();
        serving
            .filter(|request| request.path != health_path)
            .count()
    };
    let workers = report.workers.iter();
    let mut with_slots = workers.filter(|worker| worker.state.has_slots()).peekable();
    let threads = usize::try_from(report.plan.threads).unwrap_or(usize::MAX);
    with_slots.peek().is_some() && with_slots.all(|worker| other(worker) >= threads)
}

/// Which of the processes serve, in words.
fn serving(workers: &[WorkerStatus]) -> String {
    let with_slots = |worker: &&WorkerStatus| worker.state.has_slots();
    let (all, count) = (workers.len(), workers.iter().filter(with_slots).count());
    if count == all {
        return format!("all {all} processes are serving");
    }
    let verb = if count == 1 { "is" } else { "are" };
    format!("{count} of {all} processes {verb} serving, the others are ending, stopped or dead")
}
