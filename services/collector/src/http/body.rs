//! Reads and decompresses a report's body, within limits on time and on both sizes.

use std::{io::Read as _, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header},
};
use flate2::bufread::MultiGzDecoder;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

use super::Refusal;

/// The maximum size of a compressed body.
pub(super) const MAX_COMPRESSED: usize = 5 * 1024 * 1024;

/// The maximum size of a report, which is Zipkin's own.
pub(super) const MAX_REPORT: usize = 10 * 1024 * 1024;

/// The maximum time for a body to arrive.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Reads the whole body.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase());
    let is_compressed = match encoding.as_deref() {
        None | Some(b"" | b"identity") => false,
        Some(b"gzip" | b"x-gzip") => true,
        Some(_) => {
            let message = "Content-Encoding must be gzip or identity";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
    };
    let limit = if is_compressed { MAX_COMPRESSED } else { MAX_REPORT };
    let Ok(collected) = timeout(TIMEOUT, Limited::new(body, limit).collect()).await else {
        return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"));
    };
    let sent = match collected {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(too_large(limit, "")),
        Err(error) => {
            tracing::debug!(%error, "body ended early");
            return Err(Refusal::bad("the body ended early"));
        }
    };
    if is_compressed { decompress(&sent).map(Bytes::from) } else { Ok(sent) }
}

/// Stops at the limit, since a few bytes can decompress to very many.
fn decompress(compressed: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut decompressed = Vec::new();
    let limit = u64::try_from(MAX_REPORT).unwrap_or(u64::MAX);
    match MultiGzDecoder::new(compressed).take(limit + 1).read_to_end(&mut decompressed) {
        Ok(_) if decompressed.len() > MAX_REPORT => Err(too_large(MAX_REPORT, " after decompression")),
        Ok(_) => Ok(decompressed),
        Err(error) => Err(Refusal::bad(format!("the body is not gzip: {error}"))),
    }
}

fn too_large(limit: usize, suffix: &str) -> Refusal {
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the body exceeds the limit of {limit} bytes{suffix}"),
    )
}
