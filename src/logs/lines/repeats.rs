//! Lines that say the same thousands of times a second: one of them is kept in each second, with the number of the others.
//! Pure.

use std::time::Duration;

/// Time between two of the lines.
const INTERVAL: Duration = Duration::from_secs(1);

/// What is known of the lines of one kind.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    last: Option<Duration>,
    held: u64,
}

impl Repeats {
    /// Takes one more of the lines. Returns how many have been left out since the one that was kept last; none: this one is
    /// left out, too. `now` is monotonic.
    pub(super) fn take(&mut self, now: Duration) -> Option<u64> {
        if self
            .last
            .is_some_and(|last| now.saturating_sub(last) < INTERVAL)
        {
            self.held += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_kept_in_each_second() {
        let mut repeats = Repeats::default();
        let kept: Vec<Option<u64>> = [0, 1, 999, 1000, 1500, 9000, 10_000]
            .map(|at| repeats.take(Duration::from_millis(at)))
            .into();
        assert_eq!(kept, [Some(0), None, None, Some(2), None, Some(1), Some(0)]);
    }
}
