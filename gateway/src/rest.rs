//! A REST request from its route to its answer: the one place where HTTP meets gRPC.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use octet_runtime::{
    admission::{Admission, Overloaded},
    deadline::Deadline,
    propagation::{Propagation, X_REQUEST_ID},
    serve::Peer,
    telemetry::Tracer,
    upstream::{CallError, Failure as Failed, Upstream},
};
use prost_reflect::{DescriptorPool, DynamicMessage};
use tokio::time::timeout_at;
use tonic::{Code, Status, client::Grpc, metadata::MetadataMap};

use crate::{
    edge::{self, Route},
    request_span::RequestSpan,
    transcode::{self, Binding, Client, Lookup, Routes},
};

/// Bytes of the largest body that is taken: what the services take as a message.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// How long a client may take over a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What transcoding needs.
pub(crate) struct Rest {
    pub(crate) routes: Routes,
    pub(crate) pool: DescriptorPool,
    pub(crate) entry: Upstream,
    pub(crate) propagation: Propagation,
    pub(crate) admission: Admission,
    pub(crate) tracer: Tracer,
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
        Lookup::MethodNotAllowed { allow } => return not_allowed(&parts, &allow),
    };

    let binding = found.binding();
    let mut span = RequestSpan::begin(&rest.tracer, &parts, &binding.template().to_string());
    let deadline = Deadline::from_headers(&parts.headers);
    if let Ok(deadline) = deadline {
        span.deadline(deadline);
    }
    let request = async {
        if binding.rpc().is_client_streaming() || binding.rpc().is_server_streaming() {
            return Err(Status::unimplemented("streaming RPCs are not served over REST").into());
        }
        let _admitted = rest.admission.admit().map_err(Failure::overloaded)?;
        let deadline = deadline.map_err(|error| invalid(error.to_string()))?;
        let body = match binding.body() {
            // What nobody reads is not waited for.
            transcode::Body::Ignored => Bytes::new(),
            transcode::Body::Message | transcode::Body::Field(_) => collect(body, deadline).await?,
        };
        let message = found.request(parts.uri.query(), &body).map_err(Status::from)?;
        let metadata = rest.metadata(&parts)?;
        rest.call(binding, message, metadata, deadline).await
    };
    let mut response = span.scope(request).await.unwrap_or_else(|failure| failure.into_response(&rest.pool));
    response.extensions_mut().insert(Route(binding.template().to_string()));
    span.write_to_response(response.headers_mut());
    span.end(response.status());
    if parts.method == Method::HEAD { without_body(response) } else { response }
}

impl Rest {
    /// The metadata of the call: what GATEWAY.md lets through, and the id that the edge gave the request.
    fn metadata(&self, parts: &Parts) -> Result<HeaderMap, Status> {
        let client = Client {
            peer: parts.extensions.get::<Peer>().map(|peer| peer.0.ip()),
            authority: parts
                .uri
                .authority()
                .map(http::uri::Authority::as_str)
                .or_else(|| parts.headers.get(header::HOST)?.to_str().ok()),
        };
        let carries = |name: &http::HeaderName| name == X_REQUEST_ID || self.propagation.carries(name);
        Ok(transcode::request_metadata(&parts.headers, client, carries)?)
    }

    async fn call(
        &self,
        binding: &Binding,
        message: DynamicMessage,
        metadata: HeaderMap,
        deadline: Deadline,
    ) -> Result<Response, Failure> {
        let path = binding.grpc_path();
        let answer = self
            .entry
            .call(path.as_str(), deadline, &metadata, |channel, headers| {
                let mut request = tonic::Request::new(message.clone());
                *request.metadata_mut() = MetadataMap::from_headers(headers);
                // Boxed, for it is large, and every future around it would be moved about with it.
                Box::pin(async move {
                    let mut client = Grpc::new(channel).max_decoding_message_size(BODY_LIMIT);
                    client.ready().await.map_err(|error| Status::from_error(error.into()))?;
                    client.unary(request, path.clone(), binding.codec()).await
                })
            })
            .await
            .map_err(|error| named(self.entry.name(), error))?;

        let (metadata, message, _) = answer.into_parts();
        let json = binding.response_json(&message).map_err(|error| {
            tracing::warn!(?error, "an answer has no JSON form");
            Status::from(error)
        })?;
        let mut response = edge::json(json);
        transcode::response_headers(&metadata.into_headers(), response.headers_mut());
        Ok(response)
    }
}

/// A status of the entry's own is told as it is; one about the way to it names it.
fn named(entry: &str, error: CallError) -> Status {
    match error.failure {
        Failed::Answered => error.status,
        Failed::NotProcessed | Failed::Interrupted | Failed::DeadlinePassed => {
            Status::new(error.status.code(), format!("{entry}: {}", error.status.message()))
        }
    }
}

/// Why a request has no answer from the RPC: a status, and the HTTP status where the table's is not the one.
struct Failure {
    http: Option<StatusCode>,
    status: Status,
    retry_after: Option<HeaderValue>,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self { http: None, status, retry_after: None }
    }
}

impl Failure {
    /// 503 and not the 429 of `RESOURCE_EXHAUSTED`: it is not this client that asks too much.
    fn overloaded(overloaded: Overloaded) -> Self {
        Self {
            http: None,
            status: Status::unavailable(overloaded.to_string()),
            retry_after: Some(HeaderValue::from_static("1")),
        }
    }

    fn into_response(self, pool: &DescriptorPool) -> Response {
        let Self { http, status, retry_after } = self;
        let http = http.unwrap_or_else(|| transcode::http_status(status.code()));
        let body = transcode::error_json(pool, status.code(), status.message(), status.details());
        let mut response = (http, edge::json(body)).into_response();
        transcode::response_headers(&status.metadata().clone().into_headers(), response.headers_mut());
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

fn invalid(message: String) -> Failure {
    Status::invalid_argument(message).into()
}

/// Reads a body to its end, before the deadline and within [`BODY_TIMEOUT`]: a request that is admitted keeps others
/// out, however long a deadline its client chose.
async fn collect(body: Body, deadline: Deadline) -> Result<Bytes, Failure> {
    let ended = deadline.min(Deadline::after(BODY_TIMEOUT));
    let Ok(collected) = timeout_at(ended.instant(), Limited::new(body, BODY_LIMIT).collect()).await else {
        return Err(Status::deadline_exceeded("the body did not end in time").into());
    };
    match collected {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Failure {
            http: Some(StatusCode::PAYLOAD_TOO_LARGE),
            status: Status::resource_exhausted(format!("the body is larger than {BODY_LIMIT} bytes")),
            retry_after: None,
        }),
        Err(error) => {
            tracing::debug!(%error, "a body ended early");
            Err(invalid("the body could not be read to its end".to_owned()))
        }
    }
}

/// 405 as HTTP has it, where grpc-gateway answers 501.
fn not_allowed(parts: &Parts, allow: &[Method]) -> Response {
    let allow: Vec<&str> = allow.iter().map(Method::as_str).collect();
    let allow = allow.join(", ");
    let message = format!("{} is not served on {}: {allow} is", parts.method, parts.uri.path());
    let mut response = edge::error(StatusCode::METHOD_NOT_ALLOWED, Code::Unimplemented, &message);
    if let Ok(allow) = HeaderValue::try_from(allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// HEAD's answer: the head of GET's, its length included.
fn without_body(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let length = http_body::Body::size_hint(&body).exact();
    if let Some(length) = length {
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(parts, Body::empty())
}
