//! The headers of a request from outside, as metadata, and metadata as response headers.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use http::{HeaderMap, HeaderValue, header};
use octet_gateway::transcode::{Client, request_metadata, response_headers, response_trailers};
use octet_runtime::propagation::Propagation;

use crate::{
    checks::{SECRET, no_secret, one_line},
    headers::parse,
};

/// Headers whose values must not be shown in errors.
const CREDENTIALS: [&str; 4] =
    ["authorization", "cookie", "grpc-metadata-authorization", "proxy-authorization"];

/// Names with a meaning in HTTP/2 or gRPC: only the gateway may set them.
const PROTOCOL: [&str; 8] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// Names that a proxy sets and services trust.
const PROXY: [&str; 5] =
    ["forwarded", "x-forwarded-client-cert", "x-forwarded-for", "x-forwarded-proto", "x-real-ip"];

pub(crate) fn run(bytes: &[u8]) {
    let headers = parse(bytes);
    let planted = with_secrets(&headers);
    let authority = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let client = Client { peer: "::ffff:192.0.2.1".parse().ok(), authority };
    let propagation = Propagation::default();
    let carries = |name: &_| propagation.carries(name);

    if let Err(error) = request_metadata(&planted, client, carries) {
        one_line(&error.to_string());
        no_secret(&error.to_string());
    }
    let Ok(metadata) = request_metadata(&headers, client, carries) else { return };
    for (name, value) in &metadata {
        let name = name.as_str();
        assert!(!name.starts_with("grpc-") && !PROTOCOL.contains(&name), "{name} passes");
        let is_chosen = headers.contains_key(format!("grpc-metadata-{name}"));
        let is_passed = headers.contains_key(name) && (propagation.carries(&name.parse().expect("a name")));
        let is_own = ["authorization", "x-forwarded-for", "x-forwarded-host"].contains(&name);
        let is_proxys = name.starts_with("x-envoy-") || PROXY.contains(&name);
        assert!(!is_proxys || is_own || is_passed, "{name} passes, but only a proxy can set it");
        assert!(is_chosen || is_passed || is_own, "{name} passes without a reason");
        if name.ends_with("-bin") {
            STANDARD_NO_PAD.decode(value).unwrap_or_else(|error| panic!("{name} is not base64: {error}"));
        } else {
            // gRPC's ASCII-Value.
            assert!(value.as_bytes().iter().all(|byte| (0x20..=0x7e).contains(byte)), "{name}: {value:?}");
        }
    }
    let hops = metadata.get("x-forwarded-for").and_then(|hops| hops.to_str().ok());
    assert!(hops.is_some_and(|hops| hops.ends_with("192.0.2.1")), "{hops:?}");

    check_response(&metadata);
    check_response(&headers);
}

/// Response metadata can set only headers with a prefix.
fn check_response(metadata: &HeaderMap) {
    let mut response = HeaderMap::new();
    response_headers(metadata, &mut response);
    response_trailers(metadata, &mut response);
    for name in response.keys().map(http::HeaderName::as_str) {
        let plain = name.strip_prefix("grpc-metadata-").or_else(|| name.strip_prefix("grpc-trailer-"));
        let plain = plain.unwrap_or_else(|| panic!("{name} is set by the upstream"));
        assert!(metadata.contains_key(plain) && !plain.starts_with("grpc-"), "{name}");
    }
}

fn with_secrets(headers: &HeaderMap) -> HeaderMap {
    let mut planted = headers.clone();
    for (name, value) in &mut planted {
        if CREDENTIALS.contains(&name.as_str()) {
            let longer = [value.as_bytes(), SECRET.as_bytes()].concat();
            *value = HeaderValue::from_bytes(&longer).expect("a valid value");
        }
    }
    planted
}
