//! A response body that ends in time, whether it is read or not.
//!
//! hyper polls a body only as fast as the client reads, so a body alone cannot enforce a time limit: a client with a zero
//! window would keep the response, and the call behind it, forever. Here a separate task ends the body at its deadline,
//! or when its client has stopped reading, and the client gets the last frame when it resumes.

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

use crate::backlog::{Backlog, GivenUp, Transfer};

/// Bytes of a whole response that are passed on at once: this many can stay in memory after the time limit. HTTP/2's
/// usual frame size.
const PIECE: usize = 16 * 1024;

/// The longest that a whole response may take.
const MAX_READ: Duration = Duration::from_mins(10);

/// When a body ends at the latest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) deadline: Instant,
    /// How long the client may leave it unread.
    pub(crate) unread: Duration,
}

/// Passes a body whose whole content is in memory on in pieces: it is part of `backlog` until it has been read, and ends
/// if its client does not read on within `unread`.
pub(crate) fn whole(body: axum::body::Body, backlog: &Backlog, unread: Duration) -> axum::body::Body {
    let length = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
    let Some(length) = length.filter(|length| *length > PIECE) else { return body };
    let (transfer, given_up) = backlog.start(length);
    let pieces = Pieces { body, content: Bytes::new(), transfer };
    let limit = Limit { deadline: Instant::now() + MAX_READ, unread };
    axum::body::Body::new(DeadlineBody::new(pieces, (), limit, Err(axum::Error::new(Unread)), given_up))
}

/// Why a response was cut off.
#[derive(Debug, thiserror::Error)]
#[error("the response was not read in time")]
struct Unread;

/// A body with a deadline, and a permit that is held until the end.
pub(crate) struct DeadlineBody<B: Body, P> {
    state: Arc<Mutex<State<B, P>>>,
    timer: AbortHandle,
}

struct State<B: Body, P> {
    /// `None` after the end of the body or the deadline.
    open: Option<Open<B, P>>,
    /// The last frame if the body does not end by itself.
    last: Option<Result<Frame<Bytes>, B::Error>>,
    reader: Option<Waker>,
    /// Since when the client could read and has not; `None` while it waits for the body.
    unread: Option<Instant>,
}

struct Open<B, P> {
    body: B,
    _permit: P,
}

impl<B, P> DeadlineBody<Pieces<B>, P>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
    P: Send + 'static,
{
    /// The body of a call. It is part of `unread` whenever it waits for its client, and drops `body` and `permit` when
    /// `body` has ended, at the latest at `limit` or when it is given up; then the reader gets `last`.
    pub(crate) fn of_call(
        body: B,
        permit: P,
        limit: Limit,
        last: Result<Frame<Bytes>, B::Error>,
        unread: &Backlog,
    ) -> Self {
        let (transfer, given_up) = unread.start(0);
        Self::new(Pieces { body, content: Bytes::new(), transfer }, permit, limit, last, given_up)
    }
}

impl<B, P> DeadlineBody<B, P>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
    P: Send + 'static,
{
    fn new(
        body: B,
        permit: P,
        limit: Limit,
        last: Result<Frame<Bytes>, B::Error>,
        given_up: GivenUp,
    ) -> Self {
        let open = Some(Open { body, _permit: permit });
        let state = State { open, last: Some(last), reader: None, unread: Some(Instant::now()) };
        let state = Arc::new(Mutex::new(state));
        let timed = state.clone();
        let timer = tokio::spawn(async move {
            tokio::select! {
                _ = given_up => {}
                () = expired(&timed, limit) => {}
            }
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

/// Resolves at the deadline, or when the body has been left unread for too long.
async fn expired<B: Body, P>(state: &Mutex<State<B, P>>, limit: Limit) {
    loop {
        let now = Instant::now();
        let unread = locked(state).unread.unwrap_or(now);
        let end = limit.deadline.min(unread + limit.unread);
        if end <= now {
            return;
        }
        sleep_until(end).await;
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
            Poll::Pending => {
                state.reader = Some(context.waker().clone());
                state.unread = None;
            }
            Poll::Ready(None) => *state = State { open: None, last: None, reader: None, unread: None },
            Poll::Ready(Some(_)) => state.unread = Some(Instant::now()),
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

/// A body in pieces, of which at most one is with hyper.
pub(crate) struct Pieces<B> {
    body: B,
    /// The rest of the frame that was read last.
    content: Bytes,
    transfer: Transfer,
}

impl<B: Body> Pieces<B> {
    /// What follows the frame that was read last, as far as that is in memory.
    fn following(&self) -> usize {
        self.body.size_hint().exact().and_then(|rest| usize::try_from(rest).ok()).unwrap_or_default()
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Pieces<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.content.is_empty() {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(content) if content.len() <= PIECE => {
                        let left = content.len() + self.following();
                        self.transfer.progress(left);
                        return Poll::Ready(Some(Ok(Frame::data(content))));
                    }
                    Ok(content) => self.content = content,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                Poll::Ready(end) => return Poll::Ready(end),
                Poll::Pending => {
                    self.transfer.pause();
                    return Poll::Pending;
                }
            }
        }
        let length = PIECE.min(self.content.len());
        // A copy: a slice would keep the whole response in memory.
        let piece = Bytes::copy_from_slice(&self.content.split_to(length));
        let left = self.content.len() + self.following();
        self.transfer.progress(left);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let left = u64::try_from(self.content.len()).unwrap_or(u64::MAX);
        self.body.size_hint().exact().map_or_else(SizeHint::new, |rest| SizeHint::with_exact(rest + left))
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
