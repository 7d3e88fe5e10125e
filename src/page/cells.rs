//! What stands in one place of the page: a figure that may be unknown, a list of counts, the bars of the traffic. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::status::words;

/// In place of what is not known.
const UNKNOWN: &str = "–";
/// Units of the picture of the traffic: one for each second, and its height.
const SECONDS: usize = 60;
const HEIGHT: f64 = 16.0;

pub(super) fn number(value: Option<u64>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), |number| number.to_string())
}

pub(super) fn bytes(value: Option<u64>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), words::bytes)
}

pub(super) fn latency(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| UNKNOWN.to_owned(), words::latency)
}

/// A figure of a number of requests: unknown without any.
pub(super) fn of_requests(requests: u64, seconds: f64) -> String {
    latency((requests > 0).then_some(seconds))
}

/// Whole seconds, in words.
pub(super) fn age(seconds: Option<u64>) -> String {
    seconds.map_or_else(|| UNKNOWN.to_owned(), words::age)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an age is positive, and its fractions are not shown"
)]
pub(super) fn long_age(seconds: Option<f64>) -> String {
    age(seconds.map(|seconds| seconds as u64))
}

/// A share of one CPU.
pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or_else(
        || UNKNOWN.to_owned(),
        |share| format!("{:.0} %", share * 100.0),
    )
}

/// The time of day; for another day than that of `now`, the day too.
pub(super) fn when<'a>(ts: &'a str, now: &str) -> std::borrow::Cow<'a, str> {
    let time = words::time_of_day(ts);
    match (ts.get(5..10), now.get(..10)) {
        (Some(day), Some(today)) if ts.get(..10) != Some(today) => format!("{day} {time}").into(),
        _ => time.into(),
    }
}

/// The same time without the fractions, which change with every report.
pub(super) fn to_the_second(ts: &str) -> String {
    ts.get(..19)
        .map_or_else(|| ts.to_owned(), |seconds| format!("{seconds}Z"))
}

/// `timeout 2, crash 1`; those that have none are left out.
pub(super) fn counts(counts: &BTreeMap<String, u64>) -> String {
    let counts: Vec<String> = counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(cause, count)| format!("{} {count}", cause.replace('_', " ")))
        .collect();
    counts.join(", ")
}

/// How much of a bar of 100 units is filled.
#[expect(
    clippy::cast_precision_loss,
    reason = "the bar has a hundred units, and no more digits"
)]
pub(super) fn filled(part: u64, all: u64) -> f64 {
    (part as f64 / all.max(1) as f64 * 100.0).clamp(0.0, 100.0)
}

/// The path of an SVG picture of 60 to 16 units: a bar for each second, the last one at the right end.
pub(super) fn bars(per_second: &[u32]) -> String {
    let most = f64::from(per_second.iter().copied().max().unwrap_or(0).max(1));
    let first = SECONDS.saturating_sub(per_second.len());
    let mut path = String::new();
    for (place, count) in per_second.iter().take(SECONDS).enumerate() {
        if *count > 0 {
            let height = f64::from(*count) / most * HEIGHT;
            // Writing to a String cannot fail.
            let _ = write!(
                path,
                "M{} {HEIGHT}v-{height:.1}h.8V{HEIGHT}z",
                first + place
            );
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_no_zero() {
        assert_eq!(
            [
                number(None),
                bytes(None),
                latency(None),
                long_age(None),
                percent(None)
            ],
            [UNKNOWN; 5]
        );
        assert_eq!(
            [of_requests(0, 0.0), of_requests(1, 0.002)],
            [UNKNOWN, "2 ms"]
        );
        assert_eq!(
            [
                long_age(Some(61.9)),
                percent(Some(0.504)),
                bytes(Some(1 << 20))
            ],
            ["61 s", "50 %", "1M"]
        );
    }

    #[test]
    fn times_of_other_days_have_their_day() {
        let now = "2026-11-27T09:00:00Z";
        assert_eq!(when("2026-11-27T08:59:01.5Z", now), "08:59:01");
        assert_eq!(when("2026-11-26T23:59:01Z", now), "11-26 23:59:01");
        assert_eq!(when("", now), "");
        assert_eq!(
            to_the_second("2026-11-26T23:59:01.25Z"),
            "2026-11-26T23:59:01Z"
        );
        assert_eq!(to_the_second("x"), "x");
    }

    #[test]
    fn bars_end_at_the_right() {
        assert_eq!(bars(&[]), "");
        assert_eq!(bars(&[0, 0]), "");
        assert_eq!(bars(&[2, 0, 1]), "M57 16v-16.0h.8V16zM59 16v-8.0h.8V16z");
        assert_eq!(bars(&[1; 60]).matches('M').count(), 60);
        assert!(filled(3, 4) > 74.9 && filled(9, 0) < 100.1 && filled(0, 4) < 0.1);
    }

    #[test]
    fn counts_are_those_that_there_are() {
        let some = [("queue_full".to_owned(), 2), ("too_slow".to_owned(), 0)].into();
        assert_eq!(counts(&some), "queue full 2");
        assert_eq!(counts(&BTreeMap::new()), "");
    }
}
