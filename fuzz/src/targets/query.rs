//! A query, for a message with a field of every kind.

use http::Method;

use crate::{
    checks::{self, lossy},
    library::request,
};

pub(crate) fn run(bytes: &[u8]) {
    let query = lossy(bytes);
    checks::request(request(&Method::GET, "/v1/everything", Some(&query), b""));
    // With fields that the path or the body sets.
    checks::request(request(&Method::GET, "/v1/everything/nested/x", Some(&query), b""));
    checks::request(request(&Method::POST, "/v1/shelves", Some(&query), b"{}"));
}
