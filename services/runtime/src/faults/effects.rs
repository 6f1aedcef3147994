//! Effects that take resources of the process: CPU time, memory, and its one thread.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

/// CPU time that is burnt before other calls get their turn.
const SLICE: Duration = Duration::from_millis(1);

/// Bytes that all calls of a process hold at most. Beyond that, a call holds nothing: the process must survive its drill.
const MAX_HELD: usize = 1 << 30;

static HELD: AtomicUsize = AtomicUsize::new(0);

/// Burns this much CPU time of the thread, in slices, between which other calls get their turn.
pub async fn burn(mut left: Duration) {
    while !left.is_zero() {
        let slice = left.min(SLICE);
        let end = cpu_time() + slice;
        while cpu_time() < end {
            std::hint::spin_loop();
        }
        left -= slice;
        tokio::task::yield_now().await;
    }
}

/// The CPU time that this thread has used.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Memory that is held until this is dropped.
#[must_use = "the memory is held until this is dropped"]
pub struct Held(Vec<u8>);

/// Holds this many bytes; `None` where the calls of the process together would hold more than 1 GiB.
pub fn hold(bytes: u64) -> Option<Held> {
    let bytes = usize::try_from(bytes).ok()?;
    let more = |held: usize| held.checked_add(bytes).filter(|held| *held <= MAX_HELD);
    HELD.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
    // Written, since a page that was never written takes no memory.
    Some(Held(vec![1; bytes]))
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn cpu_time_is_burnt_and_not_slept() {
        let before = cpu_time();
        burn(Duration::from_millis(20)).await;
        assert!(cpu_time() >= before + Duration::from_millis(20));
    }

    #[test]
    fn the_calls_of_a_process_hold_at_most_a_gibibyte() {
        let held: Vec<_> = std::iter::from_fn(|| hold(64 << 20)).take(100).collect();
        assert!((1..=16).contains(&held.len()), "{}", held.len());
        assert!(hold(1 << 30).is_none());
        drop(held);
        assert!(hold(1).is_some());
    }
}
