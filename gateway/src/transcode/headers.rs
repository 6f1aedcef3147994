//! HTTP headers to gRPC metadata, and gRPC metadata to HTTP headers.

mod request;
mod response;

use http::{HeaderName, header};

pub use request::{Client, request_metadata};
pub use response::{response_headers, response_trailers};

/// Where names begin that a client chooses as metadata, and that carry the answer's metadata back.
const METADATA: &str = "grpc-metadata-";

/// Names that belong to the protocols on both sides and never cross as metadata: `grpc-*`, those that gRPC's
/// HTTP/2 mapping gives a meaning (`te`, `content-type`, `user-agent`), those that describe one connection
/// (RFC 9110, 7.6.1), and those that describe one message of one of them.
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
