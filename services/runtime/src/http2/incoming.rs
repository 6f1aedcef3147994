//! The body that a stream receives.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use tokio::task::{AbortHandle, JoinHandle};

/// The body of a received message. Data that is read makes room in the flow-control windows.
#[derive(Debug)]
pub(crate) struct Incoming {
    stream: RecvStream,
    /// Bytes that remain, where `content-length` said how many there are. h2 checks that.
    remaining: Option<u64>,
    /// Only trailers can follow.
    has_data_ended: bool,
    /// The rest of the request, if this is its response.
    _request: Option<AbortOnDrop>,
}

/// A task that ends with this value.
#[derive(Debug)]
pub(super) struct AbortOnDrop(AbortHandle);

impl From<JoinHandle<()>> for AbortOnDrop {
    fn from(task: JoinHandle<()>) -> Self {
        Self(task.abort_handle())
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Incoming {
    pub(super) fn new(stream: RecvStream, headers: &HeaderMap) -> Self {
        let length = headers.get(header::CONTENT_LENGTH);
        let remaining = length.and_then(|length| length.to_str().ok()?.parse().ok());
        Self { stream, remaining, has_data_ended: false, _request: None }
    }

    /// Ends what is still sent of the request with this body, its response.
    pub(super) fn with_request(self, request: Option<AbortOnDrop>) -> Self {
        Self { _request: request, ..self }
    }

    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        let data = ready!(self.stream.poll_data(context));
        if let Some(Ok(data)) = &data {
            // Fails only where more is released than was received.
            let _ = self.stream.flow_control().release_capacity(data.len());
            let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
            self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(length));
        }
        Poll::Ready(data)
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.has_data_ended {
            match ready!(self.poll_data(context)) {
                Some(data) => return Poll::Ready(unless_no_error(data.map(Frame::data))),
                None => self.has_data_ended = true,
            }
        }
        let trailers = ready!(self.stream.poll_trailers(context));
        Poll::Ready(trailers.transpose().and_then(|trailers| unless_no_error(trailers.map(Frame::trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// `RST_STREAM` with `NO_ERROR` ends a body without a failure: the peer has responded before it read everything (RFC 9113,
/// 8.1).
fn unless_no_error<T>(received: Result<T, h2::Error>) -> Option<Result<T, h2::Error>> {
    match received {
        Err(error) if error.is_reset() && error.reason() == Some(Reason::NO_ERROR) => None,
        received => Some(received),
    }
}
