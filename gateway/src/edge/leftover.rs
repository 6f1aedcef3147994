//! Request bodies that a response did not wait for.
//!
//! HTTP/1.1 cannot send the next request before the body of this one. hyper closes a connection whose body was not read,
//! without saying so: a proxy that reuses the connection loses its next request. So the rest of the body is read, up to a
//! limit, before the response goes out; beyond the limit the response says `Connection: close`, and a little more is read
//! so that a reset does not destroy the response on its way.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::timeout;

/// What is read of an unread body before the connection is given up.
const MAX_LEFTOVER: u64 = 256 * 1024;
const MAX_WAIT: Duration = Duration::from_secs(1);

/// What is read after a response that closes the connection.
const MAX_LINGER: u64 = 4 * 1024 * 1024;
const LINGER: Duration = Duration::from_secs(2);

/// Where a request's body goes if its reader drops it before its end.
#[derive(Clone, Default)]
pub(crate) struct Leftover(Arc<Mutex<Option<Unread>>>);

struct Unread {
    body: Body,
    /// A client that sent `Expect: 100-continue` waits until the first poll.
    was_polled: bool,
}

/// A request's body, which returns to its [`Leftover`].
struct Returning {
    unread: Option<Unread>,
    leftover: Leftover,
}

impl Leftover {
    /// The body to hand to the request's reader.
    pub(crate) fn watch(&self, body: Body) -> Body {
        if body.is_end_stream() {
            return body;
        }
        let unread = Some(Unread { body, was_polled: false });
        Body::new(Returning { unread, leftover: self.clone() })
    }

    /// Reads what is left of the body; returns whether the connection can be reused. `expects_continue`: the client
    /// waits for `100 Continue`.
    pub(crate) async fn discard(&self, expects_continue: bool) -> bool {
        let unread = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Unread { mut body, was_polled }) = unread else { return true };
        if expects_continue && !was_polled {
            return false;
        }
        let is_short = body.size_hint().lower() <= MAX_LEFTOVER;
        if is_short && timeout(MAX_WAIT, read(&mut body, MAX_LEFTOVER)).await == Ok(true) {
            return true;
        }
        tokio::spawn(async move { timeout(LINGER, read(&mut body, MAX_LINGER)).await });
        false
    }
}

/// Reads a body and returns whether it ended within `limit`.
async fn read(body: &mut Body, limit: u64) -> bool {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        length += frame.data_ref().map_or(0, |data| data.len() as u64);
        if length > limit {
            return false;
        }
    }
    true
}

impl http_body::Body for Returning {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(unread) = &mut self.unread else { return Poll::Ready(None) };
        unread.was_polled = true;
        let polled = Pin::new(&mut unread.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.unread = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.unread.as_ref().is_none_or(|unread| unread.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.unread.as_ref().map_or_else(SizeHint::new, |unread| unread.body.size_hint())
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        let unread = self.unread.take().filter(|unread| !unread.body.is_end_stream());
        *self.leftover.0.lock().unwrap_or_else(PoisonError::into_inner) = unread;
    }
}
