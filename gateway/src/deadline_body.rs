//! A response body that ends in time, whether it is read or not.
//!
//! hyper polls a body only as fast as the client reads, so a body alone cannot enforce a time limit: a client with a zero
//! window would keep the response, and the call behind it, forever. Here a separate timer ends the body, and the client
//! gets the error when it resumes reading.

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

/// Bytes of a whole response that are passed on at once: this many can stay in memory after the time limit. HTTP/2's
/// usual frame size.
const PIECE: usize = 16 * 1024;

/// A body of known content that holds `permit` until it has been read or `limit` has passed.
pub(crate) fn whole<P: Send + 'static>(content: Bytes, permit: P, limit: Duration) -> axum::body::Body {
    if content.len() <= PIECE {
        return content.into();
    }
    axum::body::Body::new(DeadlineBody::new(Pieces(content), permit, Instant::now() + limit, Err(Unread)))
}

/// Why a response was cut off.
#[derive(Debug, thiserror::Error)]
#[error("the response was not read in time")]
pub(crate) struct Unread;

/// A body with a deadline, and a permit that is held until the end.
pub(crate) struct DeadlineBody<B: Body, P> {
    state: Arc<Mutex<State<B, P>>>,
    timer: AbortHandle,
}

struct State<B: Body, P> {
    /// `None` after the end of the body or the deadline.
    open: Option<Open<B, P>>,
    /// The last frame if the deadline passes.
    last: Option<Result<Frame<Bytes>, B::Error>>,
    reader: Option<Waker>,
}

struct Open<B, P> {
    body: B,
    _permit: P,
}

impl<B, P> DeadlineBody<B, P>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
    P: Send + 'static,
{
    /// Drops `body` and `permit` when `body` has ended, at the latest at `deadline`; then the reader gets `last`.
    pub(crate) fn new(body: B, permit: P, deadline: Instant, last: Result<Frame<Bytes>, B::Error>) -> Self {
        let open = Open { body, _permit: permit };
        let state = Arc::new(Mutex::new(State { open: Some(open), last: Some(last), reader: None }));
        let timed = state.clone();
        let timer = tokio::spawn(async move {
            sleep_until(deadline).await;
            let (open, reader) = {
                let mut state = locked(&timed);
                (state.open.take(), state.reader.take())
            };
            // Outside the lock: dropping the body can run any code.
            drop(open);
            if let Some(reader) = reader {
                reader.wake();
            }
        });
        Self { state, timer: timer.abort_handle() }
    }
}

/// The state is consistent at every moment, also after a panic under the lock.
fn locked<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<B, P> Body for DeadlineBody<B, P>
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

/// The unread rest of a whole response.
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
        // A copy: a slice would keep the whole response in memory.
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

impl<B: Body, P> Drop for DeadlineBody<B, P> {
    fn drop(&mut self) {
        self.timer.abort();
        // At once: the timer's task shares the state and may be dropped later.
        let open = locked(&self.state).open.take();
        drop(open);
    }
}
