//! Polls a started child until it serves, and reports why it does not yet.

use std::time::{Duration, Instant};

use crate::supervise::program::{NotReady, Supervised};

/// A reason that stays the same for so long is logged.
const LOG_AFTER: Duration = Duration::from_secs(5);

/// Ends when the child is ready. `report` is awaited for each new reason why it is not.
pub(super) async fn poll_until_ready(
    name: &str,
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
        } else if !logged && since.elapsed() >= LOG_AFTER {
            tracing::info!(child = name, why = current, "Not ready yet.");
            logged = true;
        }
        tokio::time::sleep(retry_after).await;
    }
}
