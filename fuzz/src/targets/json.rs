//! A JSON body, as a whole message and as each kind of field.

use http::Method;

use crate::{checks, library::request};

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
        assert!(checks::request(request(&method, path, None, bytes)), "a message from JSON has no JSON form");
    }
}
