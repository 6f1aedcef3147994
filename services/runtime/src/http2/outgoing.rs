//! Sends a body on a stream.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::HeaderMap;
use http_body::Body;

/// A body on its way. It is read only as far as the peer's flow-control windows have room, and no further than one frame
/// ahead: the last frame of data ends the stream where no trailers follow.
pub(super) struct Outgoing<B> {
    body: B,
    stream: SendStream<Bytes>,
    /// What was read and is not sent yet, and what follows it.
    next: Option<Part>,
    following: Option<Part>,
    /// Whether the last part is sent without a wait for room. h2 gives a stream room only when it has written its head: then each
    /// request of one message would take two writes, and a task that waits. h2 keeps the bytes until there is room, as this
    /// would.
    is_request: bool,
}

/// What a body consists of.
enum Part {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    /// The body failed, and the stream is reset for this reason.
    Failed(Reason),
}

/// The stream ended before its body was sent: the peer reset it, the connection ended, or the body failed.
#[derive(Debug, thiserror::Error)]
#[error("stream ended before its body was sent")]
pub(super) struct Unsent;

impl<B> Outgoing<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// The body of a response, which exists until the peer has room for its end: what it holds stays counted.
    pub(super) fn response(body: B, stream: SendStream<Bytes>) -> Self {
        Self { body, stream, next: None, following: None, is_request: false }
    }

    /// The body of a request.
    pub(super) fn request(body: B, stream: SendStream<Bytes>) -> Self {
        Self { is_request: true, ..Self::response(body, stream) }
    }

    fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Part> {
        match self.next.take().or_else(|| self.following.take()) {
            Some(part) => Poll::Ready(part),
            None => self.poll_body(context),
        }
    }

    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Part> {
        loop {
            if self.body.is_end_stream() {
                return Poll::Ready(Part::End);
            }
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => return Poll::Ready(Part::End),
                Some(Err(error)) => return Poll::Ready(Part::Failed(reset_reason(&*error.into()))),
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                Ok(data) => return Poll::Ready(Part::Data(data)),
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        return Poll::Ready(Part::Trailers(trailers));
                    }
                }
            }
        }
    }

    /// Resolves when the peer has room for data.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Unsent>> {
        // One byte: a stream that waits must not keep the connection's window from the others.
        self.stream.reserve_capacity(1);
        while self.stream.capacity() == 0 {
            match ready!(self.stream.poll_capacity(context)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(Err(Unsent)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Resolves when the stream is reset.
    fn poll_reset(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Unsent>> {
        self.stream.poll_reset(context).map(|_| Err(Unsent))
    }
}

impl<B> Future for Outgoing<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = Result<(), Unsent>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let Poll::Ready(part) = self.poll_part(context) else { return self.poll_reset(context) };
            match part {
                Part::Data(data) => {
                    if self.is_request
                        && self.following.is_none()
                        && let Poll::Ready(part) = self.poll_body(context)
                    {
                        self.following = Some(part);
                    }
                    let is_rest = self.is_request && matches!(self.following, Some(Part::End));
                    if !data.is_empty() && !is_rest {
                        let room = self.poll_room(context);
                        if room.is_pending() {
                            self.next = Some(Part::Data(data));
                            return Poll::Pending;
                        }
                        ready!(room)?;
                    }
                    let following = self.poll_part(context);
                    let is_last = matches!(following, Poll::Ready(Part::End));
                    self.stream.send_data(data, is_last).map_err(|_| Unsent)?;
                    match following {
                        Poll::Ready(Part::End) => return Poll::Ready(Ok(())),
                        Poll::Ready(part) => self.next = Some(part),
                        Poll::Pending => return self.poll_reset(context),
                    }
                }
                Part::Trailers(trailers) => {
                    self.stream.reserve_capacity(0);
                    return Poll::Ready(self.stream.send_trailers(trailers).map_err(|_| Unsent));
                }
                Part::End => {
                    return Poll::Ready(self.stream.send_data(Bytes::new(), true).map_err(|_| Unsent));
                }
                Part::Failed(reason) => {
                    self.stream.send_reset(reason);
                    return Poll::Ready(Err(Unsent));
                }
            }
        }
    }
}

/// The reason that a body's error names, or that of a fault of ours.
fn reset_reason(error: &(dyn Error + 'static)) -> Reason {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(reason) = error.downcast_ref::<h2::Error>().and_then(h2::Error::reason) {
            return reason;
        }
        cause = error.source();
    }
    Reason::INTERNAL_ERROR
}
