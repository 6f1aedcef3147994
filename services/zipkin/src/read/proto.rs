//! Parses a report in protobuf: zipkin-api's `zipkin.proto3.ListOfSpans`, read span by span.

use std::net::IpAddr;

use octet_wire::{Fields, NoMessage, Value};

use super::{Broken, Entry, Intern, MAX_SPAN, Malformed, field::FieldError, span::MAX_SERVICE_NAME};
use crate::{Annotation, Endpoint, Kind, Span, SpanId, Text, TraceId, packed::Summary};

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
        let is_true = |flag: &bool| *flag;
        self.next_with(|span| {
            let span = read(span, texts)?;
            // Absent and false are the same here.
            Ok(Span { debug: span.debug.filter(is_true), shared: span.shared.filter(is_true), ..span })
        })
    }

    /// As [`next_entry`](Self::next_entry), with a summary of the span in place of a copy.
    pub fn next_packed(&mut self) -> Option<Entry<Summary<'a>>> {
        self.next_with(Summary::checked)
    }

    fn next_with<S>(&mut self, read: impl FnOnce(&'a [u8]) -> Result<S, FieldError>) -> Option<Entry<S>> {
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
        let checked = if span.len() > MAX_SPAN {
            Err(FieldError::new("", format!("must have at most {MAX_SPAN} bytes")))
        } else {
            read(span)
        };
        Some(match checked {
            Ok(span) => Entry::Span(span),
            Err(FieldError { field, problem }) => {
                Entry::Malformed(Malformed { index, offset, field, problem })
            }
        })
    }
}

/// A span without its annotations and tags.
#[derive(Debug)]
pub(crate) struct RawSpan<'a> {
    pub(crate) trace_id: TraceId,
    pub(crate) id: SpanId,
    pub(crate) parent_id: Option<SpanId>,
    pub(crate) kind: Option<Kind>,
    /// As it was reported; empty for none.
    pub(crate) name: &'a str,
    pub(crate) timestamp: u64,
    pub(crate) duration: u64,
    pub(crate) local: RawEndpoint<'a>,
    pub(crate) remote: RawEndpoint<'a>,
    pub(crate) debug: Option<bool>,
    pub(crate) shared: Option<bool>,
}

/// A list within a span.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Item<'a> {
    /// Its time and value.
    Annotation(u64, &'a [u8]),
    /// Its key and value.
    Tag(&'a [u8], &'a [u8]),
}

