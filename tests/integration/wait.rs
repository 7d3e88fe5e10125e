//! Waits for conditions instead of fixed times: polls often, with a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// Interval between two polls.
pub(crate) const LOOK: Duration = Duration::from_millis(5);

/// Polls until `condition` returns a value; None after the deadline.
pub(crate) fn poll<T>(deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(LOOK);
    }
}

/// Polls until `condition` returns a value; panics with `what` after the deadline.
#[track_caller]
pub(crate) fn until<T>(deadline: Duration, what: &str, condition: impl FnMut() -> Option<T>) -> T {
    poll(deadline, condition).unwrap_or_else(|| panic!("waited {deadline:?} in vain: {what}"))
}

/// Sleeps, for faults that last for a time: a stopped process, a slow client.
pub(crate) fn pass_time(span: Duration) {
    let end = Instant::now() + span;
    while Instant::now() < end {
        thread::sleep(LOOK);
    }
}
