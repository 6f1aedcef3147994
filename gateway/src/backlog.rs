//! Bounds what slow clients keep in memory.
//!
//! A request body that arrives slowly and a response that is read slowly need memory for as long as the client likes.
//! Permits would be the wrong bound: a few slow clients would hold all of them. Instead, transfers share a budget; when it
//! is exceeded, the transfer that has made no progress for the longest time is given up.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::BoxError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::{sync::oneshot, time::Instant};

/// A transfer without progress for this long is given up as soon as the budget is exceeded.
const STALE: Duration = Duration::from_millis(500);

/// The transfers in progress, and their budget. Clones share both.
#[derive(Clone)]
pub(crate) struct Backlog(Arc<Mutex<Table>>);

/// How much the transfers of a [`Backlog`] may occupy together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) transfers: usize,
    /// Beyond this, transfers that make no progress are given up.
    pub(crate) bytes: usize,
    /// Beyond this, others are too.
    pub(crate) max_bytes: usize,
}

struct Table {
    budget: Budget,
    bytes: usize,
    /// Grows with each step of any transfer: the smallest key belongs to the one that made no progress for the longest
    /// time.
    clock: u64,
    transfers: BTreeMap<u64, Item>,
}

struct Item {
    bytes: usize,
    since: Instant,
    give_up: oneshot::Sender<()>,
}

/// One transfer's part of the budget, until it is dropped.
pub(crate) struct Transfer {
    table: Arc<Mutex<Table>>,
    key: u64,
    paused: Option<oneshot::Sender<()>>,
}

/// Resolves when the transfer is given up, or has been dropped.
pub(crate) type GivenUp = oneshot::Receiver<()>;

impl Backlog {
    pub(crate) fn new(budget: Budget) -> Self {
        Self(Arc::new(Mutex::new(Table { budget, bytes: 0, clock: 0, transfers: BTreeMap::new() })))
    }

    /// Starts a transfer that occupies `bytes`.
    pub(crate) fn start(&self, bytes: usize) -> (Transfer, GivenUp) {
        let (give_up, given_up) = oneshot::channel();
        let key = lock(&self.0).insert(Item { bytes, since: Instant::now(), give_up });
        (Transfer { table: self.0.clone(), key, paused: None }, given_up)
    }
}

impl Transfer {
    /// The transfer has made progress and now occupies `bytes`.
    pub(crate) fn progress(&mut self, bytes: usize) {
        let mut table = lock(&self.table);
        // Absent if it was given up already.
        let give_up = self.paused.take().or_else(|| table.remove(self.key).map(|item| item.give_up));
        if let Some(give_up) = give_up {
            self.key = table.insert(Item { bytes, since: Instant::now(), give_up });
        }
    }

    /// The transfer does not wait for its client, and is not given up until its next progress.
    pub(crate) fn pause(&mut self) {
        if let Some(item) = lock(&self.table).remove(self.key) {
            self.paused = Some(item.give_up);
        }
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        lock(&self.table).remove(self.key);
    }
}

impl Table {
    fn insert(&mut self, item: Item) -> u64 {
        self.clock += 1;
        self.bytes += item.bytes;
        self.transfers.insert(self.clock, item);
        while let Some(stalest) = self.excess() {
            let Some(item) = self.remove(stalest) else { break };
            // Its owner may just have gone.
            let _ = item.give_up.send(());
        }
        self.clock
    }

    /// The transfer to give up, if any. A single one stays: it is within the limits of a request.
    fn excess(&self) -> Option<u64> {
        let (key, stalest) = self.transfers.first_key_value().filter(|_| self.transfers.len() > 1)?;
        let Budget { transfers, bytes, max_bytes } = self.budget;
        let is_over = self.bytes > max_bytes || self.transfers.len() > transfers;
        (is_over || self.bytes > bytes && stalest.since.elapsed() >= STALE).then_some(*key)
    }

    fn remove(&mut self, key: u64) -> Option<Item> {
        let item = self.transfers.remove(&key)?;
        self.bytes -= item.bytes;
        Some(item)
    }
}

