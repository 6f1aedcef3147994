//! The messages of OTLP, by the field numbers of `opentelemetry-proto`.

use std::borrow::Cow;

use octet_wire::{Fields, NoMessage, Value as Wire};
use octet_zipkin::{SpanId, TraceId};

use super::value::attribute;
use crate::{
    origin::{Resource, Scope},
    span::{Event, Fault, Link, OtlpSpan, Str},
};

/// `ExportTraceServiceRequest.resource_spans`, `ResourceSpans.scope_spans`, `ScopeSpans.spans`.
pub(super) const RESOURCE_SPANS: u32 = 1;
pub(super) const SCOPE_SPANS: u32 = 2;
pub(super) const SPANS: u32 = 2;

/// The resource of `ResourceSpans`; it can come after the spans.
pub(super) fn resource(resource_spans: &[u8]) -> Result<Resource<'_>, NoMessage> {
    let mut found = Resource::default();
    let mut fields = Fields::new(resource_spans);
    while let Some((number, value)) = fields.next()? {
        let Some(resource) = value.bytes().filter(|_| number == 1) else { continue };
        let mut members = Fields::new(resource);
        while let Some((number, value)) = members.next()? {
            // A malformed attribute of the resource must not cost all its spans.
            if number == 1
                && let Ok((key, value)) = attribute(value)
            {
                found.add(key, value);
            }
        }
    }
    Ok(found)
}

/// The scope of `ScopeSpans`.
pub(super) fn scope(scope_spans: &[u8]) -> Result<Scope<'_>, NoMessage> {
    let (mut name, mut version) = (Str::default(), Str::default());
    let mut fields = Fields::new(scope_spans);
    while let Some((number, value)) = fields.next()? {
        let Some(scope) = value.bytes().filter(|_| number == 1) else { continue };
        let mut members = Fields::new(scope);
        while let Some((number, value)) = members.next()? {
            match number {
                1 => name = text("", value).unwrap_or_default(),
                2 => version = text("", value).unwrap_or_default(),
                _ => {}
            }
        }
    }
    Ok(Scope::new(name, version))
}

/// `Span`.
pub(super) fn span(bytes: &[u8]) -> Result<OtlpSpan<'_>, Fault> {
    let mut span = OtlpSpan::default();
    let [attributes, events, links] = &mut span.dropped;
    let mut fields = Fields::new(bytes);
    while let Some((number, value)) = fields.next().map_err(no_message(""))? {
        match number {
            1 => span.trace_id = trace_id("traceId", value)?,
            2 => span.id = span_id("spanId", value)?,
            3 => span.trace_state = text("traceState", value)?,
            4 => span.parent_id = span_id("parentSpanId", value)?,
            5 => span.name = text("name", value)?,
            6 => span.kind = number_of("kind", value)?,
            7 => span.start = number_of("startTimeUnixNano", value)?,
            8 => span.end = number_of("endTimeUnixNano", value)?,
            9 => span.attributes.push(attribute(value)?),
            10 => *attributes = number_of("droppedAttributesCount", value)?,
            11 => span.events.push(event(value).map_err(|fault| fault.within("events"))?),
            12 => *events = number_of("droppedEventsCount", value)?,
            13 => span.links.push(link(value).map_err(|fault| fault.within("links"))?),
            14 => *links = number_of("droppedLinksCount", value)?,
            15 => (span.status, span.status_message) = status(message("status", value)?)?,
            _ => {}
        }
    }
    Ok(span)
}

/// `Status`: its code and message.
fn status(bytes: &[u8]) -> Result<(u64, Str<'_>), Fault> {
    let (mut code, mut description) = (0, Str::default());
    let mut fields = Fields::new(bytes);
    while let Some((number, value)) = fields.next().map_err(no_message("status"))? {
        match number {
            2 => description = text("status.message", value)?,
            3 => code = number_of("status.code", value)?,
            _ => {}
        }
    }
    Ok((code, description))
}

/// `Span.Event`.
fn event(value: Wire<'_>) -> Result<Event<'_>, Fault> {
    let mut event = Event::default();
    let mut fields = Fields::new(message("", value)?);
    while let Some((number, value)) = fields.next().map_err(no_message(""))? {
        match number {
            1 => event.time = number_of("timeUnixNano", value)?,
            2 => event.name = text("name", value)?,
            3 => event.attributes.push(attribute(value)?),
            _ => {}
        }
    }
    Ok(event)
}

/// `Span.Link`.
fn link(value: Wire<'_>) -> Result<Link<'_>, Fault> {
    let mut link = Link::default();
    let mut fields = Fields::new(message("", value)?);
    while let Some((number, value)) = fields.next().map_err(no_message(""))? {
        match number {
            1 => link.trace_id = trace_id("traceId", value)?,
            2 => link.id = span_id("spanId", value)?,
            4 => link.attributes.push(attribute(value)?),
            _ => {}
        }
    }
    Ok(link)
}

/// 16 bytes; `None` if the field is empty or all bytes are zero.
fn trace_id(field: &str, value: Wire<'_>) -> Result<Option<TraceId>, Fault> {
    let bytes = message(field, value)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let halves = bytes.split_first_chunk::<8>().and_then(|(high, low)| Some((high, low.try_into().ok()?)));
    let (high, low) = halves.ok_or_else(|| Fault::new(field, "must have 16 bytes"))?;
    Ok(TraceId::from_halves(u64::from_be_bytes(*high), u64::from_be_bytes(low)))
}

/// Eight bytes; `None` if the field is empty or all bytes are zero.
fn span_id(field: &str, value: Wire<'_>) -> Result<Option<SpanId>, Fault> {
    let bytes = message(field, value)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let digits = bytes.try_into().map_err(|_| Fault::new(field, "must have 8 bytes"))?;
    Ok(SpanId::from_number(u64::from_be_bytes(digits)))
}

/// The bytes of a message, or of bytes.
pub(super) fn message<'a>(field: &str, value: Wire<'a>) -> Result<&'a [u8], Fault> {
    value.bytes().ok_or_else(|| wrong_type(field))
}

pub(super) fn text<'a>(field: &str, value: Wire<'a>) -> Result<Str<'a>, Fault> {
    let text = std::str::from_utf8(message(field, value)?);
    text.map(Cow::Borrowed).map_err(|_| Fault::new(field, "is not UTF-8"))
}

fn number_of(field: &str, value: Wire<'_>) -> Result<u64, Fault> {
    value.number().ok_or_else(|| wrong_type(field))
}

fn wrong_type(field: &str) -> Fault {
    Fault::new(field, "has another wire type than in OTLP")
}

/// The bytes of a member are no message.
pub(super) fn no_message(field: &str) -> impl Fn(NoMessage) -> Fault + use<'_> {
    move |_| Fault::new(field, NoMessage::PROBLEM)
}
