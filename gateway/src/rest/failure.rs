//! A request that failed, and the HTTP response for it.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use prost_reflect::DescriptorPool;
use tonic::Status;

use super::framing::line;
use crate::{
    edge,
    entry::MetadataError,
    transcode::{self, RequestError},
};

/// A gRPC status, and what HTTP needs beside it.
pub(crate) struct Failure {
    /// Replaces the HTTP status of the code.
    pub(super) http: Option<StatusCode>,
    pub(super) status: Status,
    /// The metadata of the response's head, if there was one: the status then carries the trailers.
    metadata: Option<HeaderMap>,
    retry_after: Option<HeaderValue>,
    form: Form,
}

/// How the error is written to the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As the whole body.
    Body,
    /// As the only line of a stream.
    Line,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self { http: None, status, metadata: None, retry_after: None, form: Form::Body }
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::TooLarge(_) => Self::with_http(StatusCode::PAYLOAD_TOO_LARGE, error.into()),
            error => Status::from(error).into(),
        }
    }
}

impl From<MetadataError> for Failure {
    fn from(error: MetadataError) -> Self {
        match error {
            MetadataError::Malformed(_) | MetadataError::Fault(_) => Status::from(error).into(),
            MetadataError::TooLarge(_) => {
                Self::with_http(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, error.into())
            }
        }
    }
}

impl Failure {
    pub(super) fn with_http(http: StatusCode, status: Status) -> Self {
        Self { http: Some(http), ..Self::from(status) }
    }

    /// 503 instead of 429, `RESOURCE_EXHAUSTED`'s status: the same request may succeed a moment later.
    pub(crate) fn busy(reason: impl std::error::Error) -> Self {
        let retry_after = Some(HeaderValue::from_static("1"));
        Self { retry_after, ..Self::from(Status::unavailable(reason.to_string())) }
    }

    /// Of a call whose response head had arrived with `metadata`.
    pub(super) fn after(metadata: HeaderMap, status: Status) -> Self {
        Self { metadata: Some(metadata), ..Self::from(status) }
    }

    /// Of a streaming RPC, before its first message: the body has the stream's form and the response the error's
    /// status, as in grpc-gateway.
    pub(super) fn of_stream(status: Status) -> Self {
        Self { form: Form::Line, ..Self::from(status) }
    }

    pub(crate) fn into_response(self, pool: &DescriptorPool) -> Response {
        let Self { http, status, metadata, retry_after, form } = self;
        let http = http.unwrap_or_else(|| transcode::http_status(status.code()));
        let body = match form {
            Form::Body => error_json(pool, &status),
            Form::Line => line("error", &error_json(pool, &status)),
        };
        let mut response = (http, edge::json(body)).into_response();
        let headers = response.headers_mut();
        let status_metadata = status.metadata().clone().into_headers();
        match metadata {
            None => transcode::response_headers(&status_metadata, headers),
            Some(metadata) => {
                transcode::response_headers(&metadata, headers);
                transcode::response_trailers(&status_metadata, headers);
            }
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

pub(super) fn error_json(pool: &DescriptorPool, status: &Status) -> Vec<u8> {
    transcode::error_json(pool, status.code(), status.message(), status.details())
}
