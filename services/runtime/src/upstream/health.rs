//! Whether one address of an upstream is used: not while it cannot be reached, nor after failures in a row.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::Backoff;

/// Failures in a row after which an address is left out.
const FAILURES: u32 = 5;

/// How long it is left out; then one call tries it.
const LEFT_OUT: Backoff = Backoff::new(Duration::from_secs(5), Duration::from_mins(1));

/// After this time in use, the next time it is left out is short again.
const STEADY: Duration = Duration::from_mins(1);

/// The state of one address.
#[derive(Debug)]
pub(super) struct Health {
    is_reachable: bool,
    /// In a row.
    failures: u32,
    left_out: Option<LeftOut>,
    backoff: Backoff,
    /// When it was used again.
    returned: Option<Instant>,
}

#[derive(Debug)]
struct LeftOut {
    until: Instant,
    /// A call is trying it.
    is_tried: bool,
}

/// What an address is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Used,
    /// It was left out, and one call may try it.
    Due,
    LeftOut,
    Unreachable,
}

impl Default for Health {
    fn default() -> Self {
        Self { is_reachable: true, failures: 0, left_out: None, backoff: LEFT_OUT, returned: None }
    }
}

impl Health {
    pub(super) fn state(&self, now: Instant) -> State {
        match &self.left_out {
            _ if !self.is_reachable => State::Unreachable,
            None => State::Used,
            Some(left_out) if now >= left_out.until && !left_out.is_tried => State::Due,
            Some(_) => State::LeftOut,
        }
    }

    /// A call uses the address: where it is due, no other call tries it as well. Returns whether this is that call.
    pub(super) fn start(&mut self, now: Instant) -> bool {
        let is_due = self.state(now) == State::Due;
        if let Some(left_out) = self.left_out.as_mut().filter(|_| is_due) {
            left_out.is_tried = true;
        }
        is_due
    }

    /// The call that tried the address ended without showing anything.
    pub(super) fn leave(&mut self) {
        if let Some(left_out) = &mut self.left_out {
            left_out.is_tried = false;
        }
    }

    /// A call succeeded. Returns whether the address is used again.
    pub(super) fn succeeded(&mut self, now: Instant) -> bool {
        self.failures = 0;
        let returns = self.left_out.take().is_some() || !self.is_reachable;
        self.is_reachable = true;
        if returns {
            self.returned = Some(now);
        }
        returns
    }

    /// A call failed. Returns how long the address is left out, if it is from now on.
    pub(super) fn failed(&mut self, now: Instant) -> Option<Duration> {
        self.failures += 1;
        let is_left_out = match &self.left_out {
            // Calls that started before, or because too few addresses were left, change nothing.
            Some(left_out) => left_out.is_tried,
            None => self.failures >= FAILURES,
        };
        if !is_left_out {
            return None;
        }
        if self.returned.is_some_and(|returned| now.duration_since(returned) >= STEADY) {
            self.backoff = LEFT_OUT;
        }
        let pause = self.backoff.pause();
        self.left_out = Some(LeftOut { until: now + pause, is_tried: false });
        Some(pause)
    }

    /// No connection, or the upstream refused the call. Returns whether that is new.
    pub(super) fn refused(&mut self) -> bool {
        self.leave();
        std::mem::replace(&mut self.is_reachable, false)
    }

    /// A connection was possible. Returns whether that is new.
    pub(super) fn reached(&mut self) -> bool {
        !std::mem::replace(&mut self.is_reachable, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_leave_an_address_out_until_one_call_succeeds() {
        let (mut health, start) = (Health::default(), Instant::now());
        for _ in 0..FAILURES - 1 {
            assert_eq!(health.failed(start), None);
        }
        health.succeeded(start);
        for _ in 0..FAILURES - 1 {
            assert_eq!(health.failed(start), None, "in a row");
        }
        let pause = health.failed(start).expect("left out");
        assert_eq!(health.state(start), State::LeftOut);
        assert_eq!(health.failed(start), None, "a call that started before");

        let due = start + pause;
        assert_eq!(health.state(due), State::Due);
        assert!(health.start(due));
        assert_eq!(health.state(due), State::LeftOut, "one call tries it");
        health.leave();
        assert_eq!(health.state(due), State::Due, "that call showed nothing");
        assert!(health.start(due));
        let again = health.failed(due).expect("left out again");
        assert!(again >= Duration::from_secs(5), "longer: {again:?}");
        let due = due + again;
        assert!(health.start(due));
        assert!(health.succeeded(due));
        assert_eq!(health.state(due), State::Used);
    }

    #[test]
    fn an_address_that_was_in_use_for_long_is_left_out_briefly_again() {
        let (mut health, mut now) = (Health::default(), Instant::now());
        for _ in 0..FAILURES {
            health.failed(now);
        }
        for _ in 0..6 {
            now += Duration::from_hours(1);
            assert!(health.start(now));
            health.failed(now);
        }
        now += Duration::from_hours(1);
        health.start(now);
        health.succeeded(now);
        now += STEADY;
        let pauses: Vec<_> = (0..FAILURES).filter_map(|_| health.failed(now)).collect();
        assert!(pauses[0] <= Duration::from_secs(5), "{pauses:?}");
    }

    #[test]
    fn an_address_that_cannot_be_reached_is_used_once_it_can() {
        let (mut health, now) = (Health::default(), Instant::now());
        assert!(health.refused());
        assert!(!health.refused(), "known");
        assert_eq!(health.state(now), State::Unreachable);
        assert!(health.reached());
        assert_eq!(health.state(now), State::Used);
    }
}
