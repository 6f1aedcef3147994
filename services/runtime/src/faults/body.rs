//! Responses that are reset, or trickle.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame};
use tokio::time::{Instant, Sleep};
use tonic::Status;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The cause of a status after which the stream must be reset instead.
#[derive(Debug, thiserror::Error)]
#[error("injected: stream reset")]
pub(super) struct Reset;

/// Whether the response must be reset.
pub fn is_reset(status: &Status) -> bool {
    std::error::Error::source(status).is_some_and(<dyn std::error::Error>::is::<Reset>)
}

/// A body that resets its stream at once.
pub fn reset_body() -> tonic::body::Body {
    struct Broken;
    impl Body for Broken {
        type Data = Bytes;
        type Error = Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
            Poll::Ready(Some(Err(h2::Error::from(h2::Reason::INTERNAL_ERROR).into())))
        }
    }
    tonic::body::Body::new(Broken)
}

/// In the extensions of a response whose stream can end with [`marked_reset`].
#[derive(Debug, Clone, Copy)]
pub struct Resets;

/// In the trailers that a reset replaces.
const MARK: &str = "octet-reset";

/// The status of a stream that [`resetting`] resets instead of sending it.
pub fn marked_reset() -> Status {
    let mut mark = tonic::metadata::MetadataMap::new();
    mark.insert(MARK, tonic::metadata::MetadataValue::from_static("1"));
    Status::with_metadata(tonic::Code::Internal, Reset.to_string(), mark)
}

/// A body that resets its stream instead of sending the trailers of [`marked_reset`].
pub fn resetting(body: tonic::body::Body) -> tonic::body::Body {
    tonic::body::Body::new(Resetting(body))
}

struct Resetting(tonic::body::Body);

impl Body for Resetting {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Poll::Ready(match ready!(Pin::new(&mut self.0).poll_frame(context)) {
            Some(Ok(frame)) if frame.trailers_ref().is_some_and(|trailers| trailers.contains_key(MARK)) => {
                Some(Err(h2::Error::from(h2::Reason::INTERNAL_ERROR).into()))
            }
            frame => frame.map(|frame| frame.map_err(Into::into)),
        })
    }
}

/// The rate at which a response trickles, and when it ends at the latest. In the extensions of a response.
#[derive(Debug, Clone, Copy)]
pub struct Throttle {
    /// Bytes a second.
    pub rate: u64,
    /// The call's deadline, at which the stream is reset.
    pub deadline: std::time::Instant,
}

/// A body that trickles.
pub fn throttled<B>(body: B, throttle: Throttle) -> tonic::body::Body
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Error>,
{
    tonic::body::Body::new(Throttled { body, throttle, left: Bytes::new(), ended: None, pause: None })
}

struct Throttled<B> {
    body: B,
    throttle: Throttle,
    /// Data that is not sent yet.
    left: Bytes,
    /// The trailers, once the data have ended.
    ended: Option<Frame<Bytes>>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<B> Body for Throttled<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Error>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if let Some(pause) = &mut this.pause {
            ready!(pause.as_mut().poll(context));
            this.pause = None;
        }
        if std::time::Instant::now() >= this.throttle.deadline {
            return Poll::Ready(Some(Err(h2::Error::from(h2::Reason::CANCEL).into())));
        }
        while this.left.is_empty() && this.ended.is_none() {
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.left = data,
                    Err(trailers) => this.ended = Some(trailers),
                },
            }
        }
        if !this.left.has_remaining() {
            return Poll::Ready(this.ended.take().map(Ok));
        }
        // As much as the rate allows in 50 ms; a slow rate sends a byte at a time, less often.
        let rate = this.throttle.rate.max(1);
        let size = usize::try_from(rate / 20).unwrap_or(usize::MAX).clamp(1, this.left.len());
        let nanos = u64::try_from(size).unwrap_or(u64::MAX).saturating_mul(1_000_000_000) / rate;
        let time = Duration::from_nanos(nanos);
        let until = (Instant::now() + time).min(Instant::from_std(this.throttle.deadline));
        this.pause = Some(Box::pin(tokio::time::sleep_until(until)));
        Poll::Ready(Some(Ok(Frame::data(this.left.split_to(size)))))
    }
}
