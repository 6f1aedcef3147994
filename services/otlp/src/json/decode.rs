//! The messages of OTLP, by their names in JSON. Null counts as absent, and unknown members are ignored.

use octet_zipkin::{SpanId, TraceId};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::value::{KeyValue, Number, Str, attributes};
use crate::{
    origin::{Resource, Scope},
    span::{self, Event, Fault, Link, OtlpSpan},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    resource_spans: Option<&'a RawValue>,
}

/// `ExportTraceServiceRequest`: its resource spans.
pub(super) fn request(raw: &RawValue) -> Result<Option<&RawValue>, Fault> {
    object::<Request<'_>>(raw).map(|request| request.resource_spans)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawResourceSpans<'a> {
    #[serde(borrow)]
    resource: Option<RawAttributes<'a>>,
    #[serde(borrow)]
    scope_spans: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawAttributes<'a> {
    #[serde(borrow)]
    attributes: Option<Vec<KeyValue<'a>>>,
}

pub(super) struct ResourceSpans<'a> {
    pub(super) resource: Resource<'a>,
    pub(super) scope_spans: Option<&'a RawValue>,
}

/// `ResourceSpans`.
pub(super) fn resource_spans(raw: &RawValue) -> Result<ResourceSpans<'_>, Fault> {
    let raw: RawResourceSpans<'_> = object(raw)?;
    let mut resource = Resource::default();
    for (key, value) in attributes(raw.resource.and_then(|resource| resource.attributes)) {
        resource.add(key, value);
    }
    Ok(ResourceSpans { resource, scope_spans: raw.scope_spans })
}

#[derive(Deserialize)]
struct RawScopeSpans<'a> {
    #[serde(borrow)]
    scope: Option<RawScope<'a>>,
    #[serde(borrow)]
    spans: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawScope<'a> {
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    version: Option<Str<'a>>,
}

pub(super) struct ScopeSpans<'a> {
    pub(super) scope: Scope<'a>,
    pub(super) spans: Option<&'a RawValue>,
}

/// `ScopeSpans`.
pub(super) fn scope_spans(raw: &RawValue) -> Result<ScopeSpans<'_>, Fault> {
    let raw: RawScopeSpans<'_> = object(raw)?;
    let scope = raw.scope.map(|scope| Scope::new(text(scope.name), text(scope.version)));
    Ok(ScopeSpans { scope: scope.unwrap_or_default(), spans: raw.spans })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSpan<'a> {
    #[serde(borrow)]
    trace_id: Option<Str<'a>>,
    #[serde(borrow)]
    span_id: Option<Str<'a>>,
    #[serde(borrow)]
    trace_state: Option<Str<'a>>,
    #[serde(borrow)]
    parent_span_id: Option<Str<'a>>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    kind: Option<Number<'a>>,
    #[serde(borrow)]
    start_time_unix_nano: Option<Number<'a>>,
    #[serde(borrow)]
    end_time_unix_nano: Option<Number<'a>>,
    #[serde(borrow)]
    attributes: Option<Vec<KeyValue<'a>>>,
    #[serde(borrow)]
    dropped_attributes_count: Option<Number<'a>>,
    #[serde(borrow)]
    events: Option<Vec<RawEvent<'a>>>,
    #[serde(borrow)]
    dropped_events_count: Option<Number<'a>>,
    #[serde(borrow)]
    links: Option<Vec<RawLink<'a>>>,
    #[serde(borrow)]
    dropped_links_count: Option<Number<'a>>,
    #[serde(borrow)]
    status: Option<RawStatus<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEvent<'a> {
    #[serde(borrow)]
    time_unix_nano: Option<Number<'a>>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    attributes: Option<Vec<KeyValue<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLink<'a> {
    #[serde(borrow)]
    trace_id: Option<Str<'a>>,
    #[serde(borrow)]
    span_id: Option<Str<'a>>,
    #[serde(borrow)]
    attributes: Option<Vec<KeyValue<'a>>>,
}

