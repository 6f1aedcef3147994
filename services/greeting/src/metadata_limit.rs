//! Refuses a call with too much metadata with the status `RESOURCE_EXHAUSTED`. The larger limit of HTTP/2 itself would
//! answer 431, which clients report as UNKNOWN.

use http::{Request, Response};
use octet_runtime::metadata;
use tonic::{Status, body::Body};

/// The request, or the refusal.
pub(crate) fn check<B>(request: Request<B>) -> Result<Request<B>, Box<Response<Body>>> {
    let Err(size) = metadata::check(request.headers()) else { return Ok(request) };
    let message = format!("metadata of {size} bytes exceeds the limit of {} bytes", metadata::LIMIT);
    Err(Box::new(Status::resource_exhausted(message).into_http()))
}
