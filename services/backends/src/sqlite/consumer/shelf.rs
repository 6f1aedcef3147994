//! Where leased messages lie until somebody asks for the next.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, futures::Notified};

use super::leases::{Lease, Leased};

/// Filled by the keeper, emptied by the consumer. Its length is bounded by the prefetch limit.
#[derive(Default)]
pub(super) struct Shelf {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Leased>,
    closed: bool,
}

/// What is on the shelf.
pub(super) enum Taken {
    Leased(Leased),
    Nothing,
    Closed,
}

impl Shelf {
    /// Ready when the shelf has changed since this was called; call it before [`take`](Self::take).
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// The oldest message. A caller that goes away afterwards holds it, so nothing falls between.
    pub(super) fn take(&self) -> Taken {
        let mut state = self.state();
        match state.waiting.pop_front() {
            _ if state.closed => Taken::Closed,
            Some(leased) => Taken::Leased(leased),
            None => Taken::Nothing,
        }
    }

    /// Puts a message down, or hands its lease back when the shelf is closed.
    pub(super) fn put(&self, leased: Leased) -> Result<(), Lease> {
        let mut state = self.state();
        if state.closed {
            return Err(leased.lease);
        }
        state.waiting.push_back(leased);
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Takes a message away whose lease was lost. Whether it was still there.
    pub(super) fn discard(&self, lease: Lease) -> bool {
        let mut state = self.state();
        let before = state.waiting.len();
        state.waiting.retain(|leased| leased.lease != lease);
        state.waiting.len() < before
    }

    /// Closes the shelf for good and hands over the leases of what lay on it.
    pub(super) fn close(&self) -> Vec<Lease> {
        let mut state = self.state();
        state.closed = true;
        let leases = state.waiting.drain(..).map(|leased| leased.lease).collect();
        drop(state);
        self.changed.notify_waiters();
        leases
    }

    /// A thread that panicked while it held the lock cannot have left the shelf half-changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
