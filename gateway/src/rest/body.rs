//! A request's body, within its limits.

use axum::{
    body::{Body, HttpBody},
    http::StatusCode,
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use octet_runtime::deadline::Deadline;
use tokio::time::timeout_at;
use tonic::Status;

use super::failure::Failure;
use crate::{
    backlog::{Backlog, GaveUp, Upload},
    limits::Limits,
};

/// Reads a body to its end, before the deadline and within `BODY_TIMEOUT`.
pub(crate) async fn collect(
    body: Body,
    limits: &Limits,
    deadline: Option<Deadline>,
    bodies: &Backlog,
) -> Result<Bytes, Failure> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    // A body that is announced as too large is not read at all. A client that sent `Expect: 100-continue` then does not
    // send it either (RFC 9110, 10.1.1).
    if body.size_hint().lower() > u64::try_from(limits.body_bytes).unwrap_or(u64::MAX) {
        return Err(too_large(limits.body_bytes));
    }
    let patience = Deadline::after(limits.body_timeout);
    let end = deadline.map_or(patience, |deadline| deadline.min(patience));
    let limited = Limited::new(Upload::new(body, bodies), limits.body_bytes);
    let Ok(collected) = timeout_at(end.instant(), limited.collect()).await else {
        let status = Status::deadline_exceeded("the request body did not arrive in time");
        // 504 if the client's own deadline has passed, 408 if the gateway stopped waiting before that.
        let http = match deadline {
            Some(deadline) if deadline.has_passed() => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::REQUEST_TIMEOUT,
        };
        return Err(Failure::with_http(http, status));
    };
    match collected {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(limits.body_bytes)),
        Err(error) if error.is::<GaveUp>() => Err(Failure::busy(GaveUp)),
        Err(error) => {
            tracing::debug!(%error, "request body ended early");
            Err(Status::invalid_argument("the request body ended early").into())
        }
    }
}

fn too_large(limit: usize) -> Failure {
    let status = Status::resource_exhausted(format!("request body exceeds the limit of {limit} bytes"));
    Failure::with_http(StatusCode::PAYLOAD_TOO_LARGE, status)
}
