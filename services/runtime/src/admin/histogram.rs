//! Histograms of Prometheus, as another process reports them.

/// Buckets that are kept.
const MAX_BUCKETS: usize = 64;

/// Observations up to each bound.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram(Vec<(f64, u64)>);

impl Histogram {
    /// Adds the next bucket, with its bound as in `le`. Bounds that do not ascend are ignored.
    pub(super) fn add(&mut self, bound: &str, count: u64) {
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap_or(f64::NAN) };
        let ascends = self.0.last().is_none_or(|(last, _)| *last < bound);
        if ascends && !bound.is_nan() && self.0.len() < MAX_BUCKETS {
            self.0.push((bound, count));
        }
    }

    /// All observations.
    pub fn count(&self) -> u64 {
        self.0.last().map_or(0, |(_, count)| *count)
    }

    /// The observations that `earlier` does not contain; all of them if the process has restarted since.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let counts = self.0.iter().enumerate().map(|(index, (bound, count))| {
            let before = earlier
                .0
                .get(index)
                .filter(|(other, _)| other.total_cmp(bound).is_eq())
                .map_or(0, |(_, count)| *count);
            Some((*bound, count.checked_sub(before)?))
        });
        counts.collect::<Option<_>>().map_or_else(|| self.clone(), Self)
    }

    /// The bound of the bucket that contains the quantile `share` (0 to 1), in seconds: the true value is at most this.
    /// `None` without observations, and for values beyond the last bound.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let rank = (share * self.count() as f64).max(1.0);
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let bucket = self.0.iter().find(|(_, count)| *count > 0 && *count as f64 >= rank);
        bucket.map(|(bound, _)| *bound).filter(|bound| bound.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn histogram(buckets: &[(&str, u64)]) -> Histogram {
        let mut histogram = Histogram::default();
        for (bound, count) in buckets {
            histogram.add(bound, *count);
        }
        histogram
    }

    #[test]
    fn quantiles_are_bounds_of_buckets_and_unknown_beyond_the_last() {
        let inserts = histogram(&[("0.001", 10), ("0.01", 19), ("+Inf", 20)]);
        assert_eq!((inserts.count(), inserts.quantile(0.5)), (20, Some(0.001)));
        assert_eq!(inserts.quantile(0.95), Some(0.01));
        assert_eq!(inserts.quantile(0.99), None, "slower than every bound");
        assert_eq!(Histogram::default().quantile(0.5), None);
        assert_eq!(histogram(&[("1", 0), ("+Inf", 0)]).quantile(0.5), None);
    }

    #[test]
    fn a_window_contains_the_observations_since_its_start() {
        let earlier = histogram(&[("0.001", 10), ("0.01", 19), ("+Inf", 20)]);
        let later = histogram(&[("0.001", 10), ("0.01", 24), ("+Inf", 25)]);
        let window = later.since(&earlier);
        assert_eq!((window.count(), window.quantile(0.5)), (5, Some(0.01)));
        // After a restart the counts are smaller.
        assert_eq!(earlier.since(&later), earlier);
    }

    #[test]
    fn buckets_are_bounded_and_ascend() {
        let mut histogram = histogram(&[("2", 1), ("1", 9), ("x", 9), ("NaN", 9)]);
        assert_eq!(histogram, Histogram(vec![(2.0, 1)]));
        for bound in 3..1_000 {
            histogram.add(&bound.to_string(), 1);
        }
        assert_eq!(histogram.0.len(), MAX_BUCKETS);
    }

    proptest! {
        #[test]
        fn any_buckets_are_read_without_a_panic(
            buckets in prop::collection::vec((".{0,6}", any::<u64>()), 0..6),
            earlier in prop::collection::vec(("[0-9.]{0,3}", any::<u64>()), 0..6),
            share in 0.0..1.0_f64,
        ) {
            let [later, earlier] = [buckets, earlier].map(|buckets| {
                let mut histogram = Histogram::default();
                for (bound, count) in &buckets {
                    histogram.add(bound, *count);
                }
                histogram
            });
            let _ = later.since(&earlier).quantile(share);
        }
    }
}
