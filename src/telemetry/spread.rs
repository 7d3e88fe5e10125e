//! How long requests took: percentiles of a span of time, and the counts that Prometheus reads. Pure.

use hdrhistogram::Histogram;

use crate::status::{HistogramStatus, Percentiles};

/// Times up to an hour are told apart; longer ones count as an hour.
const LONGEST: u64 = 3_600_000;
/// Two digits of a time are right.
const DIGITS: u8 = 2;
/// Upper bounds in milliseconds: from an answer out of a cache to a request that is ended by the usual timeout.
const BOUNDS: [u32; 13] = [
    5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000,
];

/// The distribution of times in milliseconds.
#[derive(Debug, Clone)]
pub(super) struct Spread(Histogram<u32>);

impl Default for Spread {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST, DIGITS);
        Self(histogram.expect("these bounds are valid"))
    }
}

impl Spread {
    pub(super) fn record(&mut self, milliseconds: u32) {
        self.0.saturating_record(u64::from(milliseconds));
    }

    pub(super) fn add(&mut self, other: &Self) {
        // Both have the same bounds.
        let _: Result<(), _> = self.0.add(&other.0);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn percentiles(&self) -> Percentiles {
        if self.0.is_empty() {
            return Percentiles::default();
        }
        let at = |quantile| seconds(self.0.value_at_quantile(quantile).min(self.0.max()));
        Percentiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: seconds(self.0.max()),
        }
    }
}

/// Exact counts by upper bound, since the start.
#[derive(Debug, Clone, Default)]
pub(super) struct Buckets {
    /// By place in [`BOUNDS`]; the last one is for all that is above.
    counts: [u64; BOUNDS.len() + 1],
    milliseconds: u64,
}

impl Buckets {
    pub(super) fn record(&mut self, milliseconds: u32) {
        let place = BOUNDS.partition_point(|bound| *bound < milliseconds);
        self.counts[place] += 1;
        self.milliseconds += u64::from(milliseconds);
    }

    pub(super) fn status(&self) -> HistogramStatus {
        let mut count = 0;
        let bucket = |(bound, in_it): (&u32, &u64)| {
            count += in_it;
            (seconds(u64::from(*bound)), count)
        };
        let buckets = BOUNDS.iter().zip(&self.counts).map(bucket).collect();
        HistogramStatus {
            sum: seconds(self.milliseconds),
            count: self.counts.iter().sum(),
            buckets,
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "sums beyond 2^53 ms may lose their last digits"
)]
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_one_percent_and_never_above_the_longest() {
        let mut spread = Spread::default();
        assert_eq!(spread.percentiles(), Percentiles::default());
        for milliseconds in 1..=1000 {
            spread.record(milliseconds);
        }
        let Percentiles { p50, p90, p99, max } = spread.percentiles();
        for (seen, exact) in [(p50, 0.5), (p90, 0.9), (p99, 0.99), (max, 1.0)] {
            assert!(seen >= exact && seen <= exact * 1.01, "{seen} {exact}");
        }
        let mut both = Spread::default();
        both.record(u32::MAX);
        both.add(&spread);
        assert!(both.percentiles().max >= 3600.0 && both.percentiles().p50 <= 0.51);
        both.clear();
        assert_eq!(both.percentiles(), Percentiles::default());
    }

    #[test]
    fn buckets_are_cumulative_and_exact() {
        let mut buckets = Buckets::default();
        for milliseconds in [0, 5, 6, 60_000, 60_001] {
            buckets.record(milliseconds);
        }
        let status = buckets.status();
        assert_eq!(status.count, 5);
        assert!((status.sum - 120.012).abs() < 1e-9);
        assert_eq!(status.buckets[..2], [(0.005, 2), (0.01, 3)]);
        assert_eq!(status.buckets[12], (60.0, 4));
    }
}
