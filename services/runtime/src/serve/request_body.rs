//! The body of a request, of either version of HTTP.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tower::BoxError;

use crate::http2;

/// The body as its connection receives it.
#[derive(Debug)]
pub struct ReceivedBody(Version);

#[derive(Debug)]
enum Version {
    Http1(hyper::body::Incoming),
    Http2(http2::Incoming),
}

impl From<hyper::body::Incoming> for ReceivedBody {
    fn from(body: hyper::body::Incoming) -> Self {
        Self(Version::Http1(body))
    }
}

impl From<http2::Incoming> for ReceivedBody {
    fn from(body: http2::Incoming) -> Self {
        Self(Version::Http2(body))
    }
}

impl Body for ReceivedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Version::Http1(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            Version::Http2(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Version::Http1(body) => body.is_end_stream(),
            Version::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Version::Http1(body) => body.size_hint(),
            Version::Http2(body) => body.size_hint(),
        }
    }
}
