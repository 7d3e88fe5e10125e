//! The watch over a child that serves: does it get on, is a request overdue, what did the import leave open.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::unistd::Pid;

use super::child::{ChildPlan, Watch};
use super::lingering;
use crate::health::ages::Ages;
use crate::health::imports::{self, LeftOpen};
use crate::health::nginx::{self, Connections};
use crate::health::probe::Probe;
use crate::health::progress::{Progress, Seen};
use crate::health::stats::{self, Request, Worker};
use crate::health::wsgi;

/// Pause between two looks. A look costs uWSGI's master a millisecond.
const PAUSE: Duration = Duration::from_secs(1);
/// uWSGI's master looks after dead workers once a second, and whenever it is asked for its statistics: so many looks at
/// this distance after a kill bring the new worker sooner.
const NUDGE: Duration = Duration::from_millis(50);
const NUDGES: u32 = 2;
/// A status page that has not answered for so long belongs to a dead nginx.
const SILENCE: Duration = Duration::from_secs(20);
/// How long a worker has to take a connection before the application counts as dead.
const LAST_CHANCE: Duration = Duration::from_secs(2);
/// What one question may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the watch found.
#[derive(Clone, Debug)]
pub enum Finding {
    /// It lives and serves nothing.
    Hung {
        /// For how long.
        still: Duration,
        /// What its workers had when they told it last, in words.
        requests: Option<String>,
    },
    /// A request that could not be interrupted: its worker is to be killed.
    Overdue(Overdue),
    /// The import left something open that the workers now share, or lack.
    OpenedAtImport(LeftOpen),
}

/// A request that could not be interrupted.
#[derive(Clone, Debug)]
pub struct Overdue {
    /// Its worker's number.
    pub worker: u32,
    /// Its worker.
    pub pid: Pid,
    /// The request.
    pub request: Request,
    /// Its age in seconds.
    pub seconds: u64,
}

/// Watches until the child is gone or hung. `tell` is awaited for each finding.
pub(super) async fn watch<F: Future<Output = ()>>(
    plan: &ChildPlan,
    pid: Pid,
    proxy: &RefCell<Option<PathBuf>>,
    tell: impl Fn(Finding) -> F,
) {
    match (&plan.watch, &plan.probe) {
        (Watch::StatusPage, Probe::Http { socket }) => {
            let still = until_silent(socket).await;
            let requests = None;
            tell(Finding::Hung { still, requests }).await;
        }
        (
            Watch::Workers {
                socket,
                request_timeout,
                hard_end,
            },
            Probe::Uwsgi { stats, .. },
        ) => {
            let left = imports::left_open(pid.as_raw());
            if left != LeftOpen::default() {
                tell(Finding::OpenedAtImport(left)).await;
            }
            let mut progress = Progress::new(*request_timeout);
            let started = Instant::now();
            let mut ages = Ages::new(Duration::ZERO);
            let mut killed = Vec::new();
            let mut nudges = 0;
            let mut requests = None;
            loop {
                tokio::time::sleep(if nudges > 0 { NUDGE } else { PAUSE }).await;
                nudges = u32::saturating_sub(nudges, 1);
                let workers = stats::read(stats).await.ok();
                if let (Some(limit), Some(workers)) = (hard_end, &workers) {
                    killed.retain(|pid| workers.iter().any(|worker| worker.pid == *pid));
                    let wall = SystemTime::now().duration_since(UNIX_EPOCH);
                    ages.see(workers, started.elapsed(), wall.unwrap_or_default());
                    for late in overdue(workers, *limit, &ages) {
                        // A killed worker keeps its request until uWSGI's master has looked after it.
                        if !killed.contains(&late.pid.as_raw()) {
                            killed.push(late.pid.as_raw());
                            nudges = NUDGES;
                            tell(Finding::Overdue(late)).await;
                        }
                    }
                }
                let proxy = proxy.borrow().clone();
                let waiting = match proxy {
                    Some(socket) => nginx::connections(&socket, PATIENCE)
                        .await
                        .ok()
                        .map(|c| c.writing),
                    None => None,
                };
                if let Some(workers) = &workers {
                    requests = lingering::in_words(workers);
                }
                let seen = Seen { workers, waiting };
                let Some(still) = progress.see(&seen, started.elapsed()) else {
                    continue;
                };
                if wsgi::is_taken(socket, LAST_CHANCE).await {
                    progress.alive(started.elapsed());
                    continue;
                }
                tell(Finding::Hung { still, requests }).await;
                return;
            }
        }
        (Watch::StatusPage | Watch::Workers { .. } | Watch::Nothing, _) => {}
    }
}

