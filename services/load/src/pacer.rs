//! The pace of an open loop: a permit for each request when it is due.
//!
//! A thread of its own keeps the pace: the runtime's timer has a resolution of a millisecond, which would be part of every
//! latency, and a runtime that is busy must not slow the pace down.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

/// Issues permits until it is dropped.
pub(crate) struct Pacer {
    stopped: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Pacer {
    /// Starts to add permits to `due`: the first at `start`, then `rate` a second, while they are due before `end`, up to
    /// `requests`.
    pub(crate) fn start(
        due: Arc<Semaphore>,
        start: Instant,
        rate: u32,
        end: Duration,
        requests: u64,
    ) -> io::Result<Self> {
        let stopped = Arc::new((Mutex::new(false), Condvar::new()));
        let watched = Arc::clone(&stopped);
        let thread = thread::Builder::new().name("pacer".into()).stack_size(64 * 1024).spawn(move || {
            let mut next = 0;
            while next < requests && offset(next, rate) < end {
                let count = due_after(start.elapsed(), rate, end, requests).saturating_sub(next);
                due.add_permits(usize::try_from(count).unwrap_or_default());
                next += count;
                let wait = offset(next, rate).saturating_sub(start.elapsed());
                let (lock, changed) = &*watched;
                let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
                let stopped = changed
                    .wait_timeout_while(guard, wait, |stopped| !*stopped)
                    .map_or_else(|poisoned| *poisoned.into_inner().0, |(stopped, _)| *stopped);
                if stopped {
                    return;
                }
            }
        })?;
        Ok(Self { stopped, thread: Some(thread) })
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        let (lock, changed) = &*self.stopped;
        *lock.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // It holds no lock that this thread needs, and ends now.
            let _ = thread.join();
        }
    }
}

/// When a request is due, after the start.
pub(crate) fn offset(index: u64, rate: u32) -> Duration {
    let rate = u64::from(rate.max(1));
    let nanos = u128::from(index % rate) * 1_000_000_000 / u128::from(rate);
    Duration::from_secs(index / rate) + Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())
}

/// How many requests are due after `elapsed`, before `end`, up to `requests`.
pub(crate) fn due_after(elapsed: Duration, rate: u32, end: Duration, requests: u64) -> u64 {
    let before_end = end.saturating_sub(Duration::from_nanos(1));
    let nanos = elapsed.min(before_end).as_nanos();
    let count = nanos * u128::from(rate) / 1_000_000_000 + 1;
    u64::try_from(count).unwrap_or(u64::MAX).min(requests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_sets_when_each_request_is_due() {
        assert_eq!(
            [0, 1, 300, 301].map(|index| offset(index, 300).as_micros()),
            [0, 3333, 1_000_000, 1_003_333]
        );
        // Far beyond any load, without drift or overflow.
        assert_eq!(offset(100_000_000, 50_000), Duration::from_secs(2_000));
        let end = Duration::from_secs(2);
        let due = |millis| due_after(Duration::from_millis(millis), 10, end, 100);
        assert_eq!([0, 99, 100, 1_000, 1_999, 9_000].map(due), [1, 1, 2, 11, 20, 20]);
        assert_eq!(due_after(Duration::from_secs(1), 10, end, 5), 5);
    }

    #[tokio::test]
    async fn the_pacer_issues_exactly_the_permits_of_its_time() {
        let due = Arc::new(Semaphore::new(0));
        let pacer = Pacer::start(Arc::clone(&due), Instant::now(), 1_000, Duration::from_millis(50), 1_000);
        let _pacer = pacer.expect("a thread");
        due.acquire_many(50).await.expect("open").forget();
        assert_eq!(due.available_permits(), 0);
    }

    #[test]
    fn a_dropped_pacer_ends_at_once() {
        let due = Arc::new(Semaphore::new(0));
        let started = Instant::now();
        drop(Pacer::start(due, started, 1, Duration::from_hours(1), u64::MAX).expect("a thread"));
        assert!(started.elapsed() < Duration::from_mins(10));
    }
}
