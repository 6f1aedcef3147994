//! What an answer must be before it is read as gRPC.
//!
//! Between a service and its upstream may stand what speaks for it in plain HTTP (a proxy without a backend), and the
//! upstream may be of another make. tonic would read such an answer as gRPC, and tell of a broken message or an RPC
//! that is not there.

use std::task::{Context, Poll};

use futures_util::{FutureExt, future::Map};
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tonic::{
    Code,
    body::Body,
    codegen::StdError,
    transport::{self, Channel, channel::ResponseFuture},
};
use tower::Service;

use crate::messages::{Bounded, TooLarge};

/// Bytes of the largest message that is taken: what services send.
const LARGEST: usize = 4 * 1024 * 1024;

/// The connection to an upstream, which answers gRPC or fails. Clones share it.
#[derive(Debug, Clone)]
pub struct GrpcChannel(Channel);

/// An answer that cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Misfit {
    #[error("answered {0}, and not in gRPC")]
    NotGrpc(StatusCode),
    #[error("its answer is compressed, which nobody asked for")]
    Compressed,
    #[error("its answer has {0}")]
    TooLarge(TooLarge),
}

impl Misfit {
    /// What it means for the call (gRPC's http-grpc-status-mapping).
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
        Self(channel)
    }
}

type Answered = Result<Response<Body>, transport::Error>;

impl Service<Request<Body>> for GrpcChannel {
    type Response = Response<Body>;
    type Error = StdError;
    type Future = Map<ResponseFuture, fn(Answered) -> Result<Response<Body>, StdError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        self.0.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.call(request).map(taken)
    }
}

fn taken(answered: Answered) -> Result<Response<Body>, StdError> {
    let answer = answered?;
    let headers = answer.headers();
    let kind = headers.get(header::CONTENT_TYPE).map_or(&[][..], |kind| kind.as_bytes());
    let is_grpc = kind.get(..16).is_some_and(|kind| kind.eq_ignore_ascii_case(b"application/grpc"));
    if !is_grpc && !headers.contains_key("grpc-status") {
        return Err(Misfit::NotGrpc(answer.status()).into());
    }
    if headers.get("grpc-encoding").is_some_and(|encoding| encoding != "identity") {
        return Err(Misfit::Compressed.into());
    }
    Ok(answer.map(|body| {
        let bounded = Bounded::new(body, LARGEST);
        Body::new(bounded.map_err(|error| match error.downcast::<TooLarge>() {
            Ok(large) => Misfit::TooLarge(*large).into(),
            Err(error) => error,
        }))
    }))
}
