//! The one way in which tests wait for a condition.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_mins(2);
const BETWEEN_PROBES: Duration = Duration::from_millis(10);

/// What a probe of [`eventually`] returns: `true`, `Some` or `Ok` ends the wait.
pub trait Probed {
    /// What the wait returns.
    type Value;

    /// The value, or what to report if the wait fails.
    ///
    /// # Errors
    /// What was found instead; it follows the condition in the panic's message.
    fn value(self) -> Result<Self::Value, String>;
}

impl Probed for bool {
    type Value = ();

    fn value(self) -> Result<(), String> {
        self.then_some(()).value()
    }
}

impl<T> Probed for Option<T> {
    type Value = T;

    fn value(self) -> Result<T, String> {
        self.ok_or_else(String::new)
    }
}

impl<T, E: Display> Probed for Result<T, E> {
    type Value = T;

    fn value(self) -> Result<T, String> {
        self.map_err(|error| format!(": {error}"))
    }
}

/// Calls `probe` every 10 ms until it returns `true`, `Some(value)` or `Ok(value)`, and returns the value.
///
/// `what` is the expected condition: "the consumer is idle".
///
/// # Panics
/// After 2 minutes, with `what` and the last `Err`; at once, if `probe` panics.
pub async fn eventually<P: Probed>(what: &str, mut probe: impl AsyncFnMut() -> P) -> P::Value {
    let started = Instant::now();
    let mut last = String::new();
    while started.elapsed() < LIMIT {
        match tokio::time::timeout(LIMIT, probe()).await.map(Probed::value) {
            Ok(Ok(value)) => return value,
            Ok(Err(found)) => last = found,
            Err(_) => break,
        }
        tokio::time::sleep(BETWEEN_PROBES).await;
    }
    panic!("not within {} s: {what}{last}", LIMIT.as_secs());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_returns_the_value_of_the_first_probe_that_has_one() {
        let mut probes = 0;
        let value = eventually("three probes", async || {
            probes += 1;
            (probes == 3).then_some(probes)
        });
        assert_eq!(value.await, 3);
        eventually("true", async || true).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "not within 120 s: an answer")]
    async fn a_probe_that_hangs_fails_the_wait() {
        eventually("an answer", std::future::pending::<bool>).await;
    }
}
