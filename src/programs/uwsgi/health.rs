//! Health checks: requests to the application's health path, past nginx.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use super::protocol::{self, StatusLine};
use super::stats::Socket;
use super::worker::Worker;
use crate::supervise::program::Health;

/// Time limit of a health check: below the ten seconds that the platform gives its scripts.
const TIMEOUT: Duration = Duration::from_secs(8);
/// Pause between two polls whether every slot is busy.
const BUSY_POLL: Duration = Duration::from_millis(500);
/// Polls in a row that must find every slot busy before the application counts as saturated: an application that makes
/// progress frees a slot now and then, and the check gets the next one.
const BUSY_POLLS: u32 = 4;

/// Where a health check is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HealthPath {
    /// The application's socket.
    pub(super) socket: PathBuf,
    pub(super) path: String,
}

/// Requests the path once.
pub(super) async fn ask(health: &HealthPath) -> Health {
    let path = &health.path;
    match protocol::get(&health.socket, path, TIMEOUT).await {
        // It has waited for queue_timeout.
        Ok(StatusLine { refused: true, .. }) => Health::Busy,
        Ok(StatusLine { status, .. }) if (200..400).contains(&status) => Health::Passing,
        Ok(StatusLine { status, .. }) => {
            Health::Failing(format!("the health check {path} answers {status}"))
        }
        Err(error) => match error.kind() {
            // The queue of requests is full (unix(7), EAGAIN of connect(2)).
            ErrorKind::WouldBlock => Health::Busy,
            ErrorKind::TimedOut => Health::Failing(format!(
                "the health check {path} does not answer within {} s",
                TIMEOUT.as_secs()
            )),
            _ => Health::Failing(format!("the health check {path} fails: {error}")),
        },
    }
}

/// Requests the path, and polls meanwhile whether a slot is free: saturation is reported early, and is no failure.
pub(super) async fn check(health: &HealthPath, stats: &Socket) -> Health {
    tokio::select! {
        biased;
        answer = ask(health) => answer,
        () = saturated(stats) => Health::Busy,
    }
}

/// Completes when every slot was busy at [`BUSY_POLLS`] polls in a row.
async fn saturated(socket: &Socket) {
    let mut seen = 0;
    while seen < BUSY_POLLS {
        tokio::time::sleep(BUSY_POLL).await;
        let latest = socket.latest();
        seen = if all_busy(latest.workers(), socket.slots) {
            seen + 1
        } else {
            0
        };
    }
}

/// Whether clients' requests occupy every slot of the processes that serve. When the health check itself has a slot, the
/// application is not saturated: its health path hangs. `slots` are those of all processes together.
fn all_busy(workers: &[Worker], slots: u32) -> bool {
    let Some(threads) = usize::try_from(slots)
        .ok()
        .and_then(|n| n.checked_div(workers.len()))
    else {
        return false;
    };
    let serving: Vec<&Worker> = workers.iter().filter(|worker| worker.serves()).collect();
    let mut requests = serving.iter().flat_map(|worker| worker.serving());
    let count = requests.clone().count();
    let own = requests.any(|request| request.id == protocol::REQUEST_ID);
    !own && count > 0 && count >= threads * serving.len()
}

#[cfg(test)]
mod tests {
    use super::super::worker::{Existence, InFlight};
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
                    websocket: false,
                    started: 0,
                    entered: None,
                })
                .collect(),
            existence: Existence::Alive,
            usage: None,
        };
        assert!(all_busy(&[worker(&["a", "b"]), worker(&["c", "d"])], 4));
        assert!(!all_busy(&[worker(&["a"]), worker(&[])], 2));
        assert!(!all_busy(
            &[worker(&["a"]), worker(&[protocol::REQUEST_ID])],
            2
        ));
        assert!(!all_busy(&[], 0));
        // A process that leaves has no free slot.
        let leaving = |existence| Worker {
            existence,
            ..worker(&[])
        };
        for existence in [Existence::Ending, Existence::Dead, Existence::Stopped] {
            assert!(all_busy(&[worker(&["a"]), leaving(existence)], 2));
        }
        assert!(!all_busy(&[leaving(Existence::Dead)], 1));
    }
}
