//! When a child that crashed is started again, and when it has crashed too often.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::time::Duration;

use crate::supervise::uptime::Uptime;

/// Delay of the second restart in a row (the first has none); each further one waits twice as long.
const FIRST_DELAY: Duration = Duration::from_millis(500);
/// Upper limit of the delay, without jitter.
const MAX_DELAY: Duration = Duration::from_secs(30);
/// Delays vary by up to this fraction, so that many containers that crash together do not restart together.
const JITTER: f64 = 0.1;
/// After this time as a ready child, the count of crashes in a row is reset.
const FORGET_AFTER: Duration = Duration::from_secs(60);
/// Restarts allowed within the window. The next crash ends the launcher, so that the platform notices.
const BUDGET: usize = 8;
/// Sliding window of the budget.
const WINDOW: Duration = Duration::from_secs(300);

/// Kills of the watchdog within [`KILL_WINDOW`]. One that does not help is not repeated for ever.
const KILLS: usize = 3;
const KILL_WINDOW: Duration = Duration::from_secs(600);

/// The recent kills of one child by its watchdog.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct KillBudget(VecDeque<Uptime>);

impl KillBudget {
    /// Whether one more kill is allowed; it is recorded then.
    pub(crate) fn take(&mut self, now: Uptime) -> bool {
        self.0.retain(|at| now.since(*at) <= KILL_WINDOW);
        let allowed = self.0.len() < KILLS;
        if allowed {
            self.0.push_back(now);
        }
        allowed
    }
}

/// The budget of the watchdog as text, to complete "killed …".
pub(crate) fn kill_budget() -> String {
    format!("{KILLS} times in {} minutes", KILL_WINDOW.as_secs() / 60)
}

/// Restart history of one child.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Backoff {
    in_a_row: u32,
    recent: VecDeque<Uptime>,
}

/// What the machine does after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterCrash {
    /// Start again after this time.
    Restart(Duration),
    /// The budget is spent.
    GiveUp,
}

impl Backoff {
    /// Records a crash of a child that had been ready for `healthy`; none: it had not become ready. `random` is in
    /// 0..1.
    pub(crate) fn crashed(
        &mut self,
        now: Uptime,
        healthy: Option<Duration>,
        random: f64,
    ) -> AfterCrash {
        if healthy.is_some_and(|time| time >= FORGET_AFTER) {
            self.in_a_row = 0;
        }
        while self
            .recent
            .front()
            .is_some_and(|at| now.since(*at) > WINDOW)
        {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        if self.recent.len() > BUDGET {
            return AfterCrash::GiveUp;
        }
        let earlier = self.in_a_row;
        self.in_a_row += 1;
        AfterCrash::Restart(delay(earlier, random))
    }
}

fn delay(earlier: u32, random: f64) -> Duration {
    if earlier == 0 {
        return Duration::ZERO;
    }
    let doubled = FIRST_DELAY
        .saturating_mul(1 << (earlier - 1).min(16))
        .min(MAX_DELAY);
    doubled.mul_f64(1.0 + JITTER * (2.0 * random - 1.0))
}

/// The budget as text, to complete "has crashed …".
pub(crate) fn budget() -> String {
    format!(
        "more than {BUDGET} times in {} minutes",
        WINDOW.as_secs() / 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Uptime {
        Uptime(Duration::from_secs(seconds))
    }

    #[test]
    fn delays_double_up_to_a_limit() {
        let mut backoff = Backoff::default();
        let delays: Vec<u128> = (0..8u64)
            .map(|n| match backoff.crashed(at(n), None, 0.5) {
                AfterCrash::Restart(wait) => wait.as_millis(),
                AfterCrash::GiveUp => panic!("the budget is 8"),
            })
            .collect();
        assert_eq!(delays, [0, 500, 1000, 2000, 4000, 8000, 16000, 30000]);
        assert_eq!(backoff.crashed(at(9), None, 0.5), AfterCrash::GiveUp);
    }

    #[test]
    fn a_ready_time_resets_the_delay() {
        let mut backoff = Backoff::default();
        backoff.crashed(at(0), None, 0.5);
        backoff.crashed(at(1), None, 0.5);
        let after = backoff.crashed(at(100), Some(Duration::from_secs(61)), 0.5);
        assert_eq!(after, AfterCrash::Restart(Duration::ZERO));
    }

    #[test]
    fn the_window_slides() {
        let mut backoff = Backoff::default();
        for n in 0..30 {
            assert_ne!(
                backoff.crashed(at(n * 60), None, 0.5),
                AfterCrash::GiveUp,
                "{n}"
            );
        }
    }

    #[test]
    fn the_watchdog_kills_three_times_and_again_ten_minutes_later() {
        let mut kills = KillBudget::default();
        let taken: Vec<bool> = [0, 30, 60, 90, 599, 601, 602]
            .map(|second| kills.take(at(second)))
            .into();
        assert_eq!(taken, [true, true, true, false, false, true, false]);
    }

    #[test]
    fn jitter_stays_within_a_tenth() {
        assert_eq!(delay(1, 0.0), Duration::from_millis(450));
        assert!(delay(1, 0.999) < Duration::from_millis(550));
    }
}
