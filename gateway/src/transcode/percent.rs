//! Percent-decoding, as a path and a query need it.

use std::borrow::Cow;

/// The part of a URL a text stands in; each decodes by rules of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// One path segment: everything is decoded.
    Segment,
    /// Several path segments: `%2F` and `%2f` stay as they are, since a decoded slash could not be told from
    /// a separator ("the server side does the reverse decoding, except "%2F" and "%2f" are left unchanged",
    /// `HttpRule`'s comment in google/api/http.proto).
    Segments,
    /// A query's key or value (`application/x-www-form-urlencoded`): `+` is a space.
    Query,
}

/// Why a text cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EscapeError {
    /// A `%` without two hexadecimal digits.
    #[error("invalid percent-encoding: `%` must be followed by two hexadecimal digits")]
    Invalid,
    /// The decoded bytes are no UTF-8.
    #[error("the percent-decoded text is not UTF-8")]
    NotUtf8,
}

/// Decodes `raw`, without a copy where nothing is encoded.
pub(crate) fn decode(raw: &str, part: Part) -> Result<Cow<'_, str>, EscapeError> {
    let encoded = |byte: u8| byte == b'%' || (byte == b'+' && part == Part::Query);
    let Some(first) = raw.bytes().position(encoded) else {
        return Ok(Cow::Borrowed(raw));
    };

    let (plain, mut rest) = raw.as_bytes().split_at(first);
    let mut decoded = Vec::with_capacity(raw.len());
    decoded.extend_from_slice(plain);
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'%' => {
                let (&[high, low], after) = rest.split_first_chunk().ok_or(EscapeError::Invalid)?;
                rest = after;
                match (digit(high)? << 4) | digit(low)? {
                    b'/' if part == Part::Segments => decoded.extend_from_slice(&[b'%', high, low]),
                    value => decoded.push(value),
                }
            }
            b'+' if part == Part::Query => decoded.push(b' '),
            other => decoded.push(other),
        }
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| EscapeError::NotUtf8)
}

fn digit(byte: u8) -> Result<u8, EscapeError> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(EscapeError::Invalid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_decodes_by_its_own_rules() {
        for (raw, part, expected) in [
            ("plain+text", Part::Segment, Ok("plain+text")),
            ("a%2Fb%20c", Part::Segment, Ok("a/b c")),
            ("a%2Fb%2fc%20d%23", Part::Segments, Ok("a%2Fb%2fc d#")),
            ("a+b%2Bc%2F", Part::Query, Ok("a b+c/")),
            ("caf%C3%A9", Part::Segment, Ok("café")),
            ("%", Part::Segment, Err(EscapeError::Invalid)),
            ("%4", Part::Query, Err(EscapeError::Invalid)),
            ("%zz", Part::Segments, Err(EscapeError::Invalid)),
            ("%+1", Part::Query, Err(EscapeError::Invalid)),
            ("%FF", Part::Segment, Err(EscapeError::NotUtf8)),
        ] {
            assert_eq!(decode(raw, part).as_deref(), expected.as_deref(), "{raw}");
        }
    }
}
