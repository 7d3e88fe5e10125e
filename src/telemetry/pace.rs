//! How often the running programs are asked what they do: once a second, more often while somebody watches, soon when
//! somebody asks, and seldom while they do nothing.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::sys::runtime;

/// Time from one sample to the next.
const USUAL: Duration = Duration::from_secs(1);
/// The same while there is nothing to see.
const IDLE: Duration = Duration::from_secs(3);
/// The same while somebody watches.
const WATCHED: Duration = Duration::from_millis(250);
/// Somebody who has asked watches for so long.
const WATCHES_FOR: Duration = Duration::from_secs(3);
/// The least time between two samples, however many ask: an answer costs uWSGI's main process a millisecond.
const LEAST: Duration = Duration::from_millis(30);

/// The pace, shared by those who sample and those who ask.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace(Rc<PaceState>);

/// When the next sample is due, unless somebody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// As usual.
    Usual,
    /// Within this time after the last one.
    Within(Duration),
    /// Later: the last one has shown that nothing happens.
    Idle,
}

#[derive(Debug, Default)]
struct PaceState {
    /// When somebody has asked last.
    asked: Cell<Option<Instant>>,
    /// Whether that was for the present state.
    hurry: Cell<bool>,
    /// Somebody has asked.
    woken: Notify,
    /// A program has answered.
    sampled: Notify,
}

impl Pace {
    /// Somebody watches, and takes each report as it comes.
    pub(crate) fn watched(&self) {
        let was_watched = self.is_watched();
        self.0.asked.set(Some(Instant::now()));
        self.0.hurry.set(false);
        if !was_watched {
            self.0.woken.notify_waiters();
        }
    }

    /// Somebody asks for the present state, and may ask again.
    pub(crate) fn hurry(&self) {
        self.0.asked.set(Some(Instant::now()));
        self.0.hurry.set(true);
        self.0.woken.notify_waiters();
    }

    /// Whether somebody has asked a moment ago.
    pub(super) fn is_watched(&self) -> bool {
        let asked = self.0.asked.get();
        asked.is_some_and(|asked| asked.elapsed() < WATCHES_FOR)
    }

    /// Waits until the next sample is due. `since`: when the last one began.
    pub(crate) async fn pause(&self, since: Instant, next: Due) {
        loop {
            let rest = match self.interval(since, next) {
                // Together with whatever else looks now and then.
                IDLE => runtime::until_step(since, IDLE),
                interval => interval.saturating_sub(since.elapsed()),
            };
            if rest.is_zero() {
                return;
            }
            tokio::select! {
                // The interval between two samples.
                () = tokio::time::sleep(rest) => return,
                // It may be a shorter one now.
                () = self.0.woken.notified() => {}
            }
        }
    }

    fn interval(&self, since: Instant, next: Due) -> Duration {
        let asked_since = self.0.asked.get().is_some_and(|asked| asked > since);
        let interval = if self.0.hurry.get() && asked_since {
            LEAST
        } else if self.is_watched() {
            WATCHED
        } else if next == Due::Idle {
            IDLE
        } else {
            USUAL
        };
        match next {
            Due::Within(soon) => soon.min(interval),
            Due::Usual | Due::Idle => interval,
        }
    }

    /// A program has been asked, and what it has answered can be told.
    pub(crate) fn sampled(&self) {
        self.0.sampled.notify_one();
    }

    /// Waits for the next answer of a program.
    pub(super) async fn next_sample(&self) {
        self.0.sampled.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_gets_a_sample_soon_and_who_watches_gets_more_of_them() {
        let (pace, since) = (Pace::default(), Instant::now());
        assert_eq!(pace.interval(since, Due::Usual), USUAL);
        assert_eq!(pace.interval(since, Due::Idle), IDLE);
        pace.watched();
        for next in [Due::Usual, Due::Idle] {
            assert_eq!(pace.interval(since, next), WATCHED);
        }
        pace.hurry();
        assert_eq!(pace.interval(since, Due::Idle), LEAST);
        assert_eq!(
            pace.interval(Instant::now(), Due::Idle),
            WATCHED,
            "it was sampled since"
        );
        let soon = Duration::from_millis(1);
        assert_eq!(pace.interval(since, Due::Within(soon)), soon);
        assert_eq!(pace.interval(Instant::now(), Due::Within(USUAL)), WATCHED);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_pause_ends_early_for_whoever_asks() {
        let pace = Pace::default();
        let (since, limit) = (Instant::now(), Duration::from_secs(60));
        let waits = tokio::time::timeout(limit, pace.pause(since, Due::Idle));
        let asks = async { pace.hurry() };
        let (waited, ()) = tokio::join!(waits, asks);
        assert!(waited.is_ok());
        pace.sampled();
        pace.next_sample().await;
    }
}
