//! Refuses a call whose metadata are too large with the status that says so. HTTP/2's own limit, which is
//! larger, would answer 431, and clients make UNKNOWN of it.

use http::{HeaderMap, Request, Response};
use tonic::{Status, body::Body};

/// Bytes of names and values together, with 32 for each header (RFC 9113, 6.5.2): what gRPC's
/// implementations allow by default is between 8 and 16 KiB.
const LIMIT: usize = 16 * 1024;

/// The request, or the answer that refuses it.
pub(crate) fn check<B>(request: Request<B>) -> Result<Request<B>, Box<Response<Body>>> {
    let size = size(request.headers());
    if size <= LIMIT {
        return Ok(request);
    }
    let message = format!("metadata of {size} bytes: at most {LIMIT} are taken");
    Err(Box::new(Status::resource_exhausted(message).into_http()))
}

fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
}
