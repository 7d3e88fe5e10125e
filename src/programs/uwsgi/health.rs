//! Asks the health path of the application, past nginx.

use std::path::PathBuf;
use std::time::Duration;

use super::protocol;
use super::stats::{self, Socket};
use super::worker::Worker;
use crate::supervise::program::Health;

/// What a health check may take: the platform gives its scripts ten seconds.
const TIMEOUT: Duration = Duration::from_secs(8);
/// Between two polls whether every slot is busy.
const BUSY_POLL: Duration = Duration::from_millis(500);
/// Polls at which every slot must be busy before that is the answer: a service that gets on frees one now and then, and
/// the check is served with the next.
const BUSY_POLLS: u32 = 4;

/// A path of the application that has to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HealthPath {
    /// The application's socket.
    pub(super) socket: PathBuf,
    pub(super) path: String,
}

/// Whether the path answers 2xx or 3xx.
pub(super) async fn answers(health: &HealthPath) -> Result<(), String> {
    match protocol::get(&health.socket, &health.path, TIMEOUT).await {
        Ok(status) if (200..400).contains(&status) => Ok(()),
        Ok(status) => Err(format!("the health check {} answers {status}", health.path)),
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => Err(format!(
            "the health check {} does not answer within {} s",
            health.path,
            TIMEOUT.as_secs()
        )),
        Err(error) => Err(format!("the health check {} fails: {error}", health.path)),
    }
}

/// Asks the path, and meanwhile whether it can be served at all: saturation is told early, and is no failure.
pub(super) async fn check(health: &HealthPath, stats: &Socket) -> Health {
    tokio::select! {
        biased;
        answer = answers(health) => match answer {
            Ok(()) => Health::Passing,
            Err(why) => Health::Failing(why),
        },
        () = saturated(stats) => Health::Busy,
    }
}

/// Ends when every slot was busy at several polls in a row.
async fn saturated(socket: &Socket) {
    let mut seen = 0;
    while seen < BUSY_POLLS {
        tokio::time::sleep(BUSY_POLL).await;
        let workers = stats::read(socket).await.unwrap_or_default();
        seen = if all_busy(&workers, socket.slots) {
            seen + 1
        } else {
            0
        };
    }
}

/// Whether requests of others have every slot. When the health check itself has one, it is what hangs.
fn all_busy(workers: &[Worker], slots: u32) -> bool {
    let mut requests = workers.iter().flat_map(|worker| &worker.in_flight);
    let count = requests.clone().count();
    let own = requests.any(|request| request.id == protocol::REQUEST_ID);
    !own && slots > 0 && u32::try_from(count).is_ok_and(|count| count >= slots)
}

#[cfg(test)]
mod tests {
    use super::super::worker::InFlight;
    use super::*;

    #[test]
    fn busy_is_every_slot_and_not_with_the_check_itself() {
        let worker = |ids: &[&str]| Worker {
            id: 1,
            pid: 1,
            accepting: true,
            requests: 0,
            in_flight: ids
                .iter()
                .map(|id| InFlight {
                    id: (*id).to_owned(),
                    method: "GET".to_owned(),
                    path: "/".to_owned(),
                    started: 0,
                })
                .collect(),
        };
        assert!(all_busy(&[worker(&["a", "b"]), worker(&["c"])], 3));
        assert!(!all_busy(&[worker(&["a"]), worker(&[])], 2));
        assert!(!all_busy(
            &[worker(&["a"]), worker(&[protocol::REQUEST_ID])],
            2
        ));
        assert!(!all_busy(&[], 0));
    }
}
