//! OTLP over gRPC: one unary RPC.
//!
//! Its body is read as every report's is, so that one limit of memory holds for all formats; a gRPC library would have its
//! own for each message.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use http_body_util::{BodyExt as _, Full};
use tonic::{Code, Status};

use super::{
    super::{Collector, Refusal, body},
    Answer, answer, media_type,
};
use crate::store::Format;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

pub(super) fn router() -> Router<Collector> {
    Router::new()
        .route("/opentelemetry.proto.collector.trace.v1.TraceService/Export", post(export))
        .fallback(unknown)
}

async fn export(State(collector): State<Collector>, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    if !is_grpc(&parts.headers) {
        let message = "Content-Type must be application/grpc";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    Ok(match take(&collector, &parts.headers, body).await {
        Ok(answer) => respond(&answer),
        Err(refusal) => refuse(refusal),
    })
}

async fn take(collector: &Collector, headers: &HeaderMap, body: Body) -> Result<Answer, Refusal> {
    let arrived = body::read_message(&collector.bodies, headers, body).await?;
    answer(collector.take(Format::Otlp, headers, arrived).await?)
}

/// One message, and a status of zero after it.
fn respond(answer: &Answer) -> Response {
    let message = answer.protobuf();
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut framed = vec![0];
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(&message);
    let trailers = HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("0"))]);
    let body = Full::new(Bytes::from(framed)).with_trailers(async { Some(Ok(trailers)) });
    ([(header::CONTENT_TYPE, GRPC)], Body::new(body)).into_response()
}

fn refuse(Refusal { status, message }: Refusal) -> Response {
    let mut response = Status::new(Code::from_i32(code(status)), message).into_http::<Body>();
    if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        response.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity,gzip"));
    }
    response
}

/// OTLP's other signals.
const OTHER_SIGNALS: [&str; 6] = [
    "/v1/metrics",
    "/v1/logs",
    "/v1development/profiles",
    "/opentelemetry.proto.collector.metrics.",
    "/opentelemetry.proto.collector.logs.",
    "/opentelemetry.proto.collector.profiles.",
];

/// Other signals and services are answered as gRPC and HTTP say: a client must learn that nothing was kept.
async fn unknown(request: Request) -> Response {
    let path = request.uri().path();
    let is_other_signal = OTHER_SIGNALS.iter().any(|signal| path.starts_with(signal));
    let is_grpc = is_grpc(request.headers());
    let message = match (is_other_signal, is_grpc) {
        (true, _) => "this collector takes traces only, no other signals of OTLP".to_owned(),
        (false, true) => format!("no method {path}"),
        (false, false) => format!("no route for {path}"),
    };
    if is_grpc {
        return Status::unimplemented(message).into_http::<Body>();
    }
    Refusal::new(StatusCode::NOT_FOUND, message).into_response()
}

fn is_grpc(headers: &HeaderMap) -> bool {
    matches!(&*media_type(headers), b"application/grpc" | b"application/grpc+proto")
}

/// The code of gRPC for an HTTP status.
pub(super) fn code(status: StatusCode) -> i32 {
    let code = match status {
        StatusCode::BAD_REQUEST => Code::InvalidArgument,
        StatusCode::REQUEST_TIMEOUT => Code::DeadlineExceeded,
        StatusCode::PAYLOAD_TOO_LARGE => Code::ResourceExhausted,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::Unimplemented,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        _ => Code::Internal,
    };
    code.into()
}