#[derive(Deserialize)]
struct RawStatus<'a> {
    #[serde(borrow)]
    message: Option<Str<'a>>,
    #[serde(borrow)]
    code: Option<Number<'a>>,
}

/// The names of enums, which the specification forbids and some encoders write.
const KINDS: [&str; 6] = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
const STATUSES: [&str; 3] = ["UNSET", "OK", "ERROR"];

/// `Span`.
pub(super) fn span(raw: &RawValue) -> Result<OtlpSpan<'_>, Fault> {
    let raw: RawSpan<'_> = object(raw)?;
    let events = raw.events.unwrap_or_default().into_iter().map(|event| {
        Ok(Event {
            time: number("events.timeUnixNano", event.time_unix_nano, &[], "")?,
            name: text(event.name),
            attributes: attributes(event.attributes),
        })
    });
    let links = raw.links.unwrap_or_default().into_iter().map(|link| {
        Ok(Link {
            trace_id: id("links.traceId", 32, link.trace_id, TraceId::parse)?,
            id: id("links.spanId", 16, link.span_id, SpanId::parse)?,
            attributes: attributes(link.attributes),
        })
    });
    let (status, status_message) = match raw.status {
        Some(status) => {
            (number("status.code", status.code, &STATUSES, "STATUS_CODE_")?, text(status.message))
        }
        None => Default::default(),
    };
    Ok(OtlpSpan {
        trace_id: id("traceId", 32, raw.trace_id, TraceId::parse)?,
        id: id("spanId", 16, raw.span_id, SpanId::parse)?,
        parent_id: id("parentSpanId", 16, raw.parent_span_id, SpanId::parse)?,
        trace_state: text(raw.trace_state),
        name: text(raw.name),
        kind: number("kind", raw.kind, &KINDS, "SPAN_KIND_")?,
        start: number("startTimeUnixNano", raw.start_time_unix_nano, &[], "")?,
        end: number("endTimeUnixNano", raw.end_time_unix_nano, &[], "")?,
        attributes: attributes(raw.attributes),
        events: events.collect::<Result<_, Fault>>()?,
        links: links.collect::<Result<_, Fault>>()?,
        dropped: [
            number("droppedAttributesCount", raw.dropped_attributes_count, &[], "")?,
            number("droppedEventsCount", raw.dropped_events_count, &[], "")?,
            number("droppedLinksCount", raw.dropped_links_count, &[], "")?,
        ],
        status,
        status_message,
    })
}

fn text(text: Option<Str<'_>>) -> span::Str<'_> {
    text.map(|Str(text)| text).unwrap_or_default()
}

/// A whole number, as a number or a text, or the name of an enum's value.
fn number(field: &str, number: Option<Number<'_>>, names: &[&str], prefix: &str) -> Result<u64, Fault> {
    let Some(Number(text)) = number else { return Ok(0) };
    let named = || {
        let name = text.strip_prefix(prefix)?;
        names.iter().position(|known| *known == name).and_then(|index| u64::try_from(index).ok())
    };
    text.parse().ok().or_else(named).ok_or_else(|| Fault::new(field, "must be a whole number, from 0"))
}

/// Hexadecimal digits in either case; `None` if the text is empty or all digits are zero.
fn id<T>(
    field: &str,
    digits: usize,
    text: Option<Str<'_>>,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Fault> {
    let Some(Str(text)) = text.filter(|Str(text)| !text.is_empty()) else { return Ok(None) };
    if text.len() != digits || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Fault::new(field, format!("must have {digits} hexadecimal digits")));
    }
    Ok(parse(&text).or_else(|| parse(&text.to_ascii_lowercase())))
}

/// Accepts only an object: serde would also accept a list of the members.
fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, Fault> {
    if !raw.get().starts_with('{') {
        return Err(Fault::new("", "must be an object"));
    }
    serde_json::from_str(raw.get())
        .map_err(|error| Fault::new("", format!("is malformed: {}", short(&error))))
}

/// An error of `serde_json` without the client's texts, which can be long.
fn short(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text: String = text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect();
    text
}
