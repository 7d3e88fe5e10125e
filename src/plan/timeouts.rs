//! One chain of deadlines, so that a request that takes too long is ended where it hurts least.
//!
//! ```text
//! T            the entry module raises in the guilty request: 504, neighbours untouched
//! T + 2 s      harakiri kills the worker, when the request could not be interrupted (threads = 1)
//! T + 3 s      the launcher does, with threads, where harakiri is wrong
//! wait + T + 4 nginx gives up waiting for an answer; only a dead uWSGI gets there
//! T / 2        until then a request whose worker died is tried once more, if its method is idempotent
//! ```
//!
//! T counts from the moment the application starts on a request; nginx's clock also counts the wait for a free slot, so
//! it comes last.

use std::time::Duration;

use serde::Serialize;

/// Seconds after T at which harakiri fires. uWSGI counts whole seconds: 2.0.21 kills up to 1.5 s late, 2.0.31 up to 1 s
/// early, so this leaves the timer of the entry module at least a second.
const HARAKIRI_MARGIN: u64 = 2;
/// Seconds after T at which the launcher ends a worker whose requests share it.
const HARD_END_MARGIN: Duration = Duration::from_secs(3);
/// Seconds after T at which nothing of a request can be left.
const END_MARGIN: Duration = Duration::from_secs(4);
/// How long nginx waits when requests may take for ever.
const FOR_EVER: Duration = Duration::from_secs(86_400);
/// How long a request may have run to be tried again, when requests may take for ever.
const REPLAY_WITHOUT_LIMIT: Duration = Duration::from_secs(30);

/// The chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timeouts {
    /// T: what a request may take; none: as long as it likes.
    pub request: Option<Duration>,
    /// What it may wait for a free slot; none: as long as it takes.
    pub queue: Option<Duration>,
    /// uWSGI's harakiri, in seconds; none with threads, and without T.
    pub harakiri: Option<u64>,
    /// When the launcher kills a worker with an overdue request; none with one request per process.
    pub hard_end: Option<Duration>,
    /// nginx's patience for an answer.
    pub read: Duration,
    /// How long a request may have run to be tried again.
    pub replay: Duration,
    /// From this many seconds on the death of a worker means that time was up (504), not a crash (502).
    pub late: Option<u64>,
    /// How long a retiring uWSGI may take.
    pub retire: Option<Duration>,
}

/// The chain for what is asked. `rounds` is how often all slots are filled before the last waiting request gets one.
pub fn timeouts(request: Duration, queue: Duration, threads: u32, rounds: u32) -> Timeouts {
    let queue = (!queue.is_zero()).then_some(queue);
    if request.is_zero() {
        return Timeouts {
            request: None,
            queue,
            harakiri: None,
            hard_end: None,
            read: FOR_EVER,
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
        read: (wait + end).min(FOR_EVER),
        replay: request / 2,
        late: Some(request.as_secs() + 1),
        retire: Some(end),
    }
}

/// Seconds, rounded up.
fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
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
            // The earliest harakiri is a second before its number: a death then is already late.
            assert!(Duration::from_secs(chain.late.unwrap() + 1) <= harakiri);
            assert!(Duration::from_secs(chain.late.unwrap()) > request);
        }
    }

    #[test]
    fn threads_are_ended_by_the_launcher() {
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
