//! A JSON body, as a whole message and as each kind of field.

use http::Method;

use crate::{holds, library::asked};

pub(crate) fn run(bytes: &[u8]) {
    for (method, path) in [
        (Method::POST, "/v1/everything"),
        (Method::POST, "/v1/shelves"),
        (Method::POST, "/v1/tags"),
        (Method::POST, "/v1/weight"),
        (Method::POST, "/v1/labels"),
        (Method::PATCH, "/v1/shelves/1/books/2"),
        (Method::PUT, "/v1/shelves/1/books/2"),
    ] {
        assert!(holds::request(asked(&method, path, None, bytes)), "what came as JSON has no JSON form");
    }
}
