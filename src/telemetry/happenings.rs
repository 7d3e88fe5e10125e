//! What has happened: errors in groups, slow requests, events of the launcher. Pure.

use std::collections::VecDeque;

use crate::logs::observed::{ErrorFacts, EventFacts, SlowRequest};
use crate::status::{ErrorGroup, EventStatus, SlowRequestStatus};

/// Groups of errors that are kept; the one that has not happened for the longest time goes first.
const GROUPS: usize = 50;
/// Slow requests and events that are kept.
const KEPT: usize = 50;

/// The last of each kind.
#[derive(Debug, Default)]
pub(super) struct Happenings {
    /// The latest last.
    groups: Vec<ErrorGroup>,
    slow: VecDeque<SlowRequestStatus>,
    events: VecDeque<EventStatus>,
}

impl Happenings {
    /// Adds an error to its group.
    pub(super) fn error(&mut self, error: ErrorFacts) {
        let source = error.source.as_str();
        let is_same = |group: &ErrorGroup| {
            group.kind == error.kind && group.place == error.place && group.source == source
        };
        let now = timestamp(error.at);
        let mut group = match self.groups.iter().position(is_same) {
            Some(place) => self.groups.remove(place),
            None => ErrorGroup {
                source: source.to_owned(),
                kind: error.kind,
                place: error.place,
                message: String::new(),
                count: 0,
                first: now.clone(),
                last: String::new(),
                request: String::new(),
                request_id: String::new(),
            },
        };
        group.count += 1;
        group.last = now;
        group.message = error.message;
        group.request = error.request;
        group.request_id = error.request_id;
        if self.groups.len() >= GROUPS {
            self.groups.remove(0);
        }
        self.groups.push(group);
    }

    /// Adds a slow request.
    pub(super) fn slow(&mut self, request: SlowRequest) {
        let seconds = |milliseconds: u32| f64::from(milliseconds) / 1000.0;
        let facts = request.facts;
        push(
            &mut self.slow,
            SlowRequestStatus {
                ts: timestamp(request.at),
                request_id: request.request_id,
                method: request.method,
                path: request.path,
                status: facts.status,
                seconds: seconds(facts.duration),
                queue_seconds: facts.queue.map(seconds),
                app_seconds: facts.app.map(seconds),
                worker: request.worker,
                reason: request.reason,
            },
        );
    }

    /// Adds an event of the launcher.
    pub(super) fn event(&mut self, event: EventFacts) {
        push(
            &mut self.events,
            EventStatus {
                ts: timestamp(event.at),
                level: event.level.as_str().to_owned(),
                message: event.message,
            },
        );
    }

    pub(super) fn errors(&self) -> Vec<ErrorGroup> {
        self.groups.clone()
    }

    pub(super) fn slow_requests(&self) -> Vec<SlowRequestStatus> {
        self.slow.iter().cloned().collect()
    }

    pub(super) fn events(&self) -> Vec<EventStatus> {
        self.events.iter().cloned().collect()
    }
}

fn push<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() >= KEPT {
        list.pop_front();
    }
    list.push_back(item);
}

/// RFC 3339, UTC, with milliseconds.
fn timestamp(microseconds: u64) -> String {
    let milliseconds = i64::try_from(microseconds / 1000).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or(jiff::Timestamp::MAX);
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::Source;

    fn error(kind: &str, at: u64) -> ErrorFacts {
        ErrorFacts {
            at,
            source: Source::AppStderr,
            kind: kind.to_owned(),
            place: "main.py:3 in boom".to_owned(),
            message: format!("at {at}"),
            request_id: format!("r{at}"),
            request: "GET /".to_owned(),
        }
    }

    #[test]
    fn the_same_error_is_one_group_with_its_first_and_last_time() {
        let mut happenings = Happenings::default();
        for at in [1, 3_000_000] {
            happenings.error(error("KeyError", at));
            happenings.error(error("ValueError", at));
        }
        happenings.error(error("KeyError", 5_000_000));
        let groups = happenings.errors();
        let seen: Vec<_> = groups
            .iter()
            .map(|group| (group.kind.as_str(), group.count))
            .collect();
        assert_eq!(seen, [("ValueError", 2), ("KeyError", 3)]);
        let last = &groups[1];
        assert_eq!(last.first, "1970-01-01T00:00:00.000Z");
        assert_eq!(last.last, "1970-01-01T00:00:05.000Z");
        assert_eq!(
            (last.message.as_str(), last.request_id.as_str()),
            ("at 5000000", "r5000000")
        );
        for kind in 0..GROUPS {
            happenings.error(error(&kind.to_string(), 9));
        }
        assert_eq!(happenings.errors().len(), GROUPS);
        assert_eq!(happenings.errors()[0].kind, "0");
    }

    #[test]
    fn only_the_last_events_are_kept() {
        let mut happenings = Happenings::default();
        for at in 0..60 {
            happenings.event(EventFacts {
                at,
                level: crate::logs::Level::Warn,
                message: at.to_string(),
            });
        }
        let events = happenings.events();
        assert_eq!((events.len(), events[0].message.as_str()), (KEPT, "10"));
        assert_eq!(events[0].level, "warn");
    }
}
