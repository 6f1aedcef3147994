//! A query, for a message with a field of every kind.

use http::Method;

use crate::{
    holds::{self, lossy},
    library::asked,
};

pub(crate) fn run(bytes: &[u8]) {
    let query = lossy(bytes);
    holds::request(asked(&Method::GET, "/v1/everything", Some(&query), b""));
    // With fields that belong to the path and to the body.
    holds::request(asked(&Method::GET, "/v1/everything/nested/x", Some(&query), b""));
    holds::request(asked(&Method::POST, "/v1/shelves", Some(&query), b"{}"));
}
