//! Checks a response before it is read as gRPC.
//!
//! A proxy without a backend responds in plain HTTP, and an upstream may not be Octet's. tonic would read such a response
//! as gRPC, and report a malformed message or an unknown RPC.

use std::task::{Context, Poll};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Either, Map},
};
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tonic::{
    Code,
    body::Body,
    codegen::StdError,
    transport::{self, Channel, channel::ResponseFuture},
};
use tower::Service;

use crate::{
    faults::{Throttle, throttled},
    messages::{Bounded, TooLarge},
};

/// Bytes of the largest message: as much as services send.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// The connection to an upstream, whose responses are gRPC or fail. Clones share it.
#[derive(Debug, Clone)]
pub struct GrpcChannel {
    channel: Channel,
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
    pub(super) fn new(channel: Channel) -> Self {
        Self { channel, throttle: None }
    }

    /// The same connection, whose responses trickle.
    pub(super) fn throttled(self, throttle: Throttle) -> Self {
        Self { throttle: Some(throttle), ..self }
    }
}

type Outcome = Result<Response<Body>, transport::Error>;
type Checked = Result<Response<Body>, StdError>;

impl Service<Request<Body>> for GrpcChannel {
    type Response = Response<Body>;
    type Error = StdError;
    type Future = Either<Map<ResponseFuture, fn(Outcome) -> Checked>, BoxFuture<'static, Checked>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        self.channel.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let called = self.channel.call(request);
        match self.throttle {
            None => Either::Left(called.map(checked)),
            Some(throttle) => {
                let trickling = async move {
                    let response = checked(called.await)?;
                    Ok(response.map(|body| throttled(body, throttle)))
                };
                Either::Right(Box::pin(trickling))
            }
        }
    }
}

fn checked(outcome: Outcome) -> Checked {
    let response = outcome?;
    let headers = response.headers();
    let kind = headers.get(header::CONTENT_TYPE).map_or(&[][..], |kind| kind.as_bytes());
    let is_grpc = kind.get(..16).is_some_and(|kind| kind.eq_ignore_ascii_case(b"application/grpc"));
    if !is_grpc && !headers.contains_key("grpc-status") {
        return Err(InvalidResponse::NotGrpc(response.status()).into());
    }
    if headers.get("grpc-encoding").is_some_and(|encoding| encoding != "identity") {
        return Err(InvalidResponse::Compressed.into());
    }
    Ok(response.map(|body| {
        let bounded = Bounded::new(body, MAX_MESSAGE);
        Body::new(bounded.map_err(|error| match error.downcast::<TooLarge>() {
            Ok(large) => InvalidResponse::TooLarge(*large).into(),
            Err(error) => error,
        }))
    }))
}
