//! An answer that counts among the requests under way until its end, and has one.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use octet_runtime::{admission::Admitted, deadline::Deadline};
use tokio::time::Sleep;
use tonic::{Status, body::Body};

/// A body and the leave to send it.
pub(super) struct Held {
    body: Body,
    /// `None` once the deadline has ended the body.
    end: Option<Pin<Box<Sleep>>>,
    _admitted: Admitted,
}

impl Held {
    pub(super) fn new(body: Body, admitted: Admitted, deadline: Deadline) -> Self {
        let end = Box::pin(tokio::time::sleep_until(deadline.instant()));
        Self { body, end: Some(end), _admitted: admitted }
    }
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(end) = &mut self.end else { return Poll::Ready(None) };
        if end.as_mut().poll(context).is_ready() {
            self.end = None;
            let mut trailers = HeaderMap::new();
            Status::deadline_exceeded("the deadline passed").add_header(&mut trailers)?;
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.end.is_none() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
