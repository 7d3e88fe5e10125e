//! The requests of the last minutes, in slices of time that go when they are too old. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use super::spread::Spread;
use crate::logs::observed::RequestFacts;
use crate::status::WindowStatus;

/// A span of time that ends now.
#[derive(Debug)]
pub(super) struct Window {
    slice: Duration,
    /// How many slices it has.
    length: u64,
    slices: VecDeque<Slice>,
}

/// The requests of a slice.
#[derive(Debug, Default)]
struct Slice {
    /// Which one it is, counted from the start.
    number: u64,
    figures: Figures,
}

/// Requests, as they are counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures {
    requests: u64,
    client_errors: u64,
    server_errors: u64,
    duration: Spread,
    queue: Spread,
    app: Spread,
}

impl Window {
    /// A window of `length` slices.
    pub(super) fn new(slice: Duration, length: u64) -> Self {
        Self {
            slice,
            length,
            slices: VecDeque::new(),
        }
    }

    /// Counts a request that was answered at `now`, since the start.
    pub(super) fn record(&mut self, request: &RequestFacts, now: Duration) {
        let number = self.number(now);
        if self.slices.back().is_none_or(|slice| slice.number < number) {
            // The oldest one is used again: it is large.
            let full = u64::try_from(self.slices.len()).is_ok_and(|n| n >= self.length);
            let oldest = if full { self.slices.pop_front() } else { None };
            let mut slice = oldest.unwrap_or_default();
            slice.number = number;
            slice.figures.clear();
            self.slices.push_back(slice);
        }
        if let Some(slice) = self.slices.back_mut() {
            slice.figures.record(request);
        }
    }

    /// What is known of the window that ends at `now`.
    pub(super) fn status(&self, now: Duration) -> WindowStatus {
        let number = self.number(now);
        let first = (number + 1).saturating_sub(self.length);
        let begin = self.slice * u32::try_from(first).unwrap_or(u32::MAX);
        let span = now.saturating_sub(begin);
        let mut slices = self.slices.iter().filter(|slice| slice.number >= first);
        let Some(oldest) = slices.next() else {
            return WindowStatus {
                seconds: span.as_secs_f64(),
                ..WindowStatus::default()
            };
        };
        let mut sum = oldest.figures.clone();
        for slice in slices {
            sum.add(&slice.figures);
        }
        sum.status(span)
    }

    fn number(&self, now: Duration) -> u64 {
        let number = now.as_millis() / self.slice.as_millis().max(1);
        u64::try_from(number).unwrap_or(u64::MAX)
    }
}

/// The same figures as those of a span of this length.
#[expect(clippy::cast_precision_loss, reason = "nobody answers 2^53 requests")]
pub(super) fn over(status: WindowStatus, span: Duration) -> WindowStatus {
    let seconds = span.as_secs_f64();
    let per_second = if seconds > 0.0 {
        status.requests as f64 / seconds
    } else {
        0.0
    };
    WindowStatus {
        seconds,
        per_second,
        ..status
    }
}

impl Figures {
    pub(super) fn record(&mut self, request: &RequestFacts) {
        self.requests += 1;
        match request.status {
            500.. => self.server_errors += 1,
            400..=499 | 0 => self.client_errors += 1,
            _ => {}
        }
        self.duration.record(request.duration);
        if let Some(queue) = request.queue {
            self.queue.record(queue);
        }
        if let Some(app) = request.app {
            self.app.record(app);
        }
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    /// The figures of requests that were answered in this time.
    pub(super) fn status(&self, span: Duration) -> WindowStatus {
        let status = WindowStatus {
            requests: self.requests,
            client_errors: self.client_errors,
            server_errors: self.server_errors,
            duration: self.duration.percentiles(),
            queue: self.queue.percentiles(),
            app: self.app.percentiles(),
            ..WindowStatus::default()
        };
        over(status, span)
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.client_errors += other.client_errors;
        self.server_errors += other.server_errors;
        self.duration.add(&other.duration);
        self.queue.add(&other.queue);
        self.app.add(&other.app);
    }

    fn clear(&mut self) {
        self.requests = 0;
        self.client_errors = 0;
        self.server_errors = 0;
        for spread in [&mut self.duration, &mut self.queue, &mut self.app] {
            spread.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(status: u16, duration: u32) -> RequestFacts {
        RequestFacts {
            method: 0,
            status,
            duration,
            queue: Some(1),
            app: None,
            replayed: false,
        }
    }

    #[test]
    fn old_requests_leave_the_window() {
        let second = Duration::from_secs;
        let mut window = Window::new(second(5), 12);
        for at in 0..200 {
            window.record(
                &request(if at % 10 == 0 { 503 } else { 404 }, 100),
                second(at),
            );
        }
        let status = window.status(second(199));
        // Twelve slices, of which the last is not over.
        assert!((status.seconds - 59.0).abs() < 1e-9, "{status:?}");
        assert_eq!(status.requests, 60);
        assert_eq!((status.server_errors, status.client_errors), (6, 54));
        assert!((status.queue.p50 - 0.001).abs() < 1e-9 && status.app.max == 0.0);
        let later = window.status(second(230));
        assert_eq!(later.requests, 25, "{later:?}");
        assert_eq!(window.status(second(999)).requests, 0);
        // Whoever begins has no minute yet.
        let young = Window::new(second(5), 12).status(second(3)).seconds;
        assert!((young - 3.0).abs() < 1e-9);
    }
}
