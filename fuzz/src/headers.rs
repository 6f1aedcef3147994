//! Header blocks as bytes.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Reads `name: value` lines; one that HTTP itself would refuse never gets past hyper, and is left out.
pub(crate) fn parse(block: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in block.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let name = HeaderName::from_bytes(name.trim_ascii());
        let value = HeaderValue::from_bytes(value[1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            // A map that is full is no finding of ours.
            let _ = headers.try_append(name, value);
        }
    }
    headers
}

/// The first line, and the rest.
pub(crate) fn first_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, b""),
    }
}
