//! The compression of gRPC messages.

use http::HeaderMap;
use tonic::codec::CompressionEncoding;

/// The encodings that every server accepts. tonic's third, zstd, would add a C library, and gRPC's other implementations do
/// not have it.
pub const ENCODINGS: [CompressionEncoding; 2] = [CompressionEncoding::Gzip, CompressionEncoding::Deflate];

/// Whether responses to a request with these headers are compressed, if the client accepts that.
///
/// Most clients accept compressed messages and send none: compressing is worth its time only for those that do.
pub fn is_used(headers: &HeaderMap) -> bool {
    headers.get("grpc-encoding").is_some_and(|encoding| encoding != "identity")
}
