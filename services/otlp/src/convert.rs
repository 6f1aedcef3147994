//! From an OTLP span to Zipkin's.

use std::{borrow::Cow, fmt::Write as _, net::IpAddr};

use octet_zipkin::{Annotation, Endpoint, Kind, Span, Text, read::Intern};

use crate::{
    origin::{Resource, Scope},
    remote::{self, Remote},
    span::{Attributes, Event, Fault, Link, OtlpSpan, Str},
};

/// The maximum length of a service's name in bytes, as in Zipkin's formats.
const MAX_SERVICE_NAME: usize = 1_024;

/// The initial capacity, which most spans' tags fit into.
const USUAL_TAGS: usize = 32;

/// `STATUS_CODE_OK` and `STATUS_CODE_ERROR`.
const OK: u64 = 1;
const ERROR: u64 = 2;

/// Converts a span; `texts` provides each text, and is asked only for a span that is well-formed.
pub(crate) fn convert(
    span: OtlpSpan<'_>,
    resource: &Resource<'_>,
    scope: &Scope<'_>,
    texts: &mut impl Intern,
) -> Result<Span, Fault> {
    let trace_id = span.trace_id.ok_or_else(|| Fault::new("traceId", "missing, or all zero"))?;
    let id = span.id.ok_or_else(|| Fault::new("spanId", "missing, or all zero"))?;
    let kind = match span.kind {
        2 => Some(Kind::Server),
        3 => Some(Kind::Client),
        4 => Some(Kind::Producer),
        5 => Some(Kind::Consumer),
        // Internal, unspecified, and what a later version may add.
        _ => None,
    };
    let service = resource.service.as_deref();
    let Remote { service: peer, address, port } = remote::of(kind, &span.attributes);
    for (field, name) in [("resource.service.name", service), ("remoteEndpoint", peer)] {
        if name.is_some_and(is_long) {
            return Err(Fault::new(field, format!("must have at most {MAX_SERVICE_NAME} bytes")));
        }
    }

    let local = endpoint(service, None, 0, texts);
    let remote = endpoint(peer, address, port, texts);
    let annotations =
        boxed(span.events.iter().map(|event| Annotation {
            timestamp: event.time / 1_000,
            value: texts.intern(&event_text(event)),
        }));
    let name = label(&span.name, texts);
    let (timestamp, duration) = (span.start / 1_000, duration(span.start, span.end));
    Ok(Span {
        trace_id,
        id,
        parent_id: span.parent_id.filter(|parent| *parent != id),
        kind,
        name,
        timestamp,
        duration,
        local,
        remote,
        annotations,
        tags: tags(span, resource.tags.iter().chain(&scope.tags), texts),
        debug: None,
        shared: None,
    })
}

/// Lower case can be longer than upper case.
fn is_long(name: &str) -> bool {
    name.len() > MAX_SERVICE_NAME / 2 && name.to_lowercase().len() > MAX_SERVICE_NAME
}

/// In microseconds, at least one for a span that has ended: zero means absent in Zipkin.
fn duration(start: u64, end: u64) -> u64 {
    if end == 0 { 0 } else { (end.saturating_sub(start) / 1_000).max(1) }
}

/// The tags of a span. Of equal keys the last counts: what the span says itself takes precedence over its origin.
fn tags<'a>(
    span: OtlpSpan<'_>,
    origin: impl Iterator<Item = &'a (Str<'a>, Str<'a>)>,
    texts: &mut impl Intern,
) -> Box<[(Text, Text)]> {
    let mut tags: Attributes<'_> = Vec::with_capacity(USUAL_TAGS);
    tags.extend(origin.map(|(key, value)| (Cow::Borrowed(&**key), Cow::Borrowed(&**value))));
    let attributes = span.attributes.into_iter();
    // Zipkin takes any value of `error` for an error, and some instrumentation writes `error=false`.
    tags.extend(attributes.filter(|(key, value)| !(key == "error" && value == "false")));
    if !span.trace_state.is_empty() {
        tags.push(("w3c.tracestate".into(), span.trace_state));
    }
    for (index, link) in span.links.iter().enumerate() {
        tags.push((format!("otel.link.{index}").into(), link_text(link).into()));
    }
    let kinds = ["otel.dropped_attributes_count", "otel.dropped_events_count", "otel.dropped_links_count"];
    for (key, count) in kinds.into_iter().zip(span.dropped) {
        if count > 0 {
            tags.push((key.into(), count.to_string().into()));
        }
    }
    match span.status {
        OK => tags.push(("otel.status_code".into(), "OK".into())),
        ERROR => {
            tags.push(("otel.status_code".into(), "ERROR".into()));
            let message = if span.status_message.is_empty() { "true".into() } else { span.status_message };
            tags.push(("error".into(), message));
        }
        _ => {}
    }
    // Stable, so that the last of equal keys stays last.
    tags.sort_by(|(one, _), (other, _)| one.cmp(other));
    tags.reverse();
    tags.dedup_by(|(one, _), (other, _)| one == other);
    boxed(tags.iter().rev().map(|(key, value)| (texts.intern(key), texts.intern(value))))
}

/// An event's name and attributes, in the form of Octet's Zipkin exporter.
fn event_text<'a>(event: &'a Event<'_>) -> Str<'a> {
    if event.attributes.is_empty() {
        return Cow::Borrowed(&*event.name);
    }
    let mut text = event.name.to_string();
    write_attributes(&mut text, &event.attributes);
    text.into()
}

/// The linked span, which Zipkin's model has no place for.
fn link_text(link: &Link<'_>) -> String {
    let trace = link.trace_id.map(|id| id.to_string()).unwrap_or_default();
    let span = link.id.map(|id| id.to_string()).unwrap_or_default();
    let mut text = format!("{trace}/{span}");
    write_attributes(&mut text, &link.attributes);
    text
}

fn write_attributes(text: &mut String, attributes: &Attributes<'_>) {
    for (key, value) in attributes {
        // Writing to a String cannot fail.
        let _ = write!(text, " {key}={value}");
    }
}

fn endpoint(
    service: Option<&str>,
    address: Option<IpAddr>,
    port: u16,
    texts: &mut impl Intern,
) -> Option<Endpoint> {
    if service.is_none() && address.is_none() {
        return None;
    }
    let mut endpoint =
        Endpoint { service: service.and_then(|service| label(service, texts)), port, ..Endpoint::default() };
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => endpoint.ipv4 = Some(address),
        Some(IpAddr::V6(address)) => endpoint.ipv6 = Some(address),
        None => {}
    }
    Some(endpoint)
}

/// In lower case, as in Zipkin; `None` for an empty one.
fn label(text: &str, texts: &mut impl Intern) -> Option<Text> {
    if text.is_empty() {
        return None;
    }
    let is_lower = text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    Some(if is_lower { texts.intern(text) } else { texts.intern(&text.to_lowercase()) })
}

/// Collects into an allocation of the exact size.
fn boxed<T>(items: impl ExactSizeIterator<Item = T>) -> Box<[T]> {
    let mut list = Vec::with_capacity(items.len());
    list.extend(items);
    list.into_boxed_slice()
}
