//! An answer that ends in time, read or not.
//!
//! hyper asks a body for its next piece only as fast as the client reads, so that a body alone cannot tell that its time is
//! over: a client with a window of nothing would keep what the answer holds, and the call behind it, for ever. Here a timer
//! of its own ends it, and the client is told when it reads on.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep_until},
};

/// Bytes of a whole answer that are handed over at once: as many may stay in memory when its time is over, or its last
/// ones are not read. HTTP/2's usual frame.
const PIECE: usize = 16 * 1024;

/// An answer that is there, and `leave` to keep it until it is read or `within` is over.
pub(crate) fn whole<L: Send + 'static>(answer: Bytes, leave: L, within: Duration) -> axum::body::Body {
    if answer.len() <= PIECE {
        return answer.into();
    }
    axum::body::Body::new(Held::new(Pieces(answer), leave, Instant::now() + within, Err(Unread)))
}

/// Why an answer broke off.
#[derive(Debug, thiserror::Error)]
#[error("the answer was not read in time")]
pub(crate) struct Unread;

/// A body, and what is held as long as it goes on: the leave to do so.
pub(crate) struct Held<B: Body, L> {
    state: Arc<Mutex<State<B, L>>>,
    timer: AbortHandle,
}

struct State<B: Body, L> {
    /// `None` when it has ended, by itself or by its time.
    open: Option<Open<B, L>>,
    /// What is said last when the time is over.
    last: Option<Result<Frame<Bytes>, B::Error>>,
    reader: Option<Waker>,
}

struct Open<B, L> {
    body: B,
    _leave: L,
}

impl<B, L> Held<B, L>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
    L: Send + 'static,
{
    /// Holds `leave` until `body` has ended or been dropped, at most until `end`. Then `body` is dropped too, and the
    /// reader gets `last`.
    pub(crate) fn new(body: B, leave: L, end: Instant, last: Result<Frame<Bytes>, B::Error>) -> Self {
        let open = Open { body, _leave: leave };
        let state = Arc::new(Mutex::new(State { open: Some(open), last: Some(last), reader: None }));
        let held = state.clone();
        let timer = tokio::spawn(async move {
            sleep_until(end).await;
            let (open, reader) = {
                let mut state = locked(&held);
                (state.open.take(), state.reader.take())
            };
            // Not under the lock: what it holds may do anything when it is dropped.
            drop(open);
            if let Some(reader) = reader {
                reader.wake();
            }
        });
        Self { state, timer: timer.abort_handle() }
    }
}

/// Whole at every moment, even where a thread panicked that held it.
fn locked<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<B, L> Body for Held<B, L>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut state = locked(&self.state);
        let Some(open) = &mut state.open else { return Poll::Ready(state.last.take()) };
        let polled = Pin::new(&mut open.body).poll_frame(context);
        match &polled {
            Poll::Pending => state.reader = Some(context.waker().clone()),
            Poll::Ready(None) => *state = State { open: None, last: None, reader: None },
            Poll::Ready(Some(_)) => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let state = locked(&self.state);
        state.open.as_ref().map_or(state.last.is_none(), |open| open.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let state = locked(&self.state);
        state.open.as_ref().map(|open| open.body.size_hint()).unwrap_or_default()
    }
}

/// What is left of a whole answer.
struct Pieces(Bytes);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Unread;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Unread>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        let length = PIECE.min(self.0.len());
        // A copy: a slice would keep the whole in memory.
        let piece = Bytes::copy_from_slice(&self.0.split_to(length));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.0.len()).unwrap_or(u64::MAX))
    }
}

impl<B: Body, L> Drop for Held<B, L> {
    fn drop(&mut self) {
        self.timer.abort();
        // Now, and not when the timer is next looked at, which shares it.
        let open = locked(&self.state).open.take();
        drop(open);
    }
}
