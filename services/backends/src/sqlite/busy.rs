//! Waiting for another process's lock.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::backoff::Backoff;

/// A lock that another process holds longer than this makes the file unavailable.
pub(super) const BUSY_LIMIT: Duration = Duration::from_secs(2);

/// Between attempts to take a lock. Transactions here take well under a millisecond.
const BACKOFF: Backoff = Backoff { first: Duration::from_micros(200), max: Duration::from_millis(2) };

/// A busy handler that waits up to [`BUSY_LIMIT`] for a lock, in short intervals. `SQLite`'s own handler soon waits
/// 100 ms at a time, which starves a connection that meets a busy writer.
pub(super) fn busy_handler() -> impl FnMut(i32) -> bool + Send + 'static {
    let mut since = Instant::now();
    move |tries| {
        if tries == 0 {
            since = Instant::now();
        }
        let may_wait = since.elapsed() < BUSY_LIMIT;
        if may_wait {
            pause(tries.unsigned_abs().saturating_add(1));
        }
        may_wait
    }
}

/// Blocks the thread after `failures` failed attempts in a row.
#[expect(clippy::disallowed_methods, reason = "on an adapter's own thread, never on the runtime's")]
pub(super) fn pause(failures: u32) {
    thread::sleep(BACKOFF.after(failures));
}
