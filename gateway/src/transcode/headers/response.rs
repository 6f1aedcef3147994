//! An answer's metadata as headers.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{METADATA, is_protocol};

/// Where names begin that carry the answer's trailers.
const TRAILER: &str = "grpc-trailer-";

/// Adds an answer's metadata to `headers`, each name behind `grpc-metadata-`; so too for a failed call.
///
/// What belongs to gRPC's protocol (`grpc-status`, `content-type`, …) stays behind. Values ending in `-bin` stay
/// base64.
pub fn response_headers(metadata: &HeaderMap, headers: &mut HeaderMap) {
    prefixed(METADATA, metadata, headers);
}

/// Adds an answer's trailing metadata to `headers`, each name behind `grpc-trailer-`.
pub fn response_trailers(trailers: &HeaderMap, headers: &mut HeaderMap) {
    prefixed(TRAILER, trailers, headers);
}

fn prefixed(prefix: &str, metadata: &HeaderMap, headers: &mut HeaderMap) {
    for (name, value) in metadata.iter().filter(|(name, _)| !is_protocol(name)) {
        // A name is a token and stays one behind a prefix; only one beyond 64 KiB is not.
        if let Ok(name) = HeaderName::try_from(format!("{prefix}{name}")) {
            headers.append(name, HeaderValue::clone(value));
        }
    }
}
