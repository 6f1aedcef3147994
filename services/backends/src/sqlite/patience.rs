//! How long and in what steps a thread waits for another process's lock, or for a failed file.

use std::{
    thread,
    time::{Duration, Instant},
};

/// A lock that another process holds longer than this makes the file unavailable.
pub(super) const BUSY_LIMIT: Duration = Duration::from_secs(2);

const FIRST_WAIT: Duration = Duration::from_micros(100);
const LONGEST_WAIT: Duration = Duration::from_millis(2);
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// A busy handler that waits 0.1 to 2 ms at a time, jittered, and at most [`BUSY_LIMIT`] for a lock.
///
/// Transactions here take well under a millisecond; `SQLite`'s own handler soon waits 100 ms at a time, which
/// starves whoever meets a busy writer.
pub(super) fn busy_handler() -> impl FnMut(i32) -> bool + Send + 'static {
    let mut since = Instant::now();
    move |tries| {
        if tries == 0 {
            since = Instant::now();
        }
        let patient = since.elapsed() < BUSY_LIMIT;
        if patient {
            pause(jittered(doubled(FIRST_WAIT, tries.unsigned_abs(), LONGEST_WAIT)));
        }
        patient
    }
}

/// How long a file that has failed `failures` times in a row is left alone: 50 ms to 1 s.
pub(super) fn backoff(failures: u32) -> Duration {
    jittered(doubled(FIRST_BACKOFF, failures.saturating_sub(1), LONGEST_BACKOFF))
}

/// Half to all of `duration`, at random, so that processes that failed together do not return together.
pub(super) fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// Stops the thread for `duration`. Only for the threads of this module's adapters.
#[expect(clippy::disallowed_methods, reason = "runs on a thread of its own, never on the runtime's")]
pub(super) fn pause(duration: Duration) {
    thread::sleep(duration);
}

fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_from_50_ms_and_stays_within_1_s() {
        for failures in 0..100 {
            let pause = backoff(failures);
            assert!(pause >= Duration::from_millis(25) && pause <= Duration::from_secs(1), "{pause:?}");
        }
        assert!(backoff(100) >= Duration::from_millis(500));
    }
}
