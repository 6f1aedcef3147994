//! A request: `METHOD path?query` in the first line, then the body.

use http::Method;
use octet_gateway::transcode::{Lookup, Routes};

use crate::{
    checks::{self, lossy},
    headers::first_line,
    library::{GREETING, LIBRARY},
};

pub(crate) fn run(bytes: &[u8]) {
    let (line, body) = first_line(bytes);
    let line = lossy(line);
    let (method, target) = line.split_once(' ').unwrap_or(("GET", &line));
    let Ok(method) = Method::from_bytes(method.as_bytes()) else { return };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    for routes in [&LIBRARY.1, &GREETING.1] {
        match routes.find(&method, path) {
            Lookup::Found(found) => drop(checks::request(found.request(query, body))),
            Lookup::MethodNotAllowed { allow } => allowed(routes, &method, path, &allow),
            Lookup::NotFound => {}
        }
    }
}

/// The methods in `Allow` are served, and each is listed once.
fn allowed(routes: &Routes, refused: &Method, path: &str, allow: &[Method]) {
    assert!(!allow.contains(refused) && allow.is_sorted_by(|one, other| one.as_str() < other.as_str()));
    for method in allow {
        assert!(matches!(routes.find(method, path), Lookup::Found(_)), "{method} is not served on {path}");
    }
}
