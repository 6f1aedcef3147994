//! Waits between attempts: growing, bounded and random.

use std::time::Duration;

/// The wait after each failed attempt: `first`, doubled with every further failure, at most `max`.
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) max: Duration,
}

impl Backoff {
    /// The wait after `failures` failures in a row, jittered.
    pub(crate) fn after(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1);
        jittered(self.first.saturating_mul(2_u32.saturating_pow(doublings)).min(self.max))
    }
}

/// Half to all of `duration`, at random, so that clients that failed together do not return together.
pub(crate) fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_the_first_to_the_maximum() {
        let backoff = Backoff { first: Duration::from_millis(50), max: Duration::from_secs(1) };
        let ranges = [(0, 25..=50), (1, 25..=50), (2, 50..=100), (5, 400..=800), (6, 500..=1_000)];
        for (failures, range) in ranges.into_iter().chain([(u32::MAX, 500..=1_000)]) {
            let wait = backoff.after(failures).as_millis();
            assert!(range.contains(&wait), "{wait} ms after {failures}");
        }
    }
}
