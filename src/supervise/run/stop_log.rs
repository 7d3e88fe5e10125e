//! Logs in-flight requests during a graceful stop: after 5 s, and again shortly before the deadline.

use std::rc::Rc;
use std::time::Duration;

use crate::supervise::in_flight::describe_oldest;
use crate::supervise::program::Application;

/// A stop that takes longer than this is probably waiting for requests.
const FIRST_LOG_AFTER: Duration = Duration::from_secs(5);

/// Logs the in-flight requests twice. `stop_timeout` is the time limit of the whole stop.
pub(super) async fn log_during_stop(application: Rc<dyn Application>, stop_timeout: Duration) {
    let first = FIRST_LOG_AFTER.min(stop_timeout / 2);
    let last = stop_timeout.mul_f64(0.9);
    tokio::time::sleep(first).await;
    if let Some(requests) = in_flight(application.as_ref()) {
        tracing::info!(requests, "The stop waits for requests under way.");
    }
    tokio::time::sleep(last.saturating_sub(first)).await;
    if let Some(requests) = in_flight(application.as_ref()) {
        tracing::warn!(
            requests,
            "The stop has nearly reached its time limit: these requests will be cut."
        );
    }
}

/// The oldest in-flight requests as text; none when there is none, or nothing is known of them.
pub(super) fn in_flight(application: &dyn Application) -> Option<String> {
    let workers = application.workers();
    describe_oldest(workers.iter().flat_map(|worker| &worker.serving))
}
