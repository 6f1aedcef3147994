//! Parses a report in protobuf: zipkin-api's `zipkin.proto3.ListOfSpans`, read span by span.

use std::net::IpAddr;

use super::{Broken, Entry, Intern, MAX_SPAN, Malformed, field::FieldError, span::MAX_SERVICE_NAME};
use crate::{
    Annotation, Endpoint, Kind, Span, SpanId, Text, TraceId,
    wire::{Fields, NoMessage, Value},
};

/// `ListOfSpans.spans`.
const SPANS: u32 = 1;

/// Reads a report in protobuf span by span, so that a caller can pause between them.
#[derive(Debug)]
pub struct ProtoReader<'a> {
    body: &'a [u8],
    spans: Fields<'a>,
    index: usize,
    is_broken: bool,
}

impl<'a> ProtoReader<'a> {
    /// A reader at the start of a report.
    pub fn new(body: &'a [u8]) -> Self {
        Self { body, spans: Fields::new(body), index: 0, is_broken: false }
    }

    /// The next element; `None` after the last. `texts` provides every text of a well-formed span, and no other.
    pub fn next_entry(&mut self, texts: &mut impl Intern) -> Option<Entry> {
        if self.is_broken {
            return None;
        }
        let offset = self.body.len() - self.spans.rest().len();
        let Ok(field) = self.spans.next() else {
            self.is_broken = true;
            let problem = NoMessage::PROBLEM.to_owned();
            return Some(Entry::Broken(Broken { index: self.index, offset, problem }));
        };
        let (number, value) = field?;
        let Some(span) = value.bytes().filter(|_| number == SPANS) else { return Some(Entry::Nothing) };
        let index = self.index;
        self.index += 1;
        let offset = self.body.len() - self.spans.rest().len() - span.len();
        Some(match read(span, texts) {
            Ok(span) => Entry::Span(span),
            Err(FieldError { field, problem }) => {
                Entry::Malformed(Malformed { index, offset, field, problem })
            }
        })
    }
}

/// The texts and endpoints of a span, before they are interned.
#[derive(Default)]
struct Texts<'a> {
    name: &'a str,
    local: RawEndpoint<'a>,
    remote: RawEndpoint<'a>,
    annotations: Vec<(u64, &'a str)>,
    tags: Vec<(&'a str, &'a str)>,
}

fn read(bytes: &[u8], texts: &mut impl Intern) -> Result<Span, FieldError> {
    if bytes.len() > MAX_SPAN {
        return Err(FieldError::new("", format!("must have at most {MAX_SPAN} bytes")));
    }
    let (mut trace_id, mut id, mut parent_id) = (None, None, None);
    let (mut kind, mut timestamp, mut duration) = (None, 0, 0);
    let (mut debug, mut shared) = (None, None);
    let mut own = Texts::default();
    let mut fields = Fields::new(bytes);
    while let Some((number, value)) = fields.next().map_err(no_message(""))? {
        match number {
            1 => trace_id = trace(value)?,
            2 => parent_id = span("parentId", value)?,
            3 => id = span("id", value)?,
            4 => kind = kind_of(number_of("kind", value)?)?,
            5 => own.name = text("name", value)?,
            6 => timestamp = micros("timestamp", value)?,
            7 => duration = micros("duration", value)?,
            8 => own.local = endpoint("localEndpoint", value)?,
            9 => own.remote = endpoint("remoteEndpoint", value)?,
            10 => own.annotations.push(annotation(value)?),
            11 => own.tags.push(tag(value)?),
            12 => debug = Some(number_of("debug", value)? != 0).filter(|debug| *debug),
            13 => shared = Some(number_of("shared", value)? != 0).filter(|shared| *shared),
            _ => {}
        }
    }
    let missing = |field: &str| FieldError::new(field, "missing, or all zero");
    let trace_id = trace_id.ok_or_else(|| missing("traceId"))?;
    let id = id.ok_or_else(|| missing("id"))?;
    // Stable, so that the last of equal keys stays last.
    own.tags.sort_by_key(|(key, _)| *key);
    own.tags.reverse();
    own.tags.dedup_by_key(|(key, _)| *key);
    let tags: Vec<(Text, Text)> =
        own.tags.iter().rev().map(|(key, value)| (texts.intern(key), texts.intern(value))).collect();
    let annotations = own.annotations.iter();
    let annotations: Vec<_> = annotations
        .map(|(timestamp, value)| Annotation { timestamp: *timestamp, value: texts.intern(value) })
        .collect();
    Ok(Span {
        trace_id,
        id,
        parent_id: parent_id.filter(|parent| *parent != id),
        kind,
        name: label(own.name, texts),
        timestamp,
        duration,
        local: own.local.finish(texts),
        remote: own.remote.finish(texts),
        annotations: annotations.into(),
        tags: tags.into(),
        debug,
        // Only the other side can share what a client began.
        shared: shared.filter(|_| kind != Some(Kind::Client)),
    })
}

fn kind_of(number: u64) -> Result<Option<Kind>, FieldError> {
    Ok(match number {
        0 => None,
        1 => Some(Kind::Client),
        2 => Some(Kind::Server),
        3 => Some(Kind::Producer),
        4 => Some(Kind::Consumer),
        _ => return Err(FieldError::new("kind", "must be CLIENT, SERVER, PRODUCER or CONSUMER")),
    })
}

#[derive(Default)]
struct RawEndpoint<'a> {
    service: &'a str,
    address: [Option<IpAddr>; 2],
    port: u16,
}

