//! How long to wait before the next attempt.

use std::time::{Duration, Instant};

use super::fault::Cure;

/// A connection that lived for less counts as another failed attempt.
const STEADY: Duration = Duration::from_secs(5);

const LONGEST: Duration = Duration::from_secs(1);

/// The waits between attempts to connect: they grow with every failure in a row.
#[derive(Default)]
pub(super) struct Pauses {
    failures: u32,
}

impl Pauses {
    /// How long to wait now that an attempt, or the connection that was made at `connected`, has failed.
    pub(super) fn after(&mut self, cure: Cure, connected: Option<Instant>) -> Duration {
        if connected.is_some_and(|since| since.elapsed() >= STEADY) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        match cure {
            Cure::Waiting => backoff(self.failures, LONGEST),
            Cure::Operator => Duration::from_millis(fastrand::u64(2_000..=4_000)),
        }
    }
}

/// How long to wait now that a dead letter could not be published `failures` times: 25 ms to 2 s.
pub(super) fn before_the_next_letter(failures: u32) -> Duration {
    backoff(failures, 2 * LONGEST)
}

/// 50 ms after the first failure, doubled with every further one up to `longest`, less up to half of that at random.
fn backoff(failures: u32, longest: Duration) -> Duration {
    let pause = Duration::from_millis(50 << failures.saturating_sub(1).min(8)).min(longest);
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_grow_from_50_ms_and_stay_within_1_s() {
        let mut pauses = Pauses::default();
        assert!(pauses.after(Cure::Waiting, None) <= Duration::from_millis(50));
        for _ in 0..100 {
            let pause = pauses.after(Cure::Waiting, Some(Instant::now()));
            assert!(pause >= Duration::from_millis(25) && pause <= Duration::from_secs(1), "{pause:?}");
        }
        assert!(pauses.after(Cure::Waiting, None) >= Duration::from_millis(500));
        assert!(pauses.after(Cure::Operator, None) >= Duration::from_secs(2));
    }

    #[test]
    fn dead_letters_pause_as_long_as_the_store_does() {
        assert!(before_the_next_letter(1) <= Duration::from_millis(50));
        for failures in 0..100 {
            let pause = before_the_next_letter(failures);
            assert!(pause >= Duration::from_millis(25) && pause <= Duration::from_secs(2), "{pause:?}");
        }
        assert!(before_the_next_letter(u32::MAX) >= Duration::from_secs(1));
    }
}
