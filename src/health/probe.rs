//! Is a child ready.

use std::path::PathBuf;
use std::time::Duration;

use hyper::{Method, StatusCode};

use super::{stats, wsgi};
use crate::http::client;

/// nginx answers its own socket in well below a millisecond; this is for a machine under siege.
const NGINX_PATIENCE: Duration = Duration::from_secs(2);
/// What a health check may take: the platform gives its scripts ten seconds.
pub const HEALTH_PATIENCE: Duration = Duration::from_secs(8);

/// Between two looks at what the workers do.
const BUSY_PAUSE: Duration = Duration::from_millis(500);
/// Looks at which every slot must be busy before that is told: a service that gets on frees one now and then, and the
/// check is served with the next.
const BUSY_LOOKS: u32 = 4;

/// How a child tells that it is ready.
#[derive(Clone, Debug)]
pub enum Probe {
    /// uWSGI's stats socket shows so many workers accepting, and the path, where there is one, answers.
    Uwsgi {
        /// The stats socket.
        stats: stats::Socket,
        /// Workers.
        workers: u32,
        /// What has to answer.
        health: Option<HealthPath>,
    },
    /// `GET /status` on a Unix socket answers 200.
    Http {
        /// The socket.
        socket: PathBuf,
    },
}

/// A path of the application that has to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthPath {
    /// The application's socket.
    pub socket: PathBuf,
    /// The path.
    pub path: String,
}

/// Pause between two looks at a child that comes up; readiness is seen this much late at the most.
const LOOK_PAUSE: Duration = Duration::from_millis(10);
/// Pause between two health checks: they are requests to the application, which may log each and ask others for it.
const HEALTH_PAUSE: Duration = Duration::from_millis(500);

/// A child that is not ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotYet {
    /// What is missing.
    pub why: String,
    /// When to ask again.
    pub pause: Duration,
}

impl NotYet {
    fn look_again(why: String) -> Self {
        let pause = LOOK_PAUSE;
        Self { why, pause }
    }
}

/// Asks once.
pub async fn ask(probe: &Probe) -> Result<(), NotYet> {
    match probe {
        Probe::Uwsgi {
            stats,
            workers,
            health,
        } => {
            accepting(stats, *workers)
                .await
                .map_err(NotYet::look_again)?;
            match health {
                Some(health) => answers(health).await.map_err(|why| NotYet {
                    why,
                    pause: HEALTH_PAUSE,
                }),
                None => Ok(()),
            }
        }
        Probe::Http { socket } => {
            match client::ask(socket, Method::GET, "/status", NGINX_PATIENCE).await {
                Ok((StatusCode::OK, _)) => Ok(()),
                Ok((status, _)) => Err(NotYet::look_again(format!(
                    "its status page answers {status}"
                ))),
                Err(error) => Err(NotYet::look_again(error.to_string())),
            }
        }
    }
}

async fn accepting(socket: &stats::Socket, wanted: u32) -> Result<(), String> {
    let workers = stats::read(socket)
        .await
        .map_err(|_| "the application is still being imported".to_owned())?;
    let accepting = workers.iter().filter(|worker| worker.accepting).count();
    if u32::try_from(accepting).is_ok_and(|n| n >= wanted) {
        return Ok(());
    }
    Err(format!("{accepting} of {wanted} processes accept requests"))
}

/// Whether the path answers 2xx or 3xx.
pub async fn answers(health: &HealthPath) -> Result<(), String> {
    match wsgi::get(&health.socket, &health.path, HEALTH_PATIENCE).await {
        Ok(status) if (200..400).contains(&status) => Ok(()),
        Ok(status) => Err(format!("the health check {} answers {status}", health.path)),
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => Err(format!(
            "the health check {} does not answer within {} s",
            health.path,
            HEALTH_PATIENCE.as_secs()
        )),
        Err(error) => Err(format!("the health check {} fails: {error}", health.path)),
    }
}

/// How a service that is up answers its health path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// 2xx or 3xx.
    Answers,
    /// Not yet: other requests have every slot.
    Busy,
    /// Otherwise, or not in time.
    Fails(String),
}

/// Asks the path, and meanwhile whether it can be served at all: saturation is told early, and is no failure.
pub async fn verdict(health: &HealthPath, stats: Option<&stats::Socket>) -> Verdict {
    tokio::select! {
        biased;
        answer = answers(health) => match answer {
            Ok(()) => Verdict::Answers,
            Err(why) => Verdict::Fails(why),
        },
        () = saturated(stats) => Verdict::Busy,
    }
}

/// Ends when every slot has been busy at so many looks running; never when it is not.
async fn saturated(stats: Option<&stats::Socket>) {
    let Some(socket) = stats else {
        return std::future::pending().await;
    };
    let mut seen = 0;
    while seen < BUSY_LOOKS {
        tokio::time::sleep(BUSY_PAUSE).await;
        let workers = stats::read(socket).await.unwrap_or_default();
        seen = if all_busy(&workers, socket.slots) {
            seen + 1
        } else {
            0
        };
    }
}

/// Whether requests of others have every slot. When the health check itself has one, it is what hangs.
fn all_busy(workers: &[stats::Worker], slots: u32) -> bool {
    let mut requests = workers.iter().flat_map(|worker| &worker.current);
    let count = requests.clone().count();
    let own = requests.any(|request| request.id == wsgi::REQUEST_ID);
    !own && slots > 0 && u32::try_from(count).is_ok_and(|count| count >= slots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_is_every_slot_and_not_with_the_check_itself() {
        let worker = |ids: &[&str]| stats::Worker {
            id: 1,
            pid: 1,
            accepting: true,
            requests: 0,
            current: ids
                .iter()
                .map(|id| stats::Request {
                    id: (*id).to_owned(),
                    method: "GET".to_owned(),
                    path: "/".to_owned(),
                    started: 0,
                })
                .collect(),
        };
        assert!(all_busy(&[worker(&["a", "b"]), worker(&["c"])], 3));
        assert!(!all_busy(&[worker(&["a"]), worker(&[])], 2));
        assert!(!all_busy(&[worker(&["a"]), worker(&[wsgi::REQUEST_ID])], 2));
        assert!(!all_busy(&[], 0));
    }
}
