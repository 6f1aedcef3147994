//! Where prefetched messages lie until somebody asks for the next.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use lapin::message::Delivery;
use tokio::sync::{Notify, futures::Notified, watch};

/// Filled by the subscription, emptied by the consumer. Its length is bounded by the prefetch limit.
pub(super) struct Shelf {
    waiting: Mutex<VecDeque<Delivery>>,
    changed: Notify,
    phase: watch::Sender<Phase>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Open,
    /// Nothing is handed out any more; the broker may still send.
    Closed,
    /// Nor does the broker send any more.
    Cancelled,
}

/// What is on the shelf.
pub(super) enum Taken {
    Delivery(Box<Delivery>),
    Nothing,
    Closed,
}

impl Default for Shelf {
    fn default() -> Self {
        Self { waiting: Mutex::default(), changed: Notify::new(), phase: watch::Sender::new(Phase::Open) }
    }
}

impl Shelf {
    /// Ready when the shelf has changed since this was called; call it before [`take`](Self::take).
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// The oldest message. A caller that goes away afterwards holds it, so nothing falls between.
    pub(super) fn take(&self) -> Taken {
        let mut waiting = self.waiting();
        match waiting.pop_front() {
            _ if self.phase() != Phase::Open => Taken::Closed,
            Some(delivery) => Taken::Delivery(Box::new(delivery)),
            None => Taken::Nothing,
        }
    }

    /// Puts a message down; gives it back when the shelf is closed.
    pub(super) fn put(&self, delivery: Delivery) -> Result<(), Box<Delivery>> {
        let mut waiting = self.waiting();
        if self.phase() != Phase::Open {
            return Err(Box::new(delivery));
        }
        waiting.push_back(delivery);
        drop(waiting);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Forgets what lies there: it came by a connection that is lost.
    pub(super) fn clear(&self) {
        self.waiting().clear();
    }

    /// Closes the shelf for good and hands over what lay on it.
    pub(super) fn close(&self) -> VecDeque<Delivery> {
        let mut waiting = self.waiting();
        self.advance(Phase::Closed);
        let left = std::mem::take(&mut *waiting);
        drop(waiting);
        self.changed.notify_waiters();
        left
    }

    /// Whether [`close`](Self::close) was called.
    pub(super) fn is_closed(&self) -> bool {
        self.phase() != Phase::Open
    }

    /// Returns once [`close`](Self::close) is called.
    pub(super) async fn closing(&self) {
        self.reached(Phase::Closed).await;
    }

    /// The broker has stopped sending, and everything it sent has been dealt with.
    pub(super) fn cancelled(&self) {
        self.advance(Phase::Cancelled);
    }

    /// Returns once [`cancelled`](Self::cancelled) is called.
    pub(super) async fn is_cancelled(&self) {
        self.reached(Phase::Cancelled).await;
    }

    fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| std::mem::replace(phase, to.max(*phase)) < to);
    }

    async fn reached(&self, wanted: Phase) {
        // The sender lives as long as `self`.
        let _ = self.phase.subscribe().wait_for(|phase| *phase >= wanted).await;
    }

    /// A thread that panicked while it held the lock cannot have left the shelf half-changed.
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Delivery>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
