//! The async runtime: one thread, on which children are started and futures need not be `Send`.
#![forbid(unsafe_code)]

use std::io;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use tokio::task::LocalSet;

/// The moment from which all steps count.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The runtime could not be created, for lack of file descriptors for instance.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the event loop: {0}")]
pub struct RuntimeError(io::Error);

/// Runs a future to its end on the calling thread; tasks of `spawn_local` run until then, too.
pub fn block_on<F: Future>(future: F) -> Result<F::Output, RuntimeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RuntimeError)?;
    Ok(LocalSet::new().block_on(&runtime, future))
}

/// The time until the next step after `since`: a multiple of `step` from one moment that is the same for all. Tasks that look at
/// something now and then wake the machine together, instead of each by itself: most of what a look costs is the waking.
pub(crate) fn until_step(since: Instant, step: Duration) -> Duration {
    let steps = since.duration_since(*ORIGIN).as_nanos() / step.as_nanos().max(1) + 1;
    let next = step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX));
    next.saturating_sub(ORIGIN.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_the_same_for_all() {
        let step = Duration::from_secs(1000);
        // The first question of all decides from which moment the steps count.
        until_step(Instant::now(), step);
        let now = Instant::now();
        let rest = until_step(now, step);
        assert!(rest <= step && rest > step / 2, "{rest:?}");
        let later = until_step(now + Duration::from_secs(10), step);
        assert!(later <= rest, "{later:?} {rest:?}");
        let next = until_step(now + step, step);
        assert!(next > step, "one step later: {next:?}");
    }
}
