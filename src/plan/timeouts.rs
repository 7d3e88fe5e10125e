//! One chain of deadlines, so that a request that takes too long is ended with the least damage.
//!
//! ```text
//! T            the entry module raises an exception in the request: 504, other requests unaffected
//! T + 3 s      the launcher kills the worker if the request could not be interrupted
//! wait + T + 4 nginx's read timeout; only reached when uWSGI is dead
//! T / 2        until then a request whose worker died is retried once, if its method is idempotent
//! ```
//!
//! T is counted from when the application starts on a request. nginx's clock also includes the wait for a free slot, so
//! it must be the last one. uWSGI's own harakiri is not used: with threads a neighbour that finishes disarms it, it comes
//! up to 1 s early (2.0.31) or 1.5 s late, and nothing can lift it from an open WebSocket.

use std::time::Duration;

use serde::Serialize;

/// From T until the launcher kills a worker.
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
    /// Silence after which a WebSocket is closed; none: no limit.
    pub websocket_idle: Option<Duration>,
    /// Age of a request at which the launcher kills its worker; none without T.
    pub hard_end: Option<Duration>,
    /// nginx's read timeout for a response of the application.
    pub read: Duration,
    /// A request that has run for longer than this is not retried when its worker dies.
    pub replay: Duration,
    /// If a worker dies this many seconds or more after a request began, the request has timed out (504) instead of
    /// crashed (502).
    pub late: Option<u64>,
    /// From when a process begins to leave while the service goes on until it is ended.
    pub worker_exit: Duration,
    /// Limit for a uWSGI of the old generation to finish its requests, and then its threads and exit handlers.
    pub retire: Option<Duration>,
}

/// The limits of the configuration; zero: no limit.
pub(crate) struct ConfiguredLimits {
    pub(crate) request: Duration,
    pub(crate) queue: Duration,
    pub(crate) websocket_idle: Duration,
    pub(crate) stop: Duration,
    pub(crate) worker_exit: Duration,
}

/// Derives all deadlines from the limits. `rounds` is how many times all slots are refilled until the last waiting request
/// gets one.
pub(crate) fn timeouts(limits: &ConfiguredLimits, rounds: u32) -> Timeouts {
    let limit = |duration: Duration| (!duration.is_zero()).then_some(duration);
    let (request, queue, websocket_idle) = (
        limit(limits.request),
        limit(limits.queue),
        limit(limits.websocket_idle),
    );
    let end = request.map(|request| request + END_MARGIN);
    let wait = end.map(|end| queue.unwrap_or(end * rounds) + end);
    // nginx counts the silence of a WebSocket too, and must not be the first to end it: it sends no close frame.
    let silence = websocket_idle.map(|idle| idle + END_MARGIN + END_MARGIN);
    let read = match (wait, silence) {
        (Some(wait), Some(silence)) => wait.max(silence).min(MAX_READ_TIMEOUT),
        _ => MAX_READ_TIMEOUT,
    };
    Timeouts {
        request,
        queue,
        websocket_idle,
        hard_end: request.map(|request| request + HARD_END_MARGIN),
        read,
        replay: request.map_or(REPLAY_WITHOUT_LIMIT, |request| request / 2),
        late: request.map(|request| request.as_secs() + 1),
        worker_exit: limits.worker_exit,
        retire: end.map(|end| (end + limits.worker_exit).max(limits.stop)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(request: Duration, queue: Duration, websocket_idle: Duration) -> Timeouts {
        let limits = ConfiguredLimits {
            request,
            queue,
            websocket_idle,
            stop: Duration::from_secs(30),
            worker_exit: Duration::from_secs(5),
        };
        timeouts(&limits, 61)
    }

    #[test]
    fn each_deadline_leaves_room_for_the_one_before() {
        for seconds in [0.5, 1.0, 3.0, 60.0] {
            let request = Duration::from_secs_f64(seconds);
            let chain = chain(request, Duration::ZERO, Duration::from_secs(60));
            let hard_end = chain.hard_end.unwrap();
            assert!(chain.replay < request && hard_end >= request + Duration::from_secs(2));
            assert!(
                chain.read > hard_end && chain.retire.unwrap() > hard_end,
                "{chain:?}"
            );
            assert!(Duration::from_secs(chain.late.unwrap()) < hard_end);
            assert!(Duration::from_secs(chain.late.unwrap()) > request);
        }
    }

    #[test]
    fn nginx_waits_longer_than_a_websocket_may_be_silent() {
        let second = Duration::from_secs;
        assert_eq!(chain(second(60), second(5), second(60)).read, second(69));
        assert_eq!(chain(second(60), second(5), second(600)).read, second(608));
        assert_eq!(
            chain(second(60), second(5), Duration::ZERO).read,
            MAX_READ_TIMEOUT
        );
    }

    #[test]
    fn zero_means_no_limit() {
        let chain = chain(Duration::ZERO, Duration::ZERO, Duration::ZERO);
        assert_eq!(
            (chain.request, chain.hard_end, chain.late, chain.retire),
            (None, None, None, None)
        );
        assert_eq!(chain.read, MAX_READ_TIMEOUT);
    }
}
