//! Durations in sparse logarithmic steps, from which percentiles follow with a known error.

use octet_zipkin::edges::Percentiles;

/// Steps per doubling, as a power of two: a value differs from the middle of its step by at most 1/32, or 3.2 %.
const PRECISION: u32 = 4;
const PER_DOUBLING: u32 = 1 << PRECISION;

/// The number of all steps of 32-bit values.
const STEPS: usize = ((32 - PRECISION as usize) + 1) * PER_DOUBLING as usize;

/// The overhead of an allocation.
const ALLOCATION: usize = 16;

/// Microseconds, up to 71 minutes; longer ones count as 71 minutes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histogram {
    /// Ordered by step.
    steps: Vec<Step>,
    range: Option<(u32, u32)>,
}

/// A step and its count, in 6 bytes: a second at peak load has a hundred of them on every edge.
#[derive(Debug, Clone, Copy)]
struct Step {
    step: u16,
    count: [u16; 2],
}

impl Step {
    fn count(self) -> u32 {
        let [low, high] = self.count;
        u32::from(low) | u32::from(high) << 16
    }

    fn set(&mut self, count: u32) {
        let [low_0, low_1, high_0, high_1] = count.to_le_bytes();
        self.count = [u16::from_le_bytes([low_0, low_1]), u16::from_le_bytes([high_0, high_1])];
    }
}

impl Histogram {
    pub(crate) fn add(&mut self, micros: u32) {
        self.add_times(step(micros), 1);
        let (least, most) = self.range.unwrap_or((micros, micros));
        self.range = Some((least.min(micros), most.max(micros)));
    }

    /// Takes back a value that was added. The least and the greatest value stay: they only narrow percentiles.
    pub(super) fn remove(&mut self, micros: u32) {
        if let Ok(index) = self.steps.binary_search_by_key(&step(micros), |entry| entry.step)
            && let Some(entry) = self.steps.get_mut(index)
        {
            entry.set(entry.count().saturating_sub(1));
        }
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        for entry in &other.steps {
            self.add_times(entry.step, entry.count());
        }
        let ranges = [self.range, other.range].into_iter().flatten();
        self.range = ranges.reduce(|(least, most), other| (least.min(other.0), most.max(other.1)));
    }

    /// The bytes of its allocation.
    pub(super) fn bytes(&self) -> usize {
        if self.steps.capacity() == 0 { 0 } else { self.steps.capacity() * size_of::<Step>() + ALLOCATION }
    }

    fn add_times(&mut self, step: u16, times: u32) {
        match self.steps.binary_search_by_key(&step, |entry| entry.step) {
            Ok(index) => {
                if let Some(entry) = self.steps.get_mut(index) {
                    entry.set(entry.count().saturating_add(times));
                }
            }
            Err(index) => {
                if self.steps.len() == self.steps.capacity() {
                    self.steps.reserve_exact((self.steps.len() / 2).max(4));
                }
                let mut entry = Step { step, count: [0, 0] };
                entry.set(times);
                self.steps.insert(index, entry);
            }
        }
    }
}

/// The sum of histograms.
#[derive(Debug)]
pub(crate) struct Sum {
    counts: Vec<u64>,
    range: Option<(u32, u32)>,
}

impl Default for Sum {
    fn default() -> Self {
        Self { counts: vec![0; STEPS], range: None }
    }
}

impl Sum {
    pub(crate) fn add(&mut self, histogram: &Histogram) {
        for entry in &histogram.steps {
            if let Some(count) = self.counts.get_mut(usize::from(entry.step)) {
                *count += u64::from(entry.count());
            }
        }
        let ranges = [self.range, histogram.range].into_iter().flatten();
        self.range = ranges.reduce(|(least, most), other| (least.min(other.0), most.max(other.1)));
    }

    /// Percentiles by the nearest rank.
    pub(super) fn percentiles(&self) -> Percentiles {
        Percentiles { p50: self.at(50), p99: self.at(99) }
    }

    /// A percentile in microseconds; `None` without values.
    pub(crate) fn at(&self, percent: u64) -> Option<u64> {
        let (least, most) = self.range?;
        let total: u64 = self.counts.iter().sum();
        let rank = (total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let step = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(middle(step).clamp(u64::from(least), u64::from(most)))
    }
}

/// The step of a value. Below 16 each value has its own.
fn step(micros: u32) -> u16 {
    let shift = (32 - micros.leading_zeros()).saturating_sub(PRECISION + 1);
    let step = shift * PER_DOUBLING + (micros >> shift);
    u16::try_from(step).unwrap_or(u16::MAX)
}

/// The middle of a step.
fn middle(step: usize) -> u64 {
    let step = u64::try_from(step).unwrap_or_default();
    let per_doubling = u64::from(PER_DOUBLING);
    // The first two doublings share the step width of one microsecond.
    let shift = (step / per_doubling).saturating_sub(1);
    let first = (step - shift * per_doubling) << shift;
    first + ((1 << shift) - 1) / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn histogram(values: &[u32]) -> Histogram {
        let mut histogram = Histogram::default();
        for value in values {
            histogram.add(*value);
        }
        histogram
    }

    fn sum(values: &[u32]) -> Sum {
        let histogram = histogram(values);
        let mut sum = Sum::default();
        sum.add(&histogram);
        sum
    }

    #[test]
    fn steps_are_contiguous_and_cover_all_values() {
        let mut before = 0;
        for value in (0..100_000).chain((0..15).rev().map(|power| u32::MAX >> power)) {
            let step = step(value);
            assert!(usize::from(step) < STEPS, "{value}");
            assert!(step >= before && (value > 100_000 || step <= before + 1), "{value}");
            before = step;
        }
    }

    #[test]
    fn one_value_is_exact_and_none_has_no_percentile() {
        assert_eq!(sum(&[123_457]).percentiles(), Percentiles { p50: Some(123_457), p99: Some(123_457) });
        assert_eq!(sum(&[]).percentiles(), Percentiles { p50: None, p99: None });
    }

    #[test]
    fn a_value_that_is_taken_back_counts_no_more() {
        let mut histogram = histogram(&[5, 5_000, 9_000_000]);
        histogram.remove(9_000_000);
        // It was never added.
        histogram.remove(77);
        let mut sum = Sum::default();
        sum.add(&histogram);
        let p99 = sum.at(99).expect("values");
        assert!(p99.abs_diff(5_000) * 32 <= 5_000, "{p99}");
    }

    proptest! {
        #[test]
        fn percentiles_are_within_a_thirty_second(values in prop::collection::vec(prop_oneof![0..200_u32, 0..10_000_000_u32, any::<u32>()], 1..300), cut in 0..300_usize) {
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let mut sum = Sum::default();
            // Merged from two parts, one of them by way of a coarser bucket.
            let (one, other) = values.split_at(cut.min(values.len()));
            let mut merged = Histogram::default();
            merged.absorb(&histogram(one));
            merged.absorb(&histogram(other));
            sum.add(&merged);
            for percent in [1, 50, 90, 99, 100] {
                let rank = (values.len() * percent).div_ceil(100).max(1);
                let exact = u64::from(sorted[rank - 1]);
                let found = sum.at(percent as u64).expect("values");
                prop_assert!(found.abs_diff(exact) * 32 <= exact, "p{percent}: {found}, exactly {exact}");
            }
        }
    }
}
