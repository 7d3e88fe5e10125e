//! What passes through the log and is worth counting: requests, errors, the launcher's own events. Pure.
//!
//! The readers of the pipes collect it beside the records, also of records that are not kept, and give it to one
//! [`Observer`], batch by batch: a lock for each request would cost more than all that is done with it.

use std::fmt;

use super::record::{AccessRecord, Level, Source};

/// Who counts. Called on the threads of the log, which it must not block.
pub trait Observer: fmt::Debug + Send + Sync {
    /// Takes what was collected since the last call; leaves `seen` empty.
    fn observe(&self, seen: &mut Observed);
}

/// What was collected.
#[derive(Debug, Default)]
pub struct Observed {
    /// Every request of a client, in the order of the answers.
    pub requests: Vec<RequestFacts>,
    /// Those of them that were slow.
    pub slow: Vec<SlowRequest>,
    /// Responses of the application that ended before they were complete.
    pub cut: u64,
    /// Every error that is not an access record or the launcher's own.
    pub errors: Vec<ErrorFacts>,
    /// The launcher's own events.
    pub events: Vec<EventFacts>,
}

impl Observed {
    /// Whether there is nothing to take.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
            && self.slow.is_empty()
            && self.cut == 0
            && self.errors.is_empty()
            && self.events.is_empty()
    }

    /// Empties it for reuse.
    pub fn clear(&mut self) {
        self.requests.clear();
        self.slow.clear();
        self.cut = 0;
        self.errors.clear();
        self.events.clear();
    }

    /// Adds a request of a client; one that took `slow` milliseconds or more is kept with its texts.
    pub fn request(&mut self, record: &AccessRecord<'_>, slow: u64) {
        self.requests.push(RequestFacts::of(record));
        if record.duration >= slow {
            self.slow.push(SlowRequest::of(record));
        }
    }
}

/// The methods that are counted one by one; a client can make up others, and each would be a series of its own.
pub(crate) const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other",
];

/// A request, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestFacts {
    /// A place in [`METHODS`].
    pub method: u8,
    /// The status of the answer; 0 when there was none.
    pub status: u16,
    /// From the first byte of the request to the last of the answer, in milliseconds.
    pub duration: u32,
    /// Waiting for a slot, in milliseconds; none when no slot has answered.
    pub queue: Option<u32>,
    /// In the application, in milliseconds.
    pub app: Option<u32>,
    /// Whether a second worker has got it, because the first one had died.
    pub replayed: bool,
}

impl RequestFacts {
    fn of(record: &AccessRecord<'_>) -> Self {
        let other = METHODS.len() - 1;
        let method = METHODS[..other]
            .iter()
            .position(|method| method.as_bytes() == record.method)
            .unwrap_or(other);
        Self {
            method: u8::try_from(method).unwrap_or_default(),
            status: record.status,
            duration: clamped(record.duration),
            queue: record.queue.map(clamped),
            app: record.app().map(clamped),
            replayed: record.replayed,
        }
    }
}

/// 49 days are as good as for ever.
fn clamped(milliseconds: u64) -> u32 {
    u32::try_from(milliseconds).unwrap_or(u32::MAX)
}

/// A slow request, with what tells it from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowRequest {
    /// When it was answered, microseconds since 1970.
    pub at: u64,
    /// Its figures.
    pub facts: RequestFacts,
    /// As the client sent it.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Also on the records of the log.
    pub request_id: String,
    /// The number of the worker that has answered.
    pub worker: Option<u32>,
    /// Why the product itself has made the answer; empty when it is the application's.
    pub reason: String,
}

impl SlowRequest {
    fn of(record: &AccessRecord<'_>) -> Self {
        Self {
            at: record.at,
            facts: RequestFacts::of(record),
            method: unquoted(record.method),
            path: unquoted(record.path),
            request_id: unquoted(record.request_id),
            worker: record.worker,
            reason: unquoted(record.reason),
        }
    }
}

/// The text of a JSON string that is given without its quotes.
fn unquoted(json: &[u8]) -> String {
    let quoted = [b"\"", json, b"\""].concat();
    serde_json::from_slice(&quoted).unwrap_or_else(|_| String::from_utf8_lossy(json).into_owned())
}

/// An error in the log, with what makes it the same as others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorFacts {
    /// Microseconds since 1970.
    pub at: u64,
    /// The stream that it came from.
    pub source: Source,
    /// The type of the exception; without one, the message with `#` for each number.
    pub kind: String,
    /// Where it was raised: `file.py:12 in function`; empty when that is not known.
    pub place: String,
    /// One line.
    pub message: String,
    /// The request that it happened in; empty when there is none.
    pub request_id: String,
    /// Method and path of that request; empty when they are not known.
    pub request: String,
}

/// An event of the launcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFacts {
    /// Microseconds since 1970.
    pub at: u64,
    /// The severity.
    pub level: Level,
    /// The sentence, without the fields of the record.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(method: &'static [u8], duration: u64) -> AccessRecord<'static> {
        AccessRecord {
            at: 5,
            status: 200,
            duration,
            upstream: Some(90),
            queue: Some(12),
            worker: Some(3),
            reason: b"",
            replayed: false,
            health: false,
            object: b"{}",
            method,
            path: br"/a\u0007\\",
            remote_addr: b"10.0.0.1",
            request_id: b"ab",
        }
    }

    #[test]
    fn methods_are_bounded_and_only_slow_requests_keep_their_texts() {
        let mut seen = Observed::default();
        assert!(seen.is_empty());
        seen.request(&record(b"GET", 99), 100);
        seen.request(&record(b"PROPFIND", 100), 100);
        let methods: Vec<&str> = seen
            .requests
            .iter()
            .map(|facts| METHODS[usize::from(facts.method)])
            .collect();
        assert_eq!(methods, ["GET", "other"]);
        assert_eq!(
            (seen.requests[0].queue, seen.requests[0].app),
            (Some(12), Some(78))
        );
        assert_eq!(seen.slow.len(), 1);
        let slow = &seen.slow[0];
        assert_eq!(
            (slow.method.as_str(), slow.path.as_str()),
            ("PROPFIND", "/a\u{7}\\")
        );
        assert_eq!(slow.facts, seen.requests[1]);
    }
}
