//! Writes a list of spans in Zipkin's JSON from the protobuf that [`super::encode`] wrote: for backends that refuse
//! protobuf, and in the exporter's worker instead of in the spans' tasks.

use std::{
    io::Write as _,
    net::{Ipv4Addr, Ipv6Addr},
};

use octet_wire::{Fields, Value};

use super::encode;
use crate::telemetry::digits::{decimal, hex};

/// The list in JSON; `None` for bytes that the encoder did not write.
pub(super) fn list(proto: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(proto.len() * 2);
    out.push(b'[');
    let mut spans = Fields::new(proto);
    while let Some((_, bytes)) = spans.next().ok()? {
        if out.len() > 1 {
            out.push(b',');
        }
        span(&mut out, bytes.bytes()?)?;
    }
    out.push(b']');
    Some(out)
}

fn span(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    let (mut annotations, mut tags) = (Vec::new(), Vec::new());
    out.push(b'{');
    let mut fields = Fields::new(bytes);
    while let Some((field, value)) = fields.next().ok()? {
        match field {
            encode::TRACE_ID => id(out, "traceId", value.bytes()?)?,
            encode::PARENT_ID => id(out, "parentId", value.bytes()?)?,
            encode::ID => id(out, "id", value.bytes()?)?,
            encode::KIND => {
                let kinds = ["CLIENT", "SERVER", "PRODUCER", "CONSUMER"];
                let index = usize::try_from(value.number()?).ok()?.checked_sub(1)?;
                member(out, "kind");
                string(out, kinds.get(index)?);
            }
            encode::NAME => {
                member(out, "name");
                string(out, text(value)?);
            }
            encode::TIMESTAMP => number(out, "timestamp", value.number()?),
            encode::DURATION => number(out, "duration", value.number()?),
            encode::LOCAL_ENDPOINT => endpoint(out, "localEndpoint", value.bytes()?)?,
            encode::REMOTE_ENDPOINT => endpoint(out, "remoteEndpoint", value.bytes()?)?,
            encode::ANNOTATIONS => annotations.push(value.bytes()?),
            encode::TAGS => tags.push(value.bytes()?),
            encode::DEBUG => {
                member(out, "debug");
                out.extend_from_slice(b"true");
            }
            _ => return None,
        }
    }
    if !annotations.is_empty() {
        member(out, "annotations");
        out.push(b'[');
        for (index, annotation) in annotations.into_iter().enumerate() {
            out.extend_from_slice(if index > 0 { b",{" } else { b"{" });
            let (timestamp, event) = pair(annotation)?;
            number(out, "timestamp", timestamp.number()?);
            member(out, "value");
            string(out, text(event)?);
            out.push(b'}');
        }
        out.push(b']');
    }
    if !tags.is_empty() {
        member(out, "tags");
        out.push(b'{');
        for tag in tags {
            let (name, value) = pair(tag)?;
            member(out, text(name)?);
            string(out, text(value)?);
        }
        out.push(b'}');
    }
    out.push(b'}');
    Some(())
}

/// The two fields of an annotation or a tag.
fn pair(bytes: &[u8]) -> Option<(Value<'_>, Value<'_>)> {
    let mut fields = Fields::new(bytes);
    let ((_, first), (_, second)) = (fields.next().ok()??, fields.next().ok()??);
    Some((first, second))
}

fn endpoint(out: &mut Vec<u8>, name: &str, bytes: &[u8]) -> Option<()> {
    member(out, name);
    out.push(b'{');
    let mut fields = Fields::new(bytes);
    while let Some((field, value)) = fields.next().ok()? {
        // Writing to a Vec cannot fail.
        match field {
            1 => {
                member(out, "serviceName");
                string(out, text(value)?);
            }
            2 => {
                member(out, "ipv4");
                let _ = write!(out, "\"{}\"", Ipv4Addr::from(<[u8; 4]>::try_from(value.bytes()?).ok()?));
            }
            3 => {
                member(out, "ipv6");
                let _ = write!(out, "\"{}\"", Ipv6Addr::from(<[u8; 16]>::try_from(value.bytes()?).ok()?));
            }
            4 => number(out, "port", value.number()?),
            _ => return None,
        }
    }
    out.push(b'}');
    Some(())
}

/// 16 digits for 8 bytes, 32 for 16.
fn id(out: &mut Vec<u8>, name: &str, bytes: &[u8]) -> Option<()> {
    member(out, name);
    out.push(b'"');
    let (halves, []) = bytes.as_chunks::<8>() else { return None };
    for half in halves {
        out.extend_from_slice(&hex::<16>(u64::from_be_bytes(*half).into()));
    }
    out.push(b'"');
    Some(())
}

fn number(out: &mut Vec<u8>, name: &str, number: u64) {
    member(out, name);
    decimal(out, number);
}

/// `"name":`, after a comma unless it is the first.
fn member(out: &mut Vec<u8>, name: &str) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    string(out, name);
    out.push(b':');
}

fn text(value: Value<'_>) -> Option<&str> {
    std::str::from_utf8(value.bytes()?).ok()
}

fn string(out: &mut Vec<u8>, text: &str) {
    if is_plain(text.as_bytes()) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // A string always has a JSON form.
        let _ = serde_json::to_writer(out, text);
    }
}

/// Whether a text needs no JSON escapes. Eight bytes at a time, since every tag's name and value is checked.
fn is_plain(text: &[u8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The high bit of each byte that is zero, or less than `below`; of other bytes only after such a byte.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let less = |word: u64, below: u64| word.wrapping_sub(ONES * below) & !word & HIGH;
    let needs_escape = |word: u64| {
        less(word, 0x20) | zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\')))
    };
    let (words, rest) = text.as_chunks::<8>();
    let mut last = [b' '; 8];
    for (byte, rest) in last.iter_mut().zip(rest) {
        *byte = *rest;
    }
    words.iter().chain([&last]).all(|word| needs_escape(u64::from_le_bytes(*word)) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_string_is_encoded_as_serde_encodes_it(text in r#"([ -~]|"|\\\\|[\x00-\x7f]|é|\u{2028}){0,40}"#) {
            let mut out = Vec::new();
            string(&mut out, &text);
            proptest::prop_assert_eq!(out, serde_json::to_vec(&text).unwrap());
        }
    }
}
