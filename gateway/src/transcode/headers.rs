//! HTTP headers as gRPC metadata, and gRPC metadata as HTTP headers.

mod request;
mod response;

use http::{HeaderName, header};

pub use request::{Client, request_metadata};
pub use response::{response_headers, response_trailers};

/// The prefix of headers that carry metadata, in requests and in responses.
const METADATA: &str = "grpc-metadata-";

/// Whether a name belongs to HTTP or gRPC itself, and so is never metadata: `grpc-*`, names with a meaning in gRPC's
/// HTTP/2 mapping (`te`, `content-type`, `user-agent`), and headers of one connection (RFC 9110, 7.6.1) or of one HTTP
/// message.
pub(crate) fn is_protocol(name: &HeaderName) -> bool {
    const NAMES: [HeaderName; 15] = [
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::DATE,
        header::EXPECT,
        header::HOST,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::USER_AGENT,
        HeaderName::from_static("keep-alive"),
    ];
    name.as_str().starts_with("grpc-") || name == "proxy-connection" || NAMES.contains(name)
}

/// Whether a name is one that proxies set and services behind them trust: the client's address, identity or original
/// request, and instructions to a sidecar such as Envoy's retries and timeouts.
fn is_proxy(name: &HeaderName) -> bool {
    const PREFIXES: [&str; 8] = [
        "x-amzn-",
        "x-envoy-",
        "x-forwarded-",
        "x-goog-authenticated-user-",
        "x-goog-iap-",
        "x-istio-",
        "x-ms-client-principal",
        "x-original-",
    ];
    const NAMES: [&str; 10] = [
        "cf-connecting-ip",
        "client-ip",
        "fastly-client-ip",
        "forwarded",
        "true-client-ip",
        "via",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-real-ip",
        "x-rewrite-url",
    ];
    PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix)) || NAMES.contains(&name.as_str())
}
