//! Which clients send a request so slowly that they only hold what it reserves. Pure.
//!
//! nginx limits the time for the headers and the time between two parts of a body, and knows no minimum rate: a byte every
//! nineteen seconds holds a connection, and disk space for the whole body, for days. The kernel counts what each connection
//! carries each way. A client is slow when it is still sending the same request after a time of grace, and has sent less than
//! a minimum rate. One that waits for its response sends nothing.

use std::collections::HashMap;
use std::time::Duration;

use crate::sys::sock_diag::tcp::TcpConnection;

/// The minimum rate in bytes a second, and the time of grace: the default of Apache's mod_reqtimeout for bodies.
const MIN_RATE: u64 = 500;
const GRACE: Duration = Duration::from_secs(20);
/// A client that has sent nothing for so long has sent all, or nginx ends it (`client_body_timeout`).
const STILL_SENDING: Duration = Duration::from_secs(20);
/// nginx sends this in the middle of a request: `HTTP/1.1 100 Continue` and two line ends.
const CONTINUE: u64 = 25;

/// What is known of the connections from earlier looks, by their cookies.
#[derive(Clone, Debug, Default)]
pub(super) struct SlowSenders(HashMap<u64, Sending>);

#[derive(Clone, Copy, Debug)]
struct Sending {
    /// Bytes that the server had sent, and the client, before it began.
    acked: u64,
    received_before: u64,
    /// When the first bytes came: the look before the one that has shown them.
    since: Duration,
    received: u64,
    /// When the last bytes came: the look that has shown them.
    last: Duration,
}

impl SlowSenders {
    /// Takes all connections, and returns those whose client is too slow. `websockets`: whether there are open ones, whose
    /// clients may send little for as long as they like; then only connections without any response yet are looked at.
    /// Times are monotonic.
    pub(super) fn look(
        &mut self,
        connections: &[TcpConnection],
        websockets: bool,
        now: Duration,
    ) -> Vec<TcpConnection> {
        let known = std::mem::take(&mut self.0);
        let mut slow = Vec::new();
        for connection in connections {
            let begin = Sending {
                acked: connection.acked,
                received_before: connection.received,
                since: now,
                received: connection.received,
                last: now,
            };
            let mut sending = match known.get(&connection.cookie) {
                Some(sending) if sending.acked == connection.acked => *sending,
                // Without a response so far, all that came belongs to the first request.
                None if connection.acked <= CONTINUE => Sending {
                    received_before: 0,
                    ..begin
                },
                None | Some(_) => begin,
            };
            if connection.received > sending.received {
                (sending.received, sending.last) = (connection.received, now);
            } else if sending.received == sending.received_before {
                sending.since = now;
            }
            let looked_at = !websockets || connection.acked <= CONTINUE;
            if looked_at && sending.is_too_slow(now) {
                slow.push(*connection);
            }
            self.0.insert(connection.cookie, sending);
        }
        slow
    }
}

impl Sending {
    fn is_too_slow(&self, now: Duration) -> bool {
        let bytes = self.received - self.received_before;
        let time = self.last.saturating_sub(self.since).saturating_sub(GRACE);
        now.saturating_sub(self.last) < STILL_SENDING && bytes < MIN_RATE * time.as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(received: u64, acked: u64) -> TcpConnection {
        TcpConnection {
            cookie: 7,
            inode: 1,
            client: std::net::SocketAddr::from(([127, 0, 0, 1], 4000)),
            received,
            acked,
        }
    }

    /// The first second at which a client is too slow, that has sent and got these bytes at each second.
    fn slow_at(websockets: bool, bytes: impl Fn(u64) -> (u64, u64)) -> Option<u64> {
        let mut senders = SlowSenders::default();
        (0..300).find(|second| {
            let (received, acked) = bytes(*second);
            let now = Duration::from_secs(*second);
            !senders
                .look(&[connection(received, acked)], websockets, now)
                .is_empty()
        })
    }

    #[test]
    fn a_byte_now_and_then_is_too_slow() {
        assert_eq!(slow_at(false, |second| (100 + second / 5, 0)), Some(25));
        // Behind a response on the same connection, and behind "100 Continue".
        assert_eq!(slow_at(false, |second| (100 + second / 5, 900)), Some(25));
        assert_eq!(slow_at(true, |second| (100 + second / 5, 25)), Some(25));
        // A good beginning lasts for a while.
        assert_eq!(slow_at(false, |second| (50_000 + second, 0)), Some(121));
    }

    #[test]
    fn the_minimum_rate_is_fast_enough() {
        assert_eq!(slow_at(false, |second| (100 + second * 501, 0)), None);
    }

    #[test]
    fn who_waits_for_a_response_or_reads_it_is_not_slow() {
        // The request is complete after three seconds.
        assert_eq!(slow_at(false, |second| (100 + second.min(3), 0)), None);
        // The next request on a connection that was idle for a minute; its response takes long.
        assert_eq!(
            slow_at(false, |second| (100 + second.clamp(60, 61), 900)),
            None
        );
        // Requests and responses, each small.
        assert_eq!(
            slow_at(false, |second| (100 * (second / 10), 500 * (second / 10))),
            None
        );
        // A response that is taken slowly.
        assert_eq!(slow_at(false, |second| (100 + second, 900 + second)), None);
    }

    #[test]
    fn a_response_that_is_not_taken_excuses_nobody() {
        assert_eq!(slow_at(false, |second| (100 + second / 5, 900)), Some(25));
    }

    #[test]
    fn a_websocket_may_send_as_little_as_it_likes() {
        assert_eq!(slow_at(true, |second| (300 + second, 129)), None);
    }

    #[test]
    fn connections_that_are_gone_are_forgotten() {
        let mut senders = SlowSenders::default();
        senders.look(&[connection(1, 0)], false, Duration::ZERO);
        senders.look(&[], false, Duration::ZERO);
        assert!(senders.0.is_empty());
    }
}
