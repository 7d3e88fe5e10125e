//! The readiness poll of a child, which reports each reason for which it is not ready.

use std::time::{Duration, Instant};

use crate::supervise::program::{NotReady, Supervised};

/// A reason that has not changed for this long is logged, once.
const LOG_AFTER: Duration = Duration::from_secs(5);

/// Completes when the child is ready. `report` is called with each new reason for which it is not; with `name`, a reason
/// that stays is logged.
pub(super) async fn poll_until_ready(
    name: Option<&str>,
    program: &dyn Supervised,
    report: impl AsyncFn(String),
) {
    let mut current = String::new();
    let mut since = Instant::now();
    let mut logged = false;
    while let Err(NotReady {
        reason,
        retry_after,
    }) = program.poll_ready().await
    {
        if reason != current {
            report(reason.clone()).await;
            (current, since, logged) = (reason, Instant::now(), false);
        } else if let Some(name) = name
            && !logged
            && since.elapsed() >= LOG_AFTER
        {
            tracing::info!(child = name, why = current, "Not ready yet.");
            logged = true;
        }
        tokio::time::sleep(retry_after).await;
    }
}
