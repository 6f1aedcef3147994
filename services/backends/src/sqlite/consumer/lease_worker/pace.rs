//! When the lease worker polls and when it renews.

use std::time::{Duration, Instant};

use super::super::super::settings::SqliteQueueSettings;
use crate::backoff::jittered;

/// How long the worker waits for a command when it has neither to poll nor to renew.
pub(super) const IDLE_WAIT: Duration = Duration::from_hours(1);

/// Polls an empty queue less and less often, and a busy one at once.
pub(super) struct Pace {
    renew_every: Duration,
    min_poll: Duration,
    max_poll: Duration,
    /// Between the last poll and the next.
    interval: Duration,
    poll_at: Instant,
    renew_at: Instant,
}

impl Pace {
    pub(super) fn of(settings: &SqliteQueueSettings) -> Self {
        let now = Instant::now();
        Self {
            renew_every: settings.renew_every,
            min_poll: settings.min_poll,
            max_poll: settings.max_poll,
            interval: settings.min_poll,
            poll_at: now,
            renew_at: now + settings.renew_every,
        }
    }

    pub(super) fn until_poll(&self) -> Duration {
        self.poll_at.saturating_duration_since(Instant::now())
    }

    pub(super) fn until_renewal(&self) -> Duration {
        self.renew_at.saturating_duration_since(Instant::now())
    }

    pub(super) fn is_poll_due(&self) -> bool {
        self.until_poll().is_zero()
    }

    pub(super) fn is_renewal_due(&self) -> bool {
        self.until_renewal().is_zero()
    }

    /// A poll found the queue empty.
    pub(super) fn found_nothing(&mut self) {
        self.interval = self.interval.saturating_mul(2).min(self.max_poll);
        self.poll_at = Instant::now() + jittered(self.interval);
    }

    /// A transaction was committed that carried out `commands` and took `taken` messages of `slots` at most.
    pub(super) fn worked(&mut self, renewing: bool, taken: usize, slots: usize, commands: usize) {
        let now = Instant::now();
        if renewing {
            self.renew_at = now + self.renew_every;
        }
        if taken == 0 && commands == 0 {
            return self.found_nothing();
        }
        self.interval = self.min_poll;
        // When all slots were filled, more messages may wait: poll at once.
        self.poll_at = if taken == slots { now } else { now + jittered(self.min_poll) };
    }

    /// The file failed: poll and renew later, so that this does not loop on a lost file.
    pub(super) fn failed(&mut self) {
        let later = Instant::now() + jittered(self.max_poll);
        self.poll_at = later;
        self.renew_at = self.renew_at.max(later);
    }
}
