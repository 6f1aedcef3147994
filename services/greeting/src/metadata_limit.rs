//! Refuses a call whose metadata are too large with the status that says so. HTTP/2's own limit, which is
//! larger, would answer 431, and clients make UNKNOWN of it.

use http::{Request, Response};
use octet_runtime::metadata;
use tonic::{Status, body::Body};

/// The request, or the answer that refuses it.
pub(crate) fn check<B>(request: Request<B>) -> Result<Request<B>, Box<Response<Body>>> {
    let Err(size) = metadata::check(request.headers()) else { return Ok(request) };
    let message = format!("metadata of {size} bytes: at most {} are taken", metadata::LIMIT);
    Err(Box::new(Status::resource_exhausted(message).into_http()))
}
