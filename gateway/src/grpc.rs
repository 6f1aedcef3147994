//! gRPC and gRPC-Web for the same services on the same port, with the same rules for metadata, deadlines and limits as
//! REST. Messages pass as bytes and are never decoded, so every method of the descriptors is served, streaming ones
//! included.

mod inbound;
mod own;
mod relay;
mod text;

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
    compression,
    deadline::Deadline,
    messages::{Bounded, TooLarge},
    metrics::{GrpcMetrics, RpcKind},
    serve::Peer,
    telemetry::{GrpcSpan, Tracer},
    upstream::CallError,
};
use prost_reflect::{DescriptorPool, ServiceDescriptor};
use tokio::time::timeout_at;
use tonic::{Status, body::Body, codegen::StdError, service::Routes};
use tonic_web::GrpcWebLayer;
use tower::{Layer, Service, ServiceExt};

pub(crate) use self::own::Own;
use self::{
    inbound::{Account, Counted},
    relay::Relay,
    text::TextBody,
};
use crate::{
    admit::{Admit, Caller, Shares},
    backlog::{Backlog, Budget, GaveUp, Upload},
    bytes_codec::BytesCodec,
    deadline_body::{DeadlineBody, Limit},
    edge::{self, Labels},
    ending::{Ending, ServerSide},
    entry::{Entry, kind},
    limits::Limits,
    request_span::{TRACE_RESPONSE, trace_response},
};

/// Concurrent streams of the gateway's own services.
const MAX_OWN_STREAMS: usize = 64;

/// What the unread responses of the gateway's own streams may occupy. When more than half of the streams wait for their
/// clients, the one that has waited for longest is given up.
const OWN_UNREAD: Budget =
    Budget { transfers: MAX_OWN_STREAMS / 2, bytes: 4 * 1024 * 1024, max_bytes: 8 * 1024 * 1024 };

/// The gateway's own services, and their streams.
pub(crate) struct OwnServices {
    routes: Routes,
    permits: Shares,
    unread: Backlog,
}

impl OwnServices {
    pub(crate) fn new(routes: Routes) -> Self {
        Self { routes, permits: Shares::new(MAX_OWN_STREAMS), unread: Backlog::new(OWN_UNREAD) }
    }
}

