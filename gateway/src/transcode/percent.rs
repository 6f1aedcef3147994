//! Percent-decoding of paths and queries.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The part of a URL that a text comes from. Each part has its own decoding rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// One path segment: everything is decoded.
    Segment,
    /// Several path segments: `%2F` and `%2f` stay encoded, since a decoded slash would look like a separator ("the
    /// server side does the reverse decoding, except "%2F" and "%2f" are left unchanged", `HttpRule`'s comment in
    /// google/api/http.proto). A decoded `%` stays `%25` where `2F`, `2f` or `25` follows: so `%2F` and `%252F` differ.
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
    /// The decoded bytes are not UTF-8.
    #[error("the percent-decoded text is not UTF-8")]
    NotUtf8,
}

/// Decodes `raw`, without a copy where nothing is encoded.
pub(crate) fn decode(raw: &str, part: Part) -> Result<Cow<'_, str>, EscapeError> {
    let is_escape = |at: usize| {
        let digits = raw.as_bytes().get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !raw.match_indices('%').all(|(at, _)| is_escape(at)) {
        return Err(EscapeError::Invalid);
    }
    match part {
        Part::Segments if raw.contains('%') => segments(raw).map(Cow::Owned),
        Part::Query if raw.contains('+') => {
            all(&raw.replace('+', " ")).map(|text| Cow::Owned(text.into_owned()))
        }
        _ => all(raw),
    }
}

fn all(raw: &str) -> Result<Cow<'_, str>, EscapeError> {
    percent_decode_str(raw).decode_utf8().map_err(|_| EscapeError::NotUtf8)
}

fn segments(raw: &str) -> Result<String, EscapeError> {
    let slice = |from: usize, to: usize| raw.get(from..to).unwrap_or_default();
    let slashes = raw.match_indices('%').filter(|(at, _)| slice(*at, at + 3).eq_ignore_ascii_case("%2F"));
    let mut text = String::with_capacity(raw.len());
    let mut start = 0;
    for (at, _) in slashes {
        push(&all(slice(start, at))?, &mut text);
        text.push_str(slice(at, at + 3));
        start = at + 3;
    }
    push(&all(slice(start, raw.len()))?, &mut text);
    Ok(text)
}

/// Appends a decoded text, with `%25` for each `%` that would read as an escape.
fn push(decoded: &str, text: &mut String) {
    for (at, character) in decoded.char_indices() {
        text.push(character);
        let after = || decoded.get(at + 1..at + 3).unwrap_or_default();
        if character == '%' && ["2F", "2f", "25"].contains(&after()) {
            text.push_str("25");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_its_own_decoding_rules() {
        for (raw, part, expected) in [
            ("plain+text", Part::Segment, Ok("plain+text")),
            ("a%2Fb%20c", Part::Segment, Ok("a/b c")),
            ("a%2Fb%2fc%20d%23", Part::Segments, Ok("a%2Fb%2fc d#")),
            ("100%25/a%C3%A9", Part::Segments, Ok("100%/aé")),
            ("a+b%2Bc%2F", Part::Query, Ok("a b+c/")),
            ("caf%C3%A9", Part::Segment, Ok("café")),
            ("%", Part::Segment, Err(EscapeError::Invalid)),
            ("%4", Part::Query, Err(EscapeError::Invalid)),
            ("%zz", Part::Segments, Err(EscapeError::Invalid)),
            ("%+1", Part::Query, Err(EscapeError::Invalid)),
            ("%é", Part::Query, Err(EscapeError::Invalid)),
            ("%FF", Part::Segment, Err(EscapeError::NotUtf8)),
            ("a%2F%FF", Part::Segments, Err(EscapeError::NotUtf8)),
        ] {
            assert_eq!(decode(raw, part).as_deref(), expected.as_deref(), "{raw}");
        }
    }

    #[test]
    fn an_escaped_slash_and_an_escaped_percent_sign_stay_apart() {
        for (raw, expected) in [
            ("%2F", "%2F"),
            ("%2f", "%2f"),
            ("%252F", "%252F"),
            ("%252f", "%252f"),
            ("%25252F", "%25252F"),
            // The same text, encoded in more places.
            ("%25%32%46", "%252F"),
            ("%25%2F", "%%2F"),
            ("%2525", "%2525"),
            ("%2541", "%41"),
        ] {
            assert_eq!(decode(raw, Part::Segments).as_deref(), Ok(expected), "{raw}");
        }
    }
}
