//! One chain of deadlines, so that a request that takes too long is ended with the least damage.
//!
//! ```text
//! T            the entry module raises an exception in the request: 504, other requests unaffected
//! T + 2 s      harakiri kills the worker if the request could not be interrupted (threads = 1)
//! T + 3 s      with threads the launcher kills the worker, because harakiri is unreliable there
//! wait + T + 4 nginx's read timeout; only reached when uWSGI is dead
//! T / 2        until then a request whose worker died is retried once, if its method is idempotent
//! ```
//!
//! T is counted from when the application starts on a request. nginx's clock also includes the wait for a free slot, so
//! it must be the last one.

use std::time::Duration;

use serde::Serialize;

/// Seconds from T to harakiri. uWSGI counts whole seconds: 2.0.21 kills up to 1.5 s late, 2.0.31 up to 1 s early, so the
/// timer of the entry module has at least one second.
const HARAKIRI_MARGIN: u64 = 2;
/// From T until the launcher kills a worker with several threads.
const HARD_END_MARGIN: Duration = Duration::from_secs(3);
/// From T until a request has certainly ended.
const END_MARGIN: Duration = Duration::from_secs(4);
/// nginx's read timeout when requests have no limit, and its upper bound otherwise.
const MAX_READ_TIMEOUT: Duration = Duration::from_secs(86_400);
/// The retry limit when requests have no time limit.
const REPLAY_WITHOUT_LIMIT: Duration = Duration::from_secs(30);

/// The chain of deadlines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timeouts {
    /// T, the request timeout; none: no limit.
    pub request: Option<Duration>,
    /// The longest wait for a free slot; none: no limit.
    pub queue: Option<Duration>,
    /// uWSGI's harakiri, in seconds; none with threads, and without T.
    pub harakiri: Option<u64>,
    /// Age of a request at which the launcher kills its worker; none with one request per process.
    pub hard_end: Option<Duration>,
    /// nginx's read timeout for a response of the application.
    pub read: Duration,
    /// A request that has run for longer than this is not retried when its worker dies.
    pub replay: Duration,
    /// If a worker dies this many seconds or more after a request began, the request has timed out (504) instead of
    /// crashed (502).
    pub late: Option<u64>,
    /// Limit for a uWSGI of the old generation to finish its requests.
    pub retire: Option<Duration>,
}

/// Derives all deadlines from those of the configuration (zero: no limit). `rounds` is how many times all slots are
/// refilled until the last waiting request gets one.
pub(crate) fn timeouts(request: Duration, queue: Duration, threads: u32, rounds: u32) -> Timeouts {
    let queue = (!queue.is_zero()).then_some(queue);
    if request.is_zero() {
        return Timeouts {
            request: None,
            queue,
            harakiri: None,
            hard_end: None,
            read: MAX_READ_TIMEOUT,
            replay: REPLAY_WITHOUT_LIMIT,
            late: None,
            retire: None,
        };
    }
    let single = threads == 1;
    let end = request + END_MARGIN;
    let wait = queue.unwrap_or(end * rounds);
    Timeouts {
        request: Some(request),
        queue,
        harakiri: single.then(|| whole_seconds(request) + HARAKIRI_MARGIN),
        hard_end: (!single).then(|| request + HARD_END_MARGIN),
        read: (wait + end).min(MAX_READ_TIMEOUT),
        replay: request / 2,
        late: Some(request.as_secs() + 1),
        retire: Some(end),
    }
}

/// Seconds, rounded up.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_deadline_leaves_room_for_the_one_before() {
        for seconds in [0.5, 1.0, 3.0, 60.0] {
            let request = Duration::from_secs_f64(seconds);
            let chain = timeouts(request, Duration::ZERO, 1, 61);
            let harakiri = Duration::from_secs(chain.harakiri.unwrap());
            assert!(chain.replay < request && harakiri >= request + Duration::from_secs(2));
            assert!(
                chain.read > harakiri && chain.retire.unwrap() > harakiri,
                "{chain:?}"
            );
            // Harakiri may come a second early: a death at that time must already count as late.
            assert!(Duration::from_secs(chain.late.unwrap() + 1) <= harakiri);
            assert!(Duration::from_secs(chain.late.unwrap()) > request);
        }
    }

    #[test]
    fn with_threads_the_launcher_kills_instead_of_harakiri() {
        let chain = timeouts(Duration::from_secs(60), Duration::from_secs(5), 4, 61);
        assert_eq!(
            (chain.harakiri, chain.hard_end),
            (None, Some(Duration::from_secs(63)))
        );
        assert_eq!(chain.read, Duration::from_secs(69));
    }

    #[test]
    fn zero_means_no_limit() {
        let chain = timeouts(Duration::ZERO, Duration::ZERO, 1, 61);
        assert_eq!(
            (chain.request, chain.harakiri, chain.late, chain.retire),
            (None, None, None, None)
        );
    }
}
