//! A REST request from its route to its answer: the one place where HTTP meets gRPC.

mod body;
mod failure;
mod stream;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, Method, StatusCode},
    response::Response,
};
use bytes::Bytes;
use octet_runtime::{
    admission::{Admission, Admitted},
    deadline::Deadline,
    telemetry::Tracer,
};
use prost_reflect::{DescriptorPool, DynamicMessage};
use tonic::{Code, Status};

use self::stream::Lines;
pub(crate) use self::{body::collect, failure::Failure};
use crate::{
    edge::{self, Outcome, Route},
    entry::{Answer, Entry, Rpc, Step, kind},
    limits::Limits,
    request_span::RequestSpan,
    transcode::{self, Binding, Lookup, Match, Routes},
};

/// What transcoding needs.
pub(crate) struct Rest {
    pub(crate) routes: Routes,
    pub(crate) pool: DescriptorPool,
    pub(crate) entry: Entry,
    pub(crate) admission: Admission,
    pub(crate) limits: Limits,
    pub(crate) tracer: Tracer,
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
}

/// An answer that has begun well.
enum Begun {
    Whole(Response),
    Lines(Box<Lines>),
}

/// Answers a request by the RPC that its method and path mean.
pub(crate) async fn answer(rest: Arc<Rest>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let found = match rest.routes.find(&parts.method, path) {
        Lookup::Found(found) => found,
        Lookup::NotFound => {
            let message = format!("nothing is served on {path}");
            return edge::error(StatusCode::NOT_FOUND, Code::NotFound, &message);
        }
        Lookup::MethodNotAllowed { allow } => {
            let allow: Vec<&str> = allow.iter().map(Method::as_str).collect();
            return edge::not_allowed(parts.method.as_str(), path, &allow.join(", "));
        }
    };

    let binding = found.binding();
    let outcome = parts.extensions.get::<Outcome>().cloned();
    let mut span = RequestSpan::begin(&rest.tracer, &parts, &binding.template().to_string(), rest.scheme);
    let deadline = rest.limits.deadline(&parts.headers);
    if let Ok(deadline) = deadline {
        span.deadline(deadline);
    }
    let mut trace = HeaderMap::new();
    span.write_to_response(&mut trace);
    let begun = async {
        let admitted = rest.admission.admit().map_err(Failure::overloaded)?;
        let deadline = deadline.map_err(|error| Status::invalid_argument(error.to_string()))?;
        begin(&rest, &found, &parts, body, deadline, admitted).await
    };
    let (code, mut response) = match span.scope(begun).await {
        Ok(Begun::Whole(response)) => {
            span.end(response.status());
            (Code::Ok, response)
        }
        Ok(Begun::Lines(lines)) => (Code::Ok, lines.into_response(rest.clone(), span, outcome.clone())),
        Err(failure) => {
            let code = failure.code();
            let response = failure.into_response(&rest.pool);
            span.end(response.status());
            (code, response)
        }
    };
    if let Some(outcome) = outcome {
        outcome.tell(code);
    }
    response.extensions_mut().insert(Route(binding.template().to_string()));
    response.headers_mut().extend(trace);
    response
}

async fn begin(
    rest: &Rest,
    found: &Match<'_, '_>,
    parts: &http::request::Parts,
    body: Body,
    deadline: Deadline,
    admitted: Admitted,
) -> Result<Begun, Failure> {
    let binding = found.binding();
    if binding.rpc().is_client_streaming() {
        return Err(Status::unimplemented("RPCs that take a stream are not served over REST").into());
    }
    let body = match binding.body() {
        // What nobody reads is not waited for.
        transcode::Body::Ignored => Bytes::new(),
        transcode::Body::Message | transcode::Body::Field(_) => collect(body, &rest.limits, deadline).await?,
    };
    let message = found.encoded_request(parts.uri.query(), &body)?;
    let metadata = rest.entry.metadata(parts)?;

    let rpc = Rpc { path: binding.grpc_path(), kind: kind(binding.rpc()), deadline };
    let requests = || futures_util::stream::once(std::future::ready(message.clone()));
    let opened = rest.entry.open(rpc, &metadata, binding.codec(), requests).await;
    if binding.rpc().is_server_streaming() {
        let lines = match opened {
            Ok(answer) => Lines::begin(binding, answer, admitted).await,
            Err(status) => Err(status),
        };
        return lines.map(|lines| Begun::Lines(Box::new(lines))).map_err(Failure::of_a_stream);
    }
    whole(binding, opened?).await.map(Begun::Whole)
}

/// The answer of a unary RPC.
async fn whole(binding: &Binding, mut answer: Answer<DynamicMessage>) -> Result<Response, Failure> {
    let metadata = answer.metadata();
    let failed = |status| Failure::after(metadata.clone(), status);
    let message = match answer.step().await {
        Step::Message(message) => message,
        Step::End(_) => return Err(failed(Status::internal("the answer has no message"))),
        Step::Failed(status) => return Err(failed(status)),
    };
    let trailers = match answer.step().await {
        Step::End(trailers) => trailers.into_headers(),
        Step::Message(_) => return Err(failed(Status::internal("the answer has more than one message"))),
        Step::Failed(status) => return Err(failed(status)),
    };
    let json = binding.response_json(&message).map_err(|error| {
        tracing::warn!(?error, "an answer has no JSON form");
        Status::from(error)
    })?;
    let mut response = edge::json(json);
    transcode::response_headers(&metadata, response.headers_mut());
    transcode::response_trailers(&trailers, response.headers_mut());
    Ok(response)
}