/// Reads a span, and hands each of its annotations and tags to `take`, whose texts are UTF-8.
pub(crate) fn parse<'a>(bytes: &'a [u8], mut take: impl FnMut(Item<'a>)) -> Result<RawSpan<'a>, FieldError> {
    let (mut trace_id, mut id, mut parent_id) = (None, None, None);
    let (mut kind, mut timestamp, mut duration) = (None, 0, 0);
    let (mut debug, mut shared) = (None, None);
    let (mut name, mut local, mut remote) = ("", RawEndpoint::default(), RawEndpoint::default());
    let mut fields = Fields::new(bytes);
    while let Some((number, value)) = fields.next().map_err(no_message(""))? {
        match number {
            1 => trace_id = trace(value)?,
            2 => parent_id = span("parentId", value)?,
            3 => id = span("id", value)?,
            4 => kind = kind_of(number_of("kind", value)?)?,
            5 => name = text("name", value)?,
            6 => timestamp = micros("timestamp", value)?,
            7 => duration = micros("duration", value)?,
            8 => local = endpoint("localEndpoint", value)?,
            9 => remote = endpoint("remoteEndpoint", value)?,
            10 => {
                let (time, value) = annotation(value)?;
                take(Item::Annotation(time, value));
            }
            11 => {
                let (key, value) = tag(value)?;
                take(Item::Tag(key, value));
            }
            12 => debug = Some(number_of("debug", value)? != 0),
            13 => shared = Some(number_of("shared", value)? != 0),
            _ => {}
        }
    }
    let missing = |field: &str| FieldError::new(field, "missing, or all zero");
    let trace_id = trace_id.ok_or_else(|| missing("traceId"))?;
    let id = id.ok_or_else(|| missing("id"))?;
    let parent_id = parent_id.filter(|parent| *parent != id);
    // Only the other side can share what a client began.
    let shared = shared.filter(|shared| !(*shared && kind == Some(Kind::Client)));
    Ok(RawSpan { trace_id, id, parent_id, kind, name, timestamp, duration, local, remote, debug, shared })
}

/// Reads a whole span.
pub(crate) fn read(bytes: &[u8], texts: &mut impl Intern) -> Result<Span, FieldError> {
    let (mut annotations, mut tags) = (Vec::new(), Vec::new());
    let span = parse(bytes, |item| match item {
        Item::Annotation(time, value) => annotations.push((time, utf8(value))),
        Item::Tag(key, value) => tags.push((utf8(key), utf8(value))),
    })?;
    // Stable, so that the last of equal keys stays last.
    tags.sort_by_key(|(key, _)| *key);
    tags.reverse();
    tags.dedup_by_key(|(key, _)| *key);
    let tags: Vec<(Text, Text)> =
        tags.iter().rev().map(|(key, value)| (texts.intern(key), texts.intern(value))).collect();
    let annotations: Vec<_> = annotations
        .iter()
        .map(|(timestamp, value)| Annotation { timestamp: *timestamp, value: texts.intern(value) })
        .collect();
    let RawSpan { trace_id, id, parent_id, kind, name, timestamp, duration, local, remote, debug, shared } =
        span;
    Ok(Span {
        trace_id,
        id,
        parent_id,
        kind,
        name: label(name, texts),
        timestamp,
        duration,
        local: local.finish(texts),
        remote: remote.finish(texts),
        annotations: annotations.into(),
        tags: tags.into(),
        debug,
        shared,
    })
}

/// Checked before.
fn utf8(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
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

#[derive(Debug, Default)]
pub(crate) struct RawEndpoint<'a> {
    /// As it was reported; empty for none.
    pub(crate) service: &'a str,
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
    let within = |error: FieldError| error.within(field);
    let mut fields = Fields::new(message(field, value)?);
    while let Some((number, value)) = fields.next().map_err(no_message(field))? {
        match number {
            1 => {
                endpoint.service = text("serviceName", value).map_err(within)?;
                // Lower case can be several times as long as upper case.
                let may_be_long = endpoint.service.len() > MAX_SERVICE_NAME / 4;
                if may_be_long && endpoint.service.to_lowercase().len() > MAX_SERVICE_NAME {
                    let problem = format!("must have at most {MAX_SERVICE_NAME} bytes");
                    return Err(within(FieldError::new("serviceName", problem)));
                }
            }
            2 => *ipv4 = address::<4>("ipv4", value).map_err(within)?,
            3 => *ipv6 = address::<16>("ipv6", value).map_err(within)?,
            4 => {
                let port = u16::try_from(number_of("port", value).map_err(within)?);
                let problem = "must be a whole number from 0 to 65535";
                endpoint.port = port.map_err(|_| within(FieldError::new("port", problem)))?;
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

fn annotation(value: Value<'_>) -> Result<(u64, &[u8]), FieldError> {
    let (mut timestamp, mut event) = (0, &[][..]);
    let mut fields = Fields::new(message("annotations", value)?);
    while let Some((number, value)) = fields.next().map_err(no_message("annotations"))? {
        match number {
            1 => timestamp = micros("annotations.timestamp", value)?,
            2 => event = text("annotations.value", value)?.as_bytes(),
            _ => {}
        }
    }
    Ok((timestamp, event))
}

fn tag(value: Value<'_>) -> Result<(&[u8], &[u8]), FieldError> {
    let (mut key, mut tag) = (&[][..], &[][..]);
    let entry = message("tags", value)?;
    if let Some(plain) = plain_tag(entry) {
        return Ok(plain);
    }
    let mut fields = Fields::new(entry);
    while let Some((number, value)) = fields.next().map_err(no_message("tags"))? {
        match number {
            1 => key = text("tags", value)?.as_bytes(),
            2 => tag = text("tags", value)?.as_bytes(),
            _ => {}
        }
    }
    Ok((key, tag))
}

/// The common case: a key and a value of fewer than 128 bytes each, and ASCII only, which is cheaper to check.
fn plain_tag(entry: &[u8]) -> Option<(&[u8], &[u8])> {
    const KEY: u8 = 1 << 3 | 2;
    const VALUE: u8 = 2 << 3 | 2;
    if !entry.is_ascii() {
        return None;
    }
    let [KEY, length, rest @ ..] = entry else { return None };
    let (key, rest) = rest.split_at_checked(usize::from(*length))?;
    let [VALUE, length, value @ ..] = rest else { return None };
    (value.len() == usize::from(*length)).then_some((key, value))
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