/// Waits until a status page has been silent for too long.
async fn until_silent(socket: &Path) -> Duration {
    let mut answered = Instant::now();
    loop {
        tokio::time::sleep(PAUSE).await;
        match nginx::connections(socket, PATIENCE).await {
            Ok(_) => answered = Instant::now(),
            Err(_) if answered.elapsed() >= SILENCE => return answered.elapsed(),
            Err(_) => {}
        }
    }
}

/// Workers with a request beyond the limit. uWSGI tells whole seconds, cut off, so a request seems up to a second older
/// than it is.
fn overdue(workers: &[Worker], limit: Duration, ages: &Ages) -> Vec<Overdue> {
    workers
        .iter()
        .filter_map(|worker| {
            let (request, age) = ages.oldest(worker)?;
            (age >= limit).then(|| Overdue {
                worker: worker.id,
                pid: Pid::from_raw(worker.pid),
                request: request.clone(),
                seconds: age.as_secs(),
            })
        })
        .collect()
}

/// Waits until nginx has no client connection left; false when it does not answer.
pub(super) async fn without_clients(probe: &Probe) -> bool {
    let Probe::Http { socket } = probe else {
        return false;
    };
    let none = Connections::default();
    loop {
        match nginx::connections(socket, PATIENCE).await {
            Ok(connections) if connections == none => return true,
            Ok(_) => tokio::time::sleep(PAUSE / 50).await,
            Err(_) => return false,
        }
    }
}

/// Tells a finding to people.
pub(super) fn tell(plan: &ChildPlan, finding: &Finding) {
    match finding {
        Finding::Hung { still, requests } => tracing::error!(
            child = plan.name,
            seconds = still.as_secs(),
            requests = requests.as_deref().unwrap_or("none that is known"),
            "Requests wait, and nothing has been finished or begun: it is killed and started again."
        ),
        Finding::Overdue(Overdue {
            worker,
            pid,
            request,
            seconds,
        }) => tracing::error!(
            child = plan.name,
            worker,
            pid = pid.as_raw(),
            request_id = request.id,
            method = request.method,
            path = request.path,
            age_seconds = seconds,
            "A request could not be interrupted; its worker is killed."
        ),
        Finding::OpenedAtImport(left) => {
            if !left.connections.is_empty() {
                tracing::warn!(
                    child = plan.name,
                    connections = left.connections.join(" "),
                    hint = "open them in a request (or in a uwsgidecorators.postfork function), or set uwsgi_config to {\"lazy-apps\": true}, which costs memory",
                    "The application opened connections when it was imported: all its processes now share them."
                );
            }
            if left.threads > 0 {
                tracing::warn!(
                    child = plan.name,
                    threads = left.threads,
                    hint = "start them in a request (or in a uwsgidecorators.postfork function), or set uwsgi_config to {\"lazy-apps\": true}, which costs memory",
                    "The application started threads when it was imported: they do not exist in the processes that serve."
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_overdue_requests_end_their_worker() {
        let request = |started| Request {
            id: "r".into(),
            method: "GET".into(),
            path: "/".into(),
            started,
        };
        let worker = |pid, current| Worker {
            id: 1,
            pid,
            accepting: true,
            requests: 0,
            current,
        };
        let workers = [
            worker(7, vec![request(1000)]),
            worker(8, vec![request(1004), request(1009)]),
            worker(9, vec![]),
        ];
        let second = Duration::from_secs;
        let mut ages = Ages::new(second(0));
        ages.see(&workers[..1], second(1), second(1000));
        ages.see(&workers, second(5), second(1004));
        // The clock is set forward by an hour: that makes nobody older.
        ages.see(&workers, second(7), second(4606));
        assert!(overdue(&workers, second(7), &ages).is_empty());
        ages.see(&workers, second(8), second(4607));
        let found = overdue(&workers, second(7), &ages);
        assert!(matches!(found.as_slice(), [Overdue { pid, seconds: 7, .. }] if pid.as_raw() == 7));
    }
}