/// Why a request body was not read to its end.
#[derive(Debug, thiserror::Error)]
#[error("too many slow request bodies; try again later")]
pub(crate) struct GaveUp;

/// A request body that takes part in a backlog while it arrives.
pub(crate) struct Upload<B> {
    body: B,
    transfer: Transfer,
    given_up: GivenUp,
    received: usize,
}

impl<B> Upload<B> {
    pub(crate) fn new(body: B, backlog: &Backlog) -> Self {
        let (transfer, given_up) = backlog.start(0);
        Self { body, transfer, given_up, received: 0 }
    }
}

impl<B> Body for Upload<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if Pin::new(&mut self.given_up).poll(context).is_ready() {
            return Poll::Ready(Some(Err(GaveUp.into())));
        }
        let polled = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &polled {
            self.received += frame.data_ref().map_or(0, Bytes::len);
            let received = self.received;
            self.transfer.progress(received);
        }
        Poll::Ready(polled.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The table is consistent at every moment, also after a panic under the lock.
fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_given_up(given_up: &mut GivenUp) -> bool {
        given_up.try_recv().is_ok()
    }

    fn backlog() -> Backlog {
        Backlog::new(Budget { transfers: 3, bytes: 100, max_bytes: 200 })
    }

    #[tokio::test(start_paused = true)]
    async fn over_the_budget_a_transfer_without_progress_is_given_up() {
        let backlog = backlog();
        let (mut honest, mut honest_ends) = backlog.start(40);
        let (_stale, mut stale_ends) = backlog.start(40);
        tokio::time::advance(STALE).await;
        honest.progress(30);
        let (_next, mut next_ends) = backlog.start(60);
        assert!(is_given_up(&mut stale_ends));
        assert!(!is_given_up(&mut honest_ends) && !is_given_up(&mut next_ends));
    }

    #[tokio::test(start_paused = true)]
    async fn transfers_that_make_progress_may_exceed_the_budget_up_to_its_maximum() {
        let backlog = backlog();
        let (_first, mut first_ends) = backlog.start(100);
        let (_second, mut second_ends) = backlog.start(100);
        assert!(!is_given_up(&mut first_ends));
        let (_third, mut third_ends) = backlog.start(1);
        assert!(is_given_up(&mut first_ends));
        assert!(!is_given_up(&mut second_ends) && !is_given_up(&mut third_ends));
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_transfers_end_the_oldest_and_a_dropped_one_makes_room() {
        let backlog = backlog();
        let started: Vec<_> = (0..3).map(|_| backlog.start(1)).collect();
        let mut started = started.into_iter();
        let (mut oldest, mut oldest_ends) = started.next().expect("three");
        let (fourth, mut fourth_ends) = backlog.start(1);
        assert!(is_given_up(&mut oldest_ends));
        oldest.progress(1_000);
        drop(fourth);
        let (_fifth, _) = backlog.start(1);
        assert!(!is_given_up(&mut fourth_ends), "it was dropped, not given up");
        assert!(started.all(|(_transfer, mut ends)| !is_given_up(&mut ends)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_transfer_is_not_given_up_and_counts_again_after_its_next_progress() {
        let backlog = backlog();
        let (mut waiting, mut waiting_ends) = backlog.start(100);
        waiting.pause();
        waiting.pause();
        let started: Vec<_> = (0..3).map(|_| backlog.start(60)).collect();
        assert!(!is_given_up(&mut waiting_ends));
        drop(started);
        waiting.progress(100);
        let (_first, mut first_ends) = backlog.start(100);
        let (_second, _) = backlog.start(100);
        assert!(is_given_up(&mut waiting_ends) && !is_given_up(&mut first_ends));
    }

    #[tokio::test(start_paused = true)]
    async fn a_single_transfer_may_exceed_the_budget() {
        let (mut only, mut ends) = backlog().start(201);
        only.progress(1_000);
        assert!(!is_given_up(&mut ends));
    }
}
