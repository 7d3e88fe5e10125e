//! Since when each connection of a listen queue waits, from one look at the queue to the next. Pure.
//!
//! The kernel tells which connections wait, in their order, and not since when: a connection counts from the look that
//! has shown it first. It has an identity only as long as its client is there, so that what is known of the queue is
//! compared as a whole: some have been taken from its front, others have come to its end.

use std::collections::VecDeque;
use std::time::Duration;

/// The identity of a connection whose client has left.
const LEFT: u32 = 0;

/// The waiting connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Waits(VecDeque<Wait>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wait {
    client: u32,
    since: Duration,
}

impl Waits {
    /// Takes what a look at the queue has shown, the oldest first. `now` is monotonic.
    pub(super) fn update(&mut self, clients: &[u32], now: Duration) {
        self.0.drain(..self.taken(clients));
        self.0.truncate(clients.len());
        for (wait, client) in self.0.iter_mut().zip(clients) {
            wait.client = *client;
        }
        let new = clients.iter().skip(self.0.len());
        self.0
            .extend(new.map(|&client| Wait { client, since: now }));
    }

    /// How many of the known connections have been taken from the front.
    fn taken(&self, clients: &[u32]) -> usize {
        let nameless = clients.iter().take_while(|client| **client == LEFT).count();
        let first = clients.get(nameless);
        let place = first.and_then(|first| self.0.iter().position(|wait| wait.client == *first));
        // Without a connection that is known by its client, the nameless ones count as the youngest that they can be.
        place.unwrap_or(self.0.len()).saturating_sub(nameless)
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// How long the oldest has been waiting; zero when none waits.
    pub(super) fn oldest(&self, now: Duration) -> Duration {
        self.0
            .front()
            .map_or(Duration::ZERO, |wait| now.saturating_sub(wait.since))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The age of each connection at second `looks.len() - 1`, after one look a second.
    fn ages(looks: &[&[u32]]) -> Vec<u64> {
        let mut waits = Waits::default();
        for (second, clients) in (0..).zip(looks) {
            waits.update(clients, Duration::from_secs(second));
        }
        let last = Duration::from_secs(looks.len() as u64 - 1);
        waits
            .0
            .iter()
            .map(|wait| last.saturating_sub(wait.since).as_secs())
            .collect()
    }

    #[test]
    fn a_connection_waits_from_the_look_that_has_shown_it_first() {
        assert_eq!(ages(&[&[7], &[7, 8], &[7, 8, 9]]), [2, 1, 0]);
    }

    #[test]
    fn connections_are_taken_from_the_front() {
        assert_eq!(ages(&[&[7, 8, 9], &[8, 9, 10], &[10, 11]]), [1, 0]);
        assert_eq!(ages(&[&[7, 8], &[9, 10]]), [0, 0]);
        assert_eq!(ages(&[&[7, 8], &[]]), [0; 0]);
    }

    #[test]
    fn a_client_that_leaves_keeps_its_place_and_its_age() {
        assert_eq!(ages(&[&[7, 8, 9], &[7, 0, 9]]), [1, 1, 1]);
        assert_eq!(ages(&[&[7, 8, 9], &[0, 9, 10]]), [1, 1, 0]);
        assert_eq!(ages(&[&[7, 8], &[0, 0], &[0, 0]]), [2, 2]);
        // Which of them is left cannot be known; it may be the younger one.
        assert_eq!(ages(&[&[7], &[7, 8], &[0]]), [1]);
        assert_eq!(ages(&[&[7], &[0, 0, 8]]), [1, 0, 0]);
    }

    proptest! {
        /// A queue from which some are taken, in which some lose their client, and to which some come: no age is too great
        /// but that of a connection without a client, and none is too small as long as all have their clients.
        #[test]
        fn no_wait_is_overestimated(
            looks in proptest::collection::vec((0..4_usize, 0..4_usize, proptest::option::of(0..6_usize)), 1..30),
            may_leave in any::<bool>(),
        ) {
            let (mut truth, mut waits) = (VecDeque::new(), Waits::default());
            let mut next = 1;
            for (second, (taken, come, leaves)) in (0..).zip(looks) {
                let now = Duration::from_secs(second);
                truth.drain(..taken.min(truth.len()));
                for _ in 0..come {
                    truth.push_back(Wait { client: next, since: now });
                    next += 1;
                }
                if let (true, Some(wait)) = (may_leave, leaves.and_then(|place| truth.get_mut(place))) {
                    wait.client = LEFT;
                }
                let clients: Vec<u32> = truth.iter().map(|wait| wait.client).collect();
                waits.update(&clients, now);
                prop_assert_eq!(waits.0.len(), truth.len());
                for (seen, real) in waits.0.iter().zip(&truth) {
                    prop_assert_eq!(seen.client, real.client);
                    prop_assert!(real.client == LEFT || seen.since >= real.since, "{:?} {:?}", waits, truth);
                    prop_assert!(may_leave || seen.since == real.since, "{:?} {:?}", waits, truth);
                }
            }
        }
    }
}
