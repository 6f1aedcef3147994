//! gRPC statuses as HTTP: the status code and the error body of grpc-gateway.

use bytes::Bytes;
use http::StatusCode;
use prost::Message;
use prost_reflect::DescriptorPool;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tonic::Code;

use super::json::AnyJson;

/// The HTTP status of a gRPC code (GATEWAY.md; grpc-gateway's `HTTPStatusFromCode`).
pub fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        // nginx's "client closed request"; HTTP itself has no code for it.
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// The error body `{"code":5,"message":"…","details":[…]}`. `details` is always present.
///
/// `details` are the bytes of `grpc-status-details-bin` (`tonic::Status::details`), a `google.rpc.Status`. Each detail is
/// written as the JSON of an `Any`; a detail of a type that `pool` does not know, or without a JSON form, is written as
/// `{"@type": "…", "value": "<base64>"}`. Bytes that are not a `google.rpc.Status` give no details.
pub fn error_json(pool: &DescriptorPool, code: Code, message: &str, details: &[u8]) -> Vec<u8> {
    let details = if details.is_empty() { Vec::new() } else { decoded(pool, details) };
    let body = ErrorBody { code: i32::from(code), message, details };
    // Cannot fail: the details are JSON already.
    serde_json::to_vec(&body).unwrap_or_default()
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: i32,
    message: &'a str,
    details: Vec<Box<RawValue>>,
}

/// `google.rpc.Status` (google/rpc/status.proto). Code and message come from `grpc-status` and `grpc-message`, so only
/// the details are read.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

fn decoded(pool: &DescriptorPool, details: &[u8]) -> Vec<Box<RawValue>> {
    let status = RpcStatus::decode(details).unwrap_or_default();
    let details = status.details.into_iter().filter_map(|detail| {
        let any = AnyJson::new(pool.clone(), detail.type_url, detail.value);
        // Written as text directly: a detour through `Value` would widen 32-bit floats.
        to_raw_value(&any).or_else(|_| to_raw_value(&any.encoded())).ok()
    });
    details.collect()
}
