//! Messages that the queue has sent and no caller has taken yet.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// A closable queue. An adapter fills it up to its prefetch limit; the consumer's callers empty it.
pub(crate) struct Prefetched<T> {
    state: Mutex<State<T>>,
    changed: Notify,
}

struct State<T> {
    waiting: VecDeque<T>,
    closed: bool,
}

impl<T> Default for Prefetched<T> {
    fn default() -> Self {
        let state = State { waiting: VecDeque::new(), closed: false };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }
}

impl<T> Prefetched<T> {
    /// Waits for the oldest message and takes it; `None` once this is closed. Safe to cancel.
    pub(crate) async fn next(&self) -> Option<T> {
        loop {
            // Before the look, so that no change between the two is missed.
            let changed = self.changed.notified();
            {
                let mut state = self.state();
                if state.closed {
                    return None;
                }
                if let Some(oldest) = state.waiting.pop_front() {
                    return Some(oldest);
                }
            }
            changed.await;
        }
    }

    /// Adds a message, or returns it when this is closed.
    pub(crate) fn put(&self, message: T) -> Result<(), T> {
        let mut state = self.state();
        if state.closed {
            return Err(message);
        }
        state.waiting.push_back(message);
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Removes the messages that `is_lost`; returns whether there was any.
    pub(crate) fn remove(&self, is_lost: impl Fn(&T) -> bool) -> bool {
        let mut state = self.state();
        let before = state.waiting.len();
        state.waiting.retain(|message| !is_lost(message));
        state.waiting.len() < before
    }

    /// Closes this for good and returns what was waiting.
    pub(crate) fn close(&self) -> VecDeque<T> {
        let mut state = self.state();
        state.closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.changed.notify_waiters();
        waiting
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Returns once [`close`](Self::close) is called.
    pub(crate) async fn closed(&self) {
        loop {
            let changed = self.changed.notified();
            if self.is_closed() {
                return;
            }
            changed.await;
        }
    }

    /// A thread that panicked while it held the lock cannot have left the state half-changed.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
