//! Whether the responses that nginx keeps on disk for slow clients fill their share of the disk buffer. Pure.
//!
//! The free space of the file system costs a microsecond and shows how much more is used than at the last measurement,
//! whoever uses it. Only when that is much, nginx's open files are measured. When hardly anything is free, it does not matter
//! who has used it.

use std::time::Duration;

/// Time between two measurements, which cost up to 40 ms when nginx has 20,000 files open.
const MEASURE_INTERVAL: Duration = Duration::from_millis(500);

/// What the responses may take, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ResponseLimits {
    /// All of them together; from here on no further large one should be taken.
    pub(super) all: u64,
    /// Free space below which none should be taken.
    pub(super) reserve: u64,
}

/// What is known of the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DiskFill {
    /// The free space without the responses.
    without_responses: u64,
    measured_at: Option<Duration>,
    /// The responses fill their share.
    full: bool,
    /// Hardly anything is free.
    scarce: bool,
}

impl DiskFill {
    /// Takes the free space, in bytes. True when the responses should be measured. Times are monotonic.
    pub(super) fn look(&mut self, free: u64, limits: ResponseLimits, now: Duration) -> bool {
        // Twice as much again, so that it does not come and go.
        self.scarce = free < limits.reserve * if self.scarce { 2 } else { 1 };
        self.without_responses = self.without_responses.max(free);
        let used = self.without_responses - free;
        let due = self
            .measured_at
            .is_none_or(|at| now.saturating_sub(at) >= MEASURE_INTERVAL);
        (used >= limits.all && !self.full) || (due && (self.full || used >= limits.all / 2))
    }

    /// Takes a measurement: the bytes of all responses. One that has failed is one of zero bytes: others may have used the
    /// space, and then large responses would be refused for ever.
    pub(super) fn measured(
        &mut self,
        bytes: u64,
        free: u64,
        limits: ResponseLimits,
        now: Duration,
    ) {
        self.without_responses = free + bytes;
        self.measured_at = Some(now);
        // Below the half again, so that it does not come and go.
        self.full = bytes
            >= if self.full {
                limits.all / 2
            } else {
                limits.all
            };
    }

    /// Whether no further large response should be taken.
    pub(super) fn is_full(&self) -> bool {
        self.full || self.scarce
    }

    /// Whether that is because the file system is full, whoever has filled it.
    pub(super) fn is_scarce(&self) -> bool {
        self.scarce
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: ResponseLimits = ResponseLimits {
        all: 100,
        reserve: 10,
    };

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn responses_of_slow_clients_fill_it_until_half_of_them_is_taken() {
        let mut fill = DiskFill::default();
        assert!(!fill.look(1000, LIMIT, at(0)));
        assert!(!fill.look(960, LIMIT, at(100)) && !fill.is_full());
        assert!(fill.look(900, LIMIT, at(200)));
        fill.measured(100, 900, LIMIT, at(200));
        assert!(fill.is_full());
        assert!(!fill.look(940, LIMIT, at(300)));
        assert!(fill.look(940, LIMIT, at(700)));
        fill.measured(60, 940, LIMIT, at(700));
        assert!(fill.is_full());
        assert!(fill.look(960, LIMIT, at(1200)));
        fill.measured(40, 960, LIMIT, at(1200));
        assert!(!fill.is_full());
        assert!(!fill.look(1000, LIMIT, at(1800)));
    }

    #[test]
    fn what_others_write_is_no_response() {
        let mut fill = DiskFill::default();
        fill.look(1000, LIMIT, at(0));
        for (free, now) in [(800, 100), (700, 200), (600, 300)] {
            assert!(fill.look(free, LIMIT, at(now)) && !fill.is_full());
            fill.measured(10, free, LIMIT, at(now));
            assert!(!fill.is_full());
        }
        assert!(!fill.look(600, LIMIT, at(700)) && !fill.is_full());
    }

    #[test]
    fn a_full_file_system_is_full_whoever_has_filled_it() {
        let mut fill = DiskFill::default();
        fill.look(100, LIMIT, at(0));
        fill.look(9, LIMIT, at(100));
        assert!(fill.is_full() && fill.is_scarce());
        fill.look(19, LIMIT, at(200));
        assert!(fill.is_full());
        fill.look(20, LIMIT, at(300));
        assert!(!fill.is_full());
    }

    #[test]
    fn a_failed_measurement_does_not_refuse_for_ever() {
        let mut fill = DiskFill::default();
        fill.look(1000, LIMIT, at(0));
        assert!(fill.look(800, LIMIT, at(100)));
        fill.measured(0, 800, LIMIT, at(100));
        assert!(!fill.is_full());
    }
}
