//! A request that has no answer from its RPC.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use octet_runtime::admission::Overloaded;
use prost_reflect::DescriptorPool;
use tonic::{Code, Status};

use crate::{
    edge,
    entry::MetadataError,
    transcode::{self, RequestError},
};

/// A status, and what of HTTP the table of statuses does not say.
pub(crate) struct Failure {
    http: Option<StatusCode>,
    status: Status,
    /// What came with the answer's head, where there was one: the status then carries its trailers.
    metadata: Option<HeaderMap>,
    retry_after: Option<HeaderValue>,
    form: Form,
}

/// How the error stands in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// It is the body.
    Body,
    /// As the one line of a stream.
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
            MetadataError::Malformed(_) => Status::from(error).into(),
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

    /// 503 and not the 429 of `RESOURCE_EXHAUSTED`: it is not this client that asks too much.
    pub(crate) fn overloaded(overloaded: Overloaded) -> Self {
        let retry_after = Some(HeaderValue::from_static("1"));
        Self { retry_after, ..Self::from(Status::unavailable(overloaded.to_string())) }
    }

    /// After the answer's head had come with `metadata`.
    pub(super) fn after(metadata: HeaderMap, status: Status) -> Self {
        Self { metadata: Some(metadata), ..Self::from(status) }
    }

    /// Of an RPC that answers with a stream, before its first message: as grpc-gateway has it, the form is the stream's
    /// and the status the error's.
    pub(super) fn of_a_stream(status: Status) -> Self {
        Self { form: Form::Line, ..Self::from(status) }
    }

    pub(super) fn code(&self) -> Code {
        self.status.code()
    }

    pub(crate) fn into_response(self, pool: &DescriptorPool) -> Response {
        let Self { http, status, metadata, retry_after, form } = self;
        let http = http.unwrap_or_else(|| transcode::http_status(status.code()));
        let body = match form {
            Form::Body => error_json(pool, &status),
            Form::Line => error_line(pool, &status),
        };
        let mut response = (http, edge::json(body)).into_response();
        let headers = response.headers_mut();
        let told = status.metadata().clone().into_headers();
        match metadata {
            None => transcode::response_headers(&told, headers),
            Some(metadata) => {
                transcode::response_headers(&metadata, headers);
                transcode::response_trailers(&told, headers);
            }
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

fn error_json(pool: &DescriptorPool, status: &Status) -> Vec<u8> {
    transcode::error_json(pool, status.code(), status.message(), status.details())
}

/// The last line of a stream that failed: `{"error":{…}}`.
pub(super) fn error_line(pool: &DescriptorPool, status: &Status) -> Vec<u8> {
    line("error", &error_json(pool, status))
}

/// A line of a stream.
pub(super) fn line(name: &str, json: &[u8]) -> Vec<u8> {
    [b"{\"", name.as_bytes(), b"\":", json, b"}\n"].concat()
}
