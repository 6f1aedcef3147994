//! When the keeper polls and when it renews.

use std::time::{Duration, Instant};

use super::super::super::{patience::jittered, settings::SqliteQueueSettings};

/// How long the keeper waits for a command when neither polling nor renewing is due.
pub(super) const NOTHING_IS_DUE: Duration = Duration::from_hours(1);

/// Polls an empty queue ever more seldom, and at once a busy one.
pub(super) struct Pace {
    renew_every: Duration,
    fastest: Duration,
    slowest: Duration,
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
            fastest: settings.poll_fastest,
            slowest: settings.poll_slowest,
            interval: settings.poll_fastest,
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
        self.interval = self.interval.saturating_mul(2).min(self.slowest);
        self.poll_at = Instant::now() + jittered(self.interval);
    }

    /// A transaction was committed that carried out `commands` and took `taken` messages of `places` at most.
    pub(super) fn worked(&mut self, renewing: bool, taken: usize, places: usize, commands: usize) {
        let now = Instant::now();
        if renewing {
            self.renew_at = now + self.renew_every;
        }
        if taken == 0 && commands == 0 {
            return self.found_nothing();
        }
        self.interval = self.fastest;
        // A full harvest may have left some: no waiting before the next look.
        self.poll_at = if taken == places { now } else { now + jittered(self.fastest) };
    }

    /// The file did not work; what was due comes later, so that a lost file is not asked in a loop.
    pub(super) fn failed(&mut self) {
        let later = Instant::now() + jittered(self.slowest);
        self.poll_at = later;
        self.renew_at = self.renew_at.max(later);
    }
}
