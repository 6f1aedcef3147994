//! gRPC and gRPC-Web for the same services on the same port, with the same rules for metadata, deadlines and limits as
//! REST. Messages pass as bytes and are never decoded, so every method of the descriptors is served, streaming ones
//! included.

mod codec;
mod own;
mod relay;

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{body::Body as EdgeBody, extract::Request as EdgeRequest, response::Response as EdgeResponse};
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, uri::PathAndQuery};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt;
use octet_runtime::{
    admission::Admission,
    deadline::Deadline,
    messages::{Bounded, TooLarge},
    metrics::{GrpcMetrics, RpcKind},
    serve::Peer,
    telemetry::{GrpcSpan, Tracer},
    upstream::CallError,
};
use prost_reflect::{DescriptorPool, ServiceDescriptor};
use tokio::time::timeout_at;
use tonic::{Status, body::Body, service::Routes};
use tonic_web::GrpcWebLayer;
use tower::{Layer, Service, ServiceExt};

pub(crate) use self::own::Own;
use self::{codec::BytesCodec, relay::Relay};
use crate::{
    deadline_body::DeadlineBody,
    edge::{self, Outcome, Route},
    ending::{Ending, ServerSide},
    entry::{Entry, kind},
    limits::Limits,
};

/// Everything behind `application/grpc*`.
#[derive(Clone)]
pub(crate) struct Grpc(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) rpcs: HashMap<String, (PathAndQuery, RpcKind)>,
    pub(crate) own: Routes,
    pub(crate) entry: Entry,
    pub(crate) admission: Admission,
    pub(crate) limits: Limits,
    pub(crate) tracer: Tracer,
    pub(crate) metrics: GrpcMetrics,
}

/// Every method of `pool`, by its path on the wire.
pub(crate) fn rpcs(pool: &DescriptorPool) -> HashMap<String, (PathAndQuery, RpcKind)> {
    let services: Vec<_> = pool.services().collect();
    let methods = services.iter().flat_map(ServiceDescriptor::methods);
    let paths = methods.filter_map(|rpc| {
        let path = format!("/{}/{}", rpc.parent_service().full_name(), rpc.name());
        // A full name is a path.
        let parsed = PathAndQuery::try_from(path.as_str()).ok()?;
        Some((path, (parsed, kind(&rpc))))
    });
    paths.collect()
}

impl Grpc {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    /// Answers a request whose content type is gRPC's or gRPC-Web's.
    pub(crate) async fn answer(&self, mut request: EdgeRequest) -> EdgeResponse {
        if request.method() != Method::POST {
            return edge::not_allowed(request.method(), request.uri().path(), Some("POST"));
        }
        for name in [header::CONTENT_TYPE, header::ACCEPT] {
            normalize(request.headers_mut().get_mut(name));
        }
        let route = self.0.route(request.uri().path());
        let Ok(mut response) = GrpcWebLayer::new().layer(self.clone()).oneshot(request).await;
        if response.status() == StatusCode::BAD_REQUEST {
            let message = "gRPC requires HTTP/2; use gRPC-Web over HTTP/1.1";
            return edge::error(StatusCode::BAD_REQUEST, tonic::Code::InvalidArgument, message);
        }
        if let Some(route) = route {
            response.extensions_mut().insert(route);
        }
        response.map(EdgeBody::new)
    }
}

impl Service<Request<Body>> for Grpc {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let shared = self.0.clone();
        Box::pin(async move { Ok(shared.answer(request).await) })
    }
}

impl Shared {
    /// Only known paths are routes: a path that a client makes up must not become a metric series.
    fn route(&self, path: &str) -> Option<Route> {
        (self.rpcs.contains_key(path) || own::serves(path)).then(|| Route(path.to_owned()))
    }

    async fn answer(self: Arc<Self>, request: Request<Body>) -> Response<Body> {
        let path = request.uri().path();
        if own::serves(path) {
            return self.answer_itself(request).await;
        }
        let Some((path, kind)) = self.rpcs.get(path).cloned() else {
            let status = Status::unimplemented(format!("unknown method {path}"));
            if let Some(outcome) = request.extensions().get::<Outcome>() {
                outcome.set(status.code());
            }
            return status.into_http();
        };
        let (parts, body) = request.into_parts();
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        let incoming = self.tracer.extract(&parts.headers);
        let span = GrpcSpan::server(&self.tracer, &incoming, path.as_str(), peer);
        if let Some(ids) = span.span().ids().or_else(|| incoming.ids()) {
            octet_runtime::logs::record_trace(&ids);
        }
        let deadline = self.limits.deadline(&parts.headers);
        let call = self.metrics.start_as(path.as_str(), kind);
        let outcome = parts.extensions.get().cloned().unwrap_or_default();
        let relay = Relay {
            ending: Ending::new(ServerSide::Grpc { span, call }, outcome),
            deadline,
            metadata: self.entry.metadata(&parts),
            shared: self.clone(),
            path,
            kind,
        };
        let limit = self.limits.body_bytes;
        let body = Body::new(Bounded::new(body, limit).map_err(|error| match error.downcast::<TooLarge>() {
            Ok(large) => Status::resource_exhausted(large.to_string()).into(),
            Err(error) => error,
        }));
        let mut grpc = tonic::server::Grpc::new(BytesCodec).max_decoding_message_size(limit);
        let response = grpc.streaming(relay.once(), Request::from_parts(parts, body)).await;
        match deadline {
            Ok(deadline) => {
                response.map(|body| with_deadline(body, (), deadline, &self.entry.deadline_passed()))
            }
            Err(_) => response,
        }
    }

    /// Health and reflection, which the gateway answers itself. They need a permit and have a deadline like every call.
    async fn answer_itself(&self, request: Request<Body>) -> Response<Body> {
        let admitted = match self.admission.admit() {
            Ok(admitted) => admitted,
            Err(overloaded) => return Status::unavailable(overloaded.to_string()).into_http(),
        };
        let deadline = match self.limits.deadline(request.headers()) {
            Ok(deadline) => deadline,
            Err(error) => return Status::invalid_argument(error.to_string()).into_http(),
        };
        // A client that does not send its message holds the permit no longer than one that does not send its body.
        let end = deadline.min(Deadline::after(self.limits.body_timeout));
        let Ok(Ok(response)) = timeout_at(end.instant(), self.own.clone().oneshot(request)).await else {
            return Status::deadline_exceeded("the request message did not arrive in time").into_http();
        };
        response.map(|body| with_deadline(body, admitted, deadline, &CallError::deadline_passed().status))
    }
}

/// A body that at the deadline ends with the status `passed` and releases `permit`, even if it is not read.
fn with_deadline<P: Send + 'static>(body: Body, permit: P, deadline: Deadline, passed: &Status) -> Body {
    if body.is_end_stream() {
        return body;
    }
    let mut trailers = HeaderMap::new();
    let last = passed.add_header(&mut trailers).map(|()| Frame::trailers(trailers));
    Body::new(DeadlineBody::new(body, permit, deadline.instant(), last))
}

/// Puts a content type in lower case and removes its parameters, because tonic-web compares it literally.
fn normalize(value: Option<&mut HeaderValue>) {
    let Some(value) = value else { return };
    let plain = value.to_str().ok().and_then(|value| value.split(';').next());
    if let Some(Ok(plain)) = plain.map(|it| HeaderValue::try_from(it.trim().to_ascii_lowercase())) {
        *value = plain;
    }
}
