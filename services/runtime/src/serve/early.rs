//! Counts the streams of an HTTP/2 connection that end early, so that the connection is replaced before they harm it.
//!
//! h2 counts over the lifetime of a connection what arrives for streams that have ended: at a limit it closes the
//! connection, with every call on it. A DATA frame below 256 bytes costs up to 255 bytes of a budget, which at the default
//! window is 512 KiB, and only frames that are read give it back; a frame for a stream that h2 has forgotten counts as an
//! error (`ERROR_RESETS`). Neither needs a hostile client: a response that is sent before the request was read, as when
//! a deadline passes, is enough.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use http_body::{Body, Frame, SizeHint};
use tokio::sync::Notify;

use super::request_body::ReceivedBody;

/// Streams that may end early on one connection. Another 1,000 may be open ([`super::ServeLimits::streams`]): together they
/// cost less than h2's budget, which lasts for 2,056 frames.
const MAX: usize = 1_000;

/// The body of a request.
pub type RequestBody = Watched<ReceivedBody>;

/// The streams of a connection that ended early.
#[derive(Debug, Default)]
pub(super) struct EarlyEnds {
    count: AtomicUsize,
    is_full: Notify,
}

impl EarlyEnds {
    /// Resolves when the connection should be replaced.
    pub(super) async fn full(&self) {
        self.is_full.notified().await;
    }

    fn add(&self) {
        if self.count.fetch_add(1, Ordering::Relaxed) + 1 == MAX {
            self.is_full.notify_one();
        }
    }
}

/// One direction of a stream, which has ended early when this is dropped before [`Self::end`].
#[derive(Debug)]
pub(super) struct Direction(Option<Arc<EarlyEnds>>);

impl Direction {
    pub(super) fn new(ends: &Arc<EarlyEnds>) -> Self {
        Self(Some(ends.clone()))
    }

    /// That of an HTTP/1.1 request, which ends with its connection.
    pub(super) fn unwatched() -> Self {
        Self(None)
    }

    fn end(&mut self) {
        self.0 = None;
    }
}

impl Drop for Direction {
    fn drop(&mut self) {
        if let Some(ends) = &self.0 {
            ends.add();
        }
    }
}

/// A body that notices whether it is dropped before its end.
#[derive(Debug)]
pub struct Watched<B> {
    body: B,
    direction: Direction,
}

impl<B: Body> Watched<B> {
    pub(super) fn new(body: B, direction: Direction) -> Self {
        let mut watched = Self { body, direction };
        watched.end_if_complete();
        watched
    }

    fn end_if_complete(&mut self) {
        if self.body.is_end_stream() {
            self.direction.end();
        }
    }
}

impl<B: Body + Unpin> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            None => self.direction.end(),
            Some(Ok(frame)) if frame.is_trailers() => self.direction.end(),
            Some(Ok(_)) => self.end_if_complete(),
            Some(Err(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
