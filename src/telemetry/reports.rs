//! Where the latest report is: the sampler publishes it, everybody else reads it.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::pace::Pace;
use crate::status::StatusReport;
use crate::supervise::program::Application;
use crate::sys::credentials::Credentials;

/// Longer than anything runs.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

/// What the sampler publishes.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    /// Everything that is known of the service at one moment.
    pub(crate) report: Rc<StatusReport>,
    /// Whether the admin address may answer with the whole report.
    pub(crate) admin_details: bool,
    /// The application that serves, for health checks.
    pub(crate) application: Option<Rc<dyn Application>>,
    /// When it was published.
    pub(crate) at: Instant,
    /// When the program that was asked the longest time ago was asked; none when nothing is asked now.
    pub(crate) sampled: Option<Instant>,
}

impl Published {
    /// The health path, where one is configured.
    pub(crate) fn health_path(&self) -> Option<&str> {
        self.application.as_ref()?.health_path()
    }

    /// The user that the workers run as; none: the launcher's own.
    pub(crate) fn user(&self) -> Option<&Credentials> {
        self.application.as_ref()?.user()
    }
}

/// The readers' side.
#[derive(Clone, Debug)]
pub(crate) struct Reports {
    latest: watch::Receiver<Published>,
    pace: Pace,
}

impl Reports {
    pub(super) fn new(latest: watch::Receiver<Published>, pace: Pace) -> Self {
        Self { latest, pace }
    }

    /// One report that stays as it is as long as the sender lives, for tests.
    pub(crate) fn fixed(report: StatusReport) -> (watch::Sender<Published>, Self) {
        let (sender, latest) = watch::channel(Published {
            report: Rc::new(report),
            admin_details: false,
            application: None,
            // Younger than any question: nobody waits for another one.
            at: Instant::now() + FOR_EVER,
            sampled: None,
        });
        (sender, Self::new(latest, Pace::default()))
    }

    /// The latest report; none when the service has ended.
    pub(crate) fn latest(&self) -> Option<Published> {
        self.latest.has_changed().ok()?;
        Some(self.latest.borrow().clone())
    }

    /// The present state: a report whose samples are younger than the question, or the latest one if there is none in time.
    /// A sample takes some milliseconds, unless a program hangs or the machine is overloaded.
    pub(crate) async fn fresh(&self, patience: Duration) -> Option<Published> {
        let asked = Instant::now();
        let is_fresh = |published: &Published| {
            let sampled = published.sampled;
            published.at >= asked && sampled.is_none_or(|sampled| sampled >= asked)
        };
        let mut latest = self.latest.clone();
        let first = self.latest()?;
        if !is_fresh(&first) {
            self.pace.hurry();
            // A program that hangs answers nobody: then the latest one is all that is known.
            let _: Result<_, _> = tokio::time::timeout(patience, latest.wait_for(is_fresh)).await;
        }
        self.latest()
    }

    /// Waits for the next report; none when the service has ended.
    pub(crate) async fn next(&mut self) -> Option<Published> {
        self.pace.watched();
        self.latest.changed().await.ok()?;
        Some(self.latest.borrow_and_update().clone())
    }
}
