//! Response metadata as headers.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{METADATA, is_protocol};

/// The prefix of headers that carry trailers.
const TRAILER: &str = "grpc-trailer-";

/// Adds a response's metadata to `headers`, each name with the prefix `grpc-metadata-`.
///
/// Names that belong to the protocol (`grpc-status`, `content-type`, …) are left out. Values of names that end in `-bin`
/// stay base64.
pub fn response_headers(metadata: &HeaderMap, headers: &mut HeaderMap) {
    prefixed(METADATA, metadata, headers);
}

/// Adds a response's trailers to `headers`, each name with the prefix `grpc-trailer-`.
pub fn response_trailers(trailers: &HeaderMap, headers: &mut HeaderMap) {
    prefixed(TRAILER, trailers, headers);
}

fn prefixed(prefix: &str, metadata: &HeaderMap, headers: &mut HeaderMap) {
    for (name, value) in metadata.iter().filter(|(name, _)| !is_protocol(name)) {
        // Fails only for a name beyond 64 KiB.
        if let Ok(name) = HeaderName::try_from(format!("{prefix}{name}")) {
            headers.append(name, HeaderValue::clone(value));
        }
    }
}
