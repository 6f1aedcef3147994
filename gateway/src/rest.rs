//! A REST request from its route to its response: the one place where HTTP meets gRPC.

mod body;
mod failure;
mod framing;
mod stream;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, Method},
    response::Response,
};
use bytes::Bytes;
use octet_runtime::{
    deadline::{Deadline, MalformedTimeout},
    telemetry::Tracer,
};
use prost_reflect::{DescriptorPool, DynamicMessage};
use tonic::Status;

pub(crate) use self::{body::collect, failure::Failure};
use self::{framing::Framing, stream::messages};
use crate::{
    admit::{Admit, Caller, Permit},
    backlog::Backlog,
    edge::{self, Labels},
    ending::{Ending, ServerSide},
    entry::{Entry, Event, Interrupt, ResponseStream, Rpc, kind},
    limits::Limits,
    request_span::{RequestSpan, TRACE_RESPONSE, trace_response},
    transcode::{self, Binding, Lookup, Match, Routes},
};

/// What answering REST requests needs.
pub(crate) struct Rest {
    pub(crate) routes: Routes,
    pub(crate) pool: DescriptorPool,
    pub(crate) entry: Entry,
    pub(crate) admit: Admit,
    /// Request bodies on their way.
    pub(crate) bodies: Backlog,
    /// Responses of calls that wait for their clients.
    pub(crate) unread: Backlog,
    pub(crate) limits: Limits,
    pub(crate) tracer: Tracer,
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
}

/// Answers a request with the RPC that its method and path name.
pub(crate) async fn answer(rest: Arc<Rest>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let found = match rest.routes.find(&parts.method, path) {
        Lookup::Found(found) => found,
        Lookup::NotFound => return edge::no_route(path),
        Lookup::MethodNotAllowed { allow } => {
            let allow: Vec<&str> = allow.iter().map(Method::as_str).collect();
            return edge::not_allowed(&parts.method, path, Some(&allow.join(", ")));
        }
    };

    let labels = Labels::of(&parts.extensions);
    let route = found.binding().template().to_string();
    labels.set_route(&route);
    let mut span = RequestSpan::start(&rest.tracer, &parts, &route, rest.scheme);
    labels.set_span(span.span());
    let deadline = rest.limits.deadline(&parts.headers);
    if let Ok(deadline) = deadline {
        span.set_deadline(deadline);
    }
    let trace = trace_response(span.span());
    let mut ending = Ending::new(ServerSide::Rest(span), labels);
    let framing = found.binding().rpc().is_server_streaming().then(|| Framing::accepted(&parts.headers));
    let answered = match prepare(&rest, &found, &parts, body, deadline).await {
        Ok(call) => {
            ending.admitted(call.permit);
            let requests = || futures_util::stream::once(std::future::ready(call.message.clone()));
            let binding = found.binding();
            let kind = kind(binding.rpc());
            let caller = Caller::of(&parts.extensions);
            let rpc = Rpc { path: binding.grpc_path(), kind, deadline: call.deadline, caller };
            let opened = rest
                .entry
                .open(rpc, &call.metadata, binding.codec(), requests, ending, Interrupt::never())
                .await;
            match (opened, framing) {
                (Ok(stream), Some(framing)) => messages(&rest, binding, framing, stream).await,
                (Ok(stream), None) => whole(binding, stream).await,
                (Err(status), Some(framing)) => Err(framing.failure(status)),
                (Err(status), None) => Err(status.into()),
            }
        }
        Err(failure) => {
            ending.fail(&failure.status, failure.http);
            Err(failure)
        }
    };
    let mut response = answered.unwrap_or_else(|failure| failure.into_response(&rest.pool));
    if let Some(trace) = trace {
        response.headers_mut().insert(TRACE_RESPONSE, trace);
    }
    response
}

/// What the call needs, read from a request that was admitted.
struct Call {
    /// Encoded.
    message: Bytes,
    metadata: HeaderMap,
    deadline: Deadline,
    permit: Permit,
}

async fn prepare(
    rest: &Rest,
    found: &Match<'_, '_>,
    parts: &http::request::Parts,
    body: Body,
    deadline: Result<Deadline, MalformedTimeout>,
) -> Result<Call, Failure> {
    let deadline = deadline.map_err(|error| Status::invalid_argument(error.to_string()))?;
    let binding = found.binding();
    if binding.rpc().is_client_streaming() {
        return Err(Status::unimplemented("client-streaming RPCs are not available over REST").into());
    }
    let body = match binding.body() {
        transcode::Body::Ignored => Bytes::new(),
        transcode::Body::Message | transcode::Body::Field(_) => {
            collect(body, &rest.limits, Some(deadline), &rest.bodies).await?
        }
    };
    // Only now: a client that sends its body slowly must not hold a permit.
    let permit = rest.admit.admit(Caller::of(&parts.extensions), body.len()).map_err(Failure::busy)?;
    let message = found.encoded_request(parts.uri.query(), &body)?;
    let metadata = rest.entry.metadata(parts)?;
    Ok(Call { message, metadata, deadline, permit })
}

/// The response of a unary RPC.
async fn whole(binding: &Binding, mut stream: ResponseStream<DynamicMessage>) -> Result<Response, Failure> {
    let metadata = stream.take_metadata();
    let read = async {
        // Written at once: the decoded message is much larger, and there must never be many.
        let json = match stream.next().await {
            Event::Message(message) => response_json(binding, &message)?,
            Event::End(_) => return Err(Status::internal("the response has no message")),
            Event::Failed(status) => return Err(status),
        };
        let trailers = match stream.next().await {
            Event::End(trailers) => trailers.into_headers(),
            Event::Message(_) => return Err(Status::internal("the response has more than one message")),
            Event::Failed(status) => return Err(status),
        };
        Ok((json, trailers))
    };
    let read = read.await;
    stream.end(read.as_ref().map(|_| ()));
    let (json, trailers) = read.map_err(|status| Failure::after(metadata.clone(), status))?;
    let mut response = edge::json(json);
    transcode::response_headers(&metadata, response.headers_mut());
    transcode::response_trailers(&trailers, response.headers_mut());
    Ok(response)
}

/// A response message as its rule's JSON.
fn response_json(binding: &Binding, message: &DynamicMessage) -> Result<Vec<u8>, Status> {
    binding.response_json(message).map_err(|error| {
        tracing::warn!(?error, "a response message has no JSON form");
        Status::from(error)
    })
}