/// Everything behind `application/grpc*`.
#[derive(Clone)]
pub(crate) struct Grpc(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) rpcs: HashMap<String, (PathAndQuery, RpcKind)>,
    pub(crate) own: OwnServices,
    pub(crate) entry: Entry,
    pub(crate) admit: Admit,
    /// Request bodies on their way.
    pub(crate) bodies: Backlog,
    /// Responses of calls that wait for their clients.
    pub(crate) unread: Backlog,
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
        if self.0.is_known(request.uri().path()) {
            Labels::of(request.extensions()).set_route(request.uri().path());
        }
        let request = decoded(request);
        let Ok(response) = GrpcWebLayer::new().layer(self.clone()).oneshot(request).await;
        if response.status() == StatusCode::BAD_REQUEST {
            let message = "gRPC requires HTTP/2; use gRPC-Web over HTTP/1.1";
            return edge::error(StatusCode::BAD_REQUEST, tonic::Code::InvalidArgument, message);
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
    fn is_known(&self, path: &str) -> bool {
        self.rpcs.contains_key(path) || own::serves(path)
    }

    async fn answer(self: Arc<Self>, request: Request<Body>) -> Response<Body> {
        let path = request.uri().path();
        if own::serves(path) {
            return self.answer_itself(request).await;
        }
        let Some((path, kind)) = self.rpcs.get(path).cloned() else {
            let status = Status::unimplemented(format!("unknown method {path}"));
            Labels::of(request.extensions()).set_code(status.code());
            return status.into_http();
        };
        let (parts, body) = request.into_parts();
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        let incoming = self.tracer.extract(&parts.headers);
        let span = GrpcSpan::server(&self.tracer, &incoming, path.as_str(), None, peer);
        if let Some(ids) = span.span().ids().or_else(|| incoming.ids()) {
            octet_runtime::logs::record_trace(&ids);
        }
        let deadline = self.limits.deadline(&parts.headers);
        let call = self.metrics.start_as(path.as_str(), kind).traced_by(&span);
        let trace = trace_response(span.span());
        let labels = Labels::of(&parts.extensions);
        labels.set_span(span.span());
        let caller = Caller::of(&parts.extensions);
        let account = Account::new(self.admit.messages(caller));
        let relay = Relay {
            caller,
            account: account.clone(),
            ending: Ending::new(ServerSide::Grpc { span, call }, labels),
            deadline,
            metadata: self.entry.metadata(&parts),
            shared: self.clone(),
            path,
            kind,
        };
        let limit = self.limits.body_bytes;
        let body = if kind.client_streams() {
            Body::new(Counted::new(body, account))
        } else {
            Body::new(Upload::new(body, &self.bodies))
        };
        let body = Body::new(Bounded::new(body, limit).map_err(with_status));
        let mut grpc = tonic::server::Grpc::new(BytesCodec).max_decoding_message_size(limit);
        let compresses = compression::is_used(&parts.headers);
        // Messages pass to the entry service uncompressed.
        for encoding in compression::ENCODINGS {
            grpc = grpc.accept_compressed(encoding);
            if compresses {
                grpc = grpc.send_compressed(encoding);
            }
        }
        let response = grpc.streaming(relay.once(), Request::from_parts(parts, body)).await;
        let mut response = match deadline {
            Ok(deadline) => {
                let passed = self.entry.deadline_passed();
                response.map(|body| self.with_deadline(body, (), deadline, &passed, &self.unread))
            }
            Err(_) => response,
        };
        if let Some(trace) = trace {
            response.headers_mut().insert(TRACE_RESPONSE, trace);
        }
        response
    }

    /// Health and reflection, which the gateway answers itself. Their streams have a small budget of their own, and end
    /// after a short time: clients start them again.
    async fn answer_itself(&self, request: Request<Body>) -> Response<Body> {
        let is_stream = own::streams(request.uri().path());
        let permit = match self.own.permits.take(Caller::of(request.extensions()), 1) {
            Ok(permit) if is_stream => Some(permit),
            Err(_) if is_stream => {
                let message = "too many concurrent health and reflection streams; try again later";
                return Status::unavailable(message).into_http();
            }
            _ => None,
        };
        let deadline = match self.limits.deadline(request.headers()) {
            Ok(deadline) => own::deadline(deadline),
            Err(error) => return Status::invalid_argument(error.to_string()).into_http(),
        };
        let request = request.map(|body| Body::new(Upload::new(body, &self.bodies).map_err(with_status)));
        let end = deadline.min(Deadline::after(self.limits.body_timeout));
        let Ok(Ok(response)) = timeout_at(end.instant(), self.own.routes.clone().oneshot(request)).await
        else {
            return Status::deadline_exceeded("the request message did not arrive in time").into_http();
        };
        let passed = CallError::deadline_passed().status;
        response.map(|body| self.with_deadline(body, permit, deadline, &passed, &self.own.unread))
    }

    /// A body that ends with the status `passed` and releases `permit` at the deadline, or when its client has stopped
    /// reading.
    fn with_deadline<P: Send + 'static>(
        &self,
        body: Body,
        permit: P,
        deadline: Deadline,
        passed: &Status,
        unread: &Backlog,
    ) -> Body {
        if body.is_end_stream() {
            return body;
        }
        let mut trailers = HeaderMap::new();
        let last = passed.add_header(&mut trailers).map(|()| Frame::trailers(trailers));
        let limit = Limit { deadline: deadline.instant(), unread: self.limits.body_timeout };
        Body::new(DeadlineBody::of_call(body, permit, limit, last, unread))
    }
}

/// The status for a request body that cannot be read on.
fn with_status(error: StdError) -> StdError {
    if let Some(large) = error.downcast_ref::<TooLarge>() {
        return Status::resource_exhausted(large.to_string()).into();
    }
    match error.downcast_ref::<GaveUp>() {
        Some(reason) => Status::unavailable(reason.to_string()).into(),
        None => error,
    }
}

/// A gRPC-Web request in text form as one in binary form; the form of the response depends on `Accept` alone.
fn decoded(request: EdgeRequest) -> EdgeRequest {
    let content_type = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if !content_type.is_some_and(|kind| kind.starts_with(b"application/grpc-web-text")) {
        return request;
    }
    let mut request = request.map(|body| EdgeBody::new(TextBody::new(body)));
    let binary = HeaderValue::from_static("application/grpc-web+proto");
    request.headers_mut().insert(header::CONTENT_TYPE, binary);
    request
}

/// Puts a content type in lower case and removes its parameters, because tonic-web compares it literally.
fn normalize(value: Option<&mut HeaderValue>) {
    let Some(value) = value else { return };
    let plain = value.to_str().ok().and_then(|value| value.split(';').next());
    if let Some(Ok(plain)) = plain.map(|it| HeaderValue::try_from(it.trim().to_ascii_lowercase())) {
        *value = plain;
    }
}
