//! Waiting for a condition, never for a time: every wait looks often and has a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// Between two looks.
pub(crate) const LOOK: Duration = Duration::from_millis(5);

/// Looks until `condition` gives a value; None when the deadline is past.
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

/// Looks until `condition` gives a value; a panic that says what was waited for when it does not.
#[track_caller]
pub(crate) fn until<T>(deadline: Duration, what: &str, condition: impl FnMut() -> Option<T>) -> T {
    poll(deadline, condition).unwrap_or_else(|| panic!("waited {deadline:?} in vain: {what}"))
}

/// Lets a span pass, for a fault that is one: a process that stands still, a client that dawdles.
pub(crate) fn pass_time(span: Duration) {
    let end = Instant::now() + span;
    while Instant::now() < end {
        thread::sleep(LOOK);
    }
}
