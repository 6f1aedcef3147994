//! The content type of gRPC over HTTP/2.

use http::{HeaderMap, header};

/// Whether the content type is `application/grpc`, or that with a suffix such as `+proto` or with parameters; not
/// `application/grpc-web`.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let Some(content_type) = headers.get(header::CONTENT_TYPE) else { return false };
    let content_type = content_type.as_bytes();
    let is_prefixed = content_type.get(..GRPC.len()).is_some_and(|it| it.eq_ignore_ascii_case(GRPC));
    is_prefixed && matches!(content_type.get(GRPC.len()), None | Some(b'+' | b';' | b' '))
}
