//! Checks a response before it is read as gRPC.
//!
//! A proxy without a backend responds in plain HTTP, and an upstream may not be Octet's. tonic would read such a response
//! as gRPC, and report a malformed message or an unknown RPC.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::Either;
use tonic::{Code, body::Body, codegen::StdError};
use tower::Service;

use crate::{
    content_type::is_grpc,
    faults::{Throttle, throttled},
    http2::{Incoming, client::Client},
    messages::{Bounded, TooLarge},
};

/// Bytes of the largest message: as much as services send.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// The connection to an upstream, whose responses are gRPC or fail. Clones share it.
#[derive(Debug, Clone)]
pub struct GrpcChannel {
    client: Client,
    /// Set where a fault lets responses trickle.
    throttle: Option<Throttle>,
}

/// A response that is not valid gRPC.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidResponse {
    #[error("upstream returned HTTP {0} instead of a gRPC response")]
    NotGrpc(StatusCode),
    #[error("upstream compressed its response, which the request does not accept")]
    Compressed,
    #[error("upstream response: {0}")]
    TooLarge(TooLarge),
}

impl InvalidResponse {
    /// The status code by gRPC's http-grpc-status-mapping.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Compressed | Self::TooLarge(_) => Code::Internal,
            Self::NotGrpc(status) => match status.as_u16() {
                400 => Code::Internal,
                401 => Code::Unauthenticated,
                403 => Code::PermissionDenied,
                404 => Code::Unimplemented,
                429 | 502 | 503 | 504 => Code::Unavailable,
                _ => Code::Unknown,
            },
        }
    }
}

impl GrpcChannel {
    pub(super) fn new(client: Client) -> Self {
        Self { client, throttle: None }
    }

    /// The same connection, whose responses trickle.
    pub(super) fn throttled(self, throttle: Throttle) -> Self {
        Self { throttle: Some(throttle), ..self }
    }
}

impl Service<Request<Body>> for GrpcChannel {
    type Response = Response<GrpcBody>;
    type Error = StdError;
    type Future = BoxFuture<'static, Result<Response<GrpcBody>, StdError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { client, throttle } = self.clone();
        Box::pin(async move {
            let response = checked(client.send(request).await?)?;
            Ok(response.map(|body| {
                GrpcBody(match throttle {
                    None => Either::Left(body),
                    Some(throttle) => Either::Right(throttled(body, throttle)),
                })
            }))
        })
    }
}

/// The body of a response, which is gRPC as far as it was read, or fails.
#[derive(Debug)]
pub struct GrpcBody(Either<Bounded<Incoming>, Body>);

fn checked(response: Response<Incoming>) -> Result<Response<Bounded<Incoming>>, StdError> {
    let headers = response.headers();
    if !is_grpc(headers) && !headers.contains_key("grpc-status") {
        return Err(InvalidResponse::NotGrpc(response.status()).into());
    }
    if headers.get("grpc-encoding").is_some_and(|encoding| encoding != "identity") {
        return Err(InvalidResponse::Compressed.into());
    }
    Ok(response.map(|body| Bounded::new(body, MAX_MESSAGE)))
}

impl http_body::Body for GrpcBody {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let frame = ready!(Pin::new(&mut self.0).poll_frame(context));
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|error| match error.downcast::<TooLarge>() {
                Ok(large) => InvalidResponse::TooLarge(*large).into(),
                Err(error) => error,
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
