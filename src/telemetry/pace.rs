//! How often the running programs are asked what they do: once a second, and more often while somebody watches.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Pause between two samples.
const USUAL: Duration = Duration::from_secs(1);
/// Pause between two samples while somebody watches.
const WATCHED: Duration = Duration::from_millis(250);
/// Somebody who has asked watches for so long.
const WATCHES_FOR: Duration = Duration::from_secs(3);

/// The pace, shared by those who sample and those who ask.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace(Rc<PaceState>);

#[derive(Debug, Default)]
struct PaceState {
    asked: Cell<Option<Instant>>,
    /// Somebody has begun to watch.
    begun: Notify,
    /// A program has answered.
    sampled: Notify,
}

impl Pace {
    /// Somebody asks, and may ask again.
    pub(crate) fn asked(&self) {
        let was_watched = self.is_watched();
        self.0.asked.set(Some(Instant::now()));
        if !was_watched {
            self.0.begun.notify_waiters();
        }
    }

    /// Whether somebody has asked a moment ago.
    pub(crate) fn is_watched(&self) -> bool {
        let asked = self.0.asked.get();
        asked.is_some_and(|asked| asked.elapsed() < WATCHES_FOR)
    }

    /// Waits from one sample until the next one is due; `soon`: at most for so long.
    pub(crate) async fn pause(&self, soon: Option<Duration>) {
        let begun = Instant::now();
        let rest = || pause(self.is_watched(), soon).saturating_sub(begun.elapsed());
        tokio::select! {
            // The pause between two samples.
            () = tokio::time::sleep(rest()) => {}
            // Whoever has begun to watch gets the next sample sooner: the rest of the shorter pause.
            () = self.0.begun.notified() => tokio::time::sleep(rest()).await,
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

fn pause(is_watched: bool, soon: Option<Duration>) -> Duration {
    let pause = if is_watched { WATCHED } else { USUAL };
    soon.map_or(pause, |soon| soon.min(pause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_watches_gets_samples_more_often() {
        let pace = Pace::default();
        assert!(!pace.is_watched());
        pace.asked();
        assert!(pace.is_watched());
        assert!(pause(true, None) < pause(false, None));
        let soon = Some(Duration::from_millis(1));
        assert_eq!(
            (pause(true, soon), pause(false, soon)),
            (soon.unwrap(), soon.unwrap())
        );
        assert_eq!(pause(true, Some(Duration::from_secs(9))), WATCHED);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_pause_ends_early_for_whoever_begins_to_watch() {
        let pace = Pace::default();
        let waits = tokio::time::timeout(Duration::from_secs(60), pace.pause(None));
        let begins = async { pace.asked() };
        let (waited, ()) = tokio::join!(waits, begins);
        assert!(waited.is_ok());
        pace.sampled();
        pace.next_sample().await;
    }
}