impl RawEndpoint<'_> {
    /// `None` for an endpoint without values.
    fn finish(self, texts: &mut impl Intern) -> Option<Endpoint> {
        let mut endpoint =
            Endpoint { service: label(self.service, texts), port: self.port, ..Endpoint::default() };
        for address in self.address.into_iter().flatten() {
            match address.to_canonical() {
                IpAddr::V4(address) => endpoint.ipv4 = Some(address),
                IpAddr::V6(address) => endpoint.ipv6 = Some(address),
            }
        }
        (endpoint != Endpoint::default()).then_some(endpoint)
    }
}

fn endpoint<'a>(field: &str, value: Value<'a>) -> Result<RawEndpoint<'a>, FieldError> {
    let mut endpoint = RawEndpoint::default();
    let [ipv4, ipv6] = &mut endpoint.address;
    let mut fields = Fields::new(message(field, value)?);
    while let Some((number, value)) = fields.next().map_err(no_message(field))? {
        match number {
            1 => {
                endpoint.service = text(&format!("{field}.serviceName"), value)?;
                // Lower case can be longer than upper case.
                if endpoint.service.to_lowercase().len() > MAX_SERVICE_NAME {
                    let problem = format!("must have at most {MAX_SERVICE_NAME} bytes");
                    return Err(FieldError::new(format!("{field}.serviceName"), problem));
                }
            }
            2 => *ipv4 = address::<4>(&format!("{field}.ipv4"), value)?,
            3 => *ipv6 = address::<16>(&format!("{field}.ipv6"), value)?,
            4 => {
                let name = format!("{field}.port");
                let port = u16::try_from(number_of(&name, value)?);
                endpoint.port =
                    port.map_err(|_| FieldError::new(name, "must be a whole number from 0 to 65535"))?;
            }
            _ => {}
        }
    }
    Ok(endpoint)
}

/// An address of `N` bytes; `None` for an empty one.
fn address<const N: usize>(field: &str, value: Value<'_>) -> Result<Option<IpAddr>, FieldError>
where
    IpAddr: From<[u8; N]>,
{
    let bytes = message(field, value)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let bytes: [u8; N] =
        bytes.try_into().map_err(|_| FieldError::new(field, format!("must have {N} bytes")))?;
    Ok(Some(bytes.into()))
}

fn annotation(value: Value<'_>) -> Result<(u64, &str), FieldError> {
    let (mut timestamp, mut event) = (0, "");
    let mut fields = Fields::new(message("annotations", value)?);
    while let Some((number, value)) = fields.next().map_err(no_message("annotations"))? {
        match number {
            1 => timestamp = micros("annotations.timestamp", value)?,
            2 => event = text("annotations.value", value)?,
            _ => {}
        }
    }
    Ok((timestamp, event))
}

fn tag(value: Value<'_>) -> Result<(&str, &str), FieldError> {
    let (mut key, mut tag) = ("", "");
    let mut fields = Fields::new(message("tags", value)?);
    while let Some((number, value)) = fields.next().map_err(no_message("tags"))? {
        match number {
            1 => key = text("tags", value)?,
            2 => tag = text("tags", value)?,
            _ => {}
        }
    }
    Ok((key, tag))
}

/// 8 or 16 bytes; `None` for zero.
fn trace(value: Value<'_>) -> Result<Option<TraceId>, FieldError> {
    let bytes = message("traceId", value)?;
    let problem = || FieldError::new("traceId", "must have 8 or 16 bytes");
    let (first, rest) = bytes.split_first_chunk::<8>().ok_or_else(problem)?;
    let first = u64::from_be_bytes(*first);
    if rest.is_empty() {
        return Ok(TraceId::from_halves(0, first));
    }
    let low: [u8; 8] = rest.try_into().map_err(|_| problem())?;
    Ok(TraceId::from_halves(first, u64::from_be_bytes(low)))
}

/// 8 bytes; `None` for none, and for zero.
fn span(field: &str, value: Value<'_>) -> Result<Option<SpanId>, FieldError> {
    let bytes = message(field, value)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let bytes = bytes.try_into().map_err(|_| FieldError::new(field, "must have 8 bytes"))?;
    Ok(SpanId::from_number(u64::from_be_bytes(bytes)))
}

/// Microseconds that fit into a signed number of 64 bits; negative ones count as absent, as in Zipkin.
fn micros(field: &str, value: Value<'_>) -> Result<u64, FieldError> {
    number_of(field, value).map(|micros| if i64::try_from(micros).is_ok() { micros } else { 0 })
}

/// In lower case; `None` for an empty one.
fn label(text: &str, texts: &mut impl Intern) -> Option<Text> {
    (!text.is_empty()).then(|| texts.intern(&text.to_lowercase()))
}

fn message<'a>(field: &str, value: Value<'a>) -> Result<&'a [u8], FieldError> {
    value.bytes().ok_or_else(|| wrong_type(field))
}

fn text<'a>(field: &str, value: Value<'a>) -> Result<&'a str, FieldError> {
    std::str::from_utf8(message(field, value)?).map_err(|_| FieldError::new(field, "is not UTF-8"))
}

fn number_of(field: &str, value: Value<'_>) -> Result<u64, FieldError> {
    value.number().ok_or_else(|| wrong_type(field))
}

fn wrong_type(field: &str) -> FieldError {
    FieldError::new(field, "has another wire type than in zipkin.proto")
}

fn no_message(field: &str) -> impl Fn(NoMessage) -> FieldError + use<'_> {
    move |_| FieldError::new(field, NoMessage::PROBLEM)
}

#[cfg(test)]
mod tests;
