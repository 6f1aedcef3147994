//! Header blocks as bytes.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Reads `name: value` lines. Lines that are not valid HTTP, which hyper would refuse, are skipped.
pub(crate) fn parse(block: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in block.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let name = HeaderName::from_bytes(name.trim_ascii());
        let value = HeaderValue::from_bytes(value[1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            // A full map is not an error of a parser.
            let _ = headers.try_append(name, value);
        }
    }
    headers
}

/// Splits off the first line.
pub(crate) fn first_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, b""),
    }
}
