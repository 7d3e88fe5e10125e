//! Whom a stop waits for: told while it waits, and again before they are cut.
#![forbid(unsafe_code)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::child::Role;
use super::runner::Runner;
use crate::health::probe::Probe;
use crate::health::stats::{self, Request, Socket, Worker};

/// A stop that lasts longer than this has somebody to wait for.
const WORTH_TELLING: Duration = Duration::from_secs(5);
/// Requests that are named; the oldest tell most.
const NAMED: usize = 5;

impl Runner {
    /// Tells, from now on, which requests the stop waits for.
    pub(super) fn tell_who_lingers(&mut self) {
        let serving = self
            .supervisor
            .serving(|child| child.role == Role::Application);
        let Some(Probe::Uwsgi { stats, .. }) = serving.map(|id| self.plans[id].probe.clone())
        else {
            return;
        };
        let budget = self.supervisor.stop_timeout;
        tokio::task::spawn_local(async move {
            let first = WORTH_TELLING.min(budget / 2);
            let last = budget.mul_f64(0.9);
            tokio::time::sleep(first).await;
            if let Some(requests) = under_way(&stats).await {
                tracing::info!(requests, "The stop waits for requests under way.");
            }
            tokio::time::sleep(last.saturating_sub(first)).await;
            if let Some(requests) = under_way(&stats).await {
                tracing::warn!(
                    requests,
                    "The time of the stop is nearly over: these requests will be cut."
                );
            }
        });
    }
}

/// The requests in the workers, in words; none when there is none or nobody to ask.
async fn under_way(socket: &Socket) -> Option<String> {
    let workers = stats::read(socket).await.ok()?;
    in_words(&workers)
}

/// The oldest requests of these workers, in words; none when there is none.
pub(super) fn in_words(workers: &[Worker]) -> Option<String> {
    let requests: Vec<&Request> = workers.iter().flat_map(|worker| &worker.current).collect();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    (!requests.is_empty()).then(|| list(requests, now.as_secs()))
}

fn list(mut requests: Vec<&Request>, now: u64) -> String {
    requests.sort_by_key(|request| request.started);
    let mut words: Vec<String> = requests
        .iter()
        .take(NAMED)
        .map(
            |Request {
                 id,
                 method,
                 path,
                 started,
             }| {
                format!("{method} {path} ({} s, {id})", now.saturating_sub(*started))
            },
        )
        .collect();
    if requests.len() > NAMED {
        words.push(format!("and {} more", requests.len() - NAMED));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_named_and_the_others_counted() {
        let request = |n: u64| Request {
            id: format!("r{n}"),
            method: "GET".into(),
            path: format!("/{n}"),
            started: 100 + n,
        };
        let requests = [6, 2, 4, 1, 3, 5, 7].map(request).to_vec();
        assert_eq!(
            list(requests.iter().collect(), 110),
            "GET /1 (9 s, r1), GET /2 (8 s, r2), GET /3 (7 s, r3), GET /4 (6 s, r4), GET /5 (5 s, r5), and 2 more"
        );
    }
}
