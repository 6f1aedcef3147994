//! The time of the counts: seconds since the start, which no change of the host's clock affects.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::mesh::Period;

/// Counts from its creation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Whole seconds since the start.
    pub(crate) fn second(self) -> u32 {
        u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    /// Relates the host's time to the seconds since the start, as of now.
    pub(crate) fn reading(self) -> Reading {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Reading { now: millis(since), elapsed: millis(self.started.elapsed()) }
    }
}

/// One moment, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// Since 1970.
    pub(crate) now: u64,
    /// Since the start.
    elapsed: u64,
}

impl Reading {
    /// The seconds of a period that ends at `end`, in milliseconds since 1970. Its last second may not be over.
    pub(crate) fn period(self, end: u64, lookback: u64) -> Period {
        let age = self.now.saturating_sub(end);
        let Some(end) = self.elapsed.checked_sub(age) else { return Period { from: 0, to: 0 } };
        let second = |millis: u64| u32::try_from(millis / 1_000).unwrap_or(u32::MAX);
        let to = second(end).saturating_add(1);
        Period { from: to.saturating_sub(second(lookback.saturating_add(999))), to }
    }

    /// The moment of a second, in milliseconds since 1970; not in the future.
    pub(crate) fn moment(self, second: u32) -> u64 {
        let started = self.now.saturating_sub(self.elapsed);
        started.saturating_add(u64::from(second) * 1_000).min(self.now)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_includes_the_second_that_is_not_over() {
        let reading = Reading { now: 1_000_000_000, elapsed: 100_400 };
        let period = |end, lookback| {
            let Period { from, to } = reading.period(end, lookback);
            (from, to)
        };
        assert_eq!(period(1_000_000_000, 60_000), (41, 101));
        assert_eq!(period(2_000_000_000, 60_000), (41, 101), "an end in the future is now");
        assert_eq!(period(1_000_000_000, 86_400_000), (0, 101));
        assert_eq!(period(1_000_000_000 - 50_000, 1_500), (49, 51));
        assert_eq!(period(1_000_000_000 - 200_000, 60_000), (0, 0), "before the start");
        assert_eq!(reading.moment(100), 1_000_000_000 - 400);
        assert_eq!(reading.moment(101), 1_000_000_000);
    }
}
