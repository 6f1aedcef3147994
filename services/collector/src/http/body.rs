//! A report's body: read to its end, in time, and unpacked, within limits on both sides.

use std::{io::Read as _, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header},
};
use flate2::bufread::MultiGzDecoder;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

use super::Refusal;

/// Bytes of the largest body that is taken, as it comes.
pub(super) const SENT_LIMIT: usize = 5 * 1024 * 1024;

/// Bytes of the largest report, unpacked; Zipkin's own limit is as high.
pub(super) const LIMIT: usize = 10 * 1024 * 1024;

/// How long a sender may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Reads the body whole.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase());
    let is_packed = match encoding.as_deref() {
        None | Some(b"" | b"identity") => false,
        Some(b"gzip" | b"x-gzip") => true,
        Some(_) => {
            let message = "Content-Encoding must be gzip or identity";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
    };
    let limit = if is_packed { SENT_LIMIT } else { LIMIT };
    let Ok(collected) = timeout(TIMEOUT, Limited::new(body, limit).collect()).await else {
        return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body did not end in time"));
    };
    let sent = match collected {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(too_large(limit, "")),
        Err(error) => {
            tracing::debug!(%error, "a body ended early");
            return Err(Refusal::bad("the body could not be read to its end"));
        }
    };
    if is_packed { unpack(&sent).map(Bytes::from) } else { Ok(sent) }
}

/// A few bytes can unpack to very many: no more than the limit is ever made of them.
fn unpack(packed: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut unpacked = Vec::new();
    let limit = u64::try_from(LIMIT).unwrap_or(u64::MAX);
    match MultiGzDecoder::new(packed).take(limit + 1).read_to_end(&mut unpacked) {
        Ok(_) if unpacked.len() > LIMIT => Err(too_large(LIMIT, ", unpacked")),
        Ok(_) => Ok(unpacked),
        Err(error) => Err(Refusal::bad(format!("the body is not gzip: {error}"))),
    }
}

fn too_large(limit: usize, what: &str) -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {limit} bytes{what}"))
}
