//! Parses one span from its JSON object.
//!
//! The published model decides what is malformed. What Zipkin's server corrects is corrected here too: names become
//! lower case; zero or less means
//! absent; a span is not its own parent; a client does not share its span.

use std::{collections::BTreeMap, net::IpAddr};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::field::{FieldError, flag, label, micros, micros_or_zero, shortened, text};
use crate::{Annotation, Endpoint, Kind, Span, SpanId, Text, TraceId};

/// The maximum length of a service's name in bytes: graphs contain a name once per edge.
pub(super) const MAX_SERVICE_NAME: usize = 1_024;

/// The allowed values, for messages that start with "must be".
const TRACE_ID: &str = "1 to 32 lower-case hexadecimal digits, not all zero";
const SPAN_ID: &str = "1 to 16 lower-case hexadecimal digits, not all zero";
const V1: &str = "is a member of Zipkin's v1 format; report such spans to /api/v1/spans";
const KIND: &str = "CLIENT, SERVER, PRODUCER or CONSUMER";

/// The members of a span. Null counts as absent, and other members are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSpan<'a> {
    #[serde(borrow)]
    trace_id: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    parent_id: Option<&'a RawValue>,
    #[serde(borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    duration: Option<&'a RawValue>,
    #[serde(borrow)]
    local_endpoint: Option<&'a RawValue>,
    #[serde(borrow)]
    remote_endpoint: Option<&'a RawValue>,
    #[serde(borrow)]
    annotations: Option<&'a RawValue>,
    #[serde(borrow)]
    tags: Option<&'a RawValue>,
    #[serde(borrow)]
    debug: Option<&'a RawValue>,
    #[serde(borrow)]
    shared: Option<&'a RawValue>,
    /// Only in Zipkin's v1 format.
    #[serde(borrow)]
    binary_annotations: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEndpoint<'a> {
    #[serde(borrow)]
    service_name: Option<&'a RawValue>,
    #[serde(borrow)]
    ipv4: Option<&'a RawValue>,
    #[serde(borrow)]
    ipv6: Option<&'a RawValue>,
    #[serde(borrow)]
    port: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawAnnotation<'a> {
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    /// Only in Zipkin's v1 format.
    #[serde(borrow)]
    endpoint: Option<&'a RawValue>,
}

pub(super) fn read(raw: &RawValue) -> Result<Span, FieldError> {
    let span: RawSpan<'_> = object("", "an object", raw)?;
    if span.binary_annotations.is_some() {
        return Err(FieldError::new("binaryAnnotations", V1));
    }
    let (trace_id, id, parent_id) = ids(span.trace_id, span.id, span.parent_id)?;
    let kind = match span.kind {
        Some(raw) => Some(required("kind", KIND, Some(raw), Kind::named)?),
        None => None,
    };
    Ok(Span {
        trace_id,
        id,
        parent_id,
        kind,
        name: label("name", span.name)?,
        timestamp: micros_or_zero("timestamp", span.timestamp)?,
        duration: micros_or_zero("duration", span.duration)?,
        local: endpoint("localEndpoint", span.local_endpoint)?,
        remote: endpoint("remoteEndpoint", span.remote_endpoint)?,
        annotations: annotations(span.annotations)?,
        tags: tags(span.tags)?,
        debug: flag("debug", span.debug)?,
        // Only the other side can share what a client began.
        shared: flag("shared", span.shared)?.filter(|shared| !(*shared && kind == Some(Kind::Client))),
    })
}

/// The ids of a span, its trace, and its parent.
pub(super) fn ids(
    trace_id: Option<&RawValue>,
    id: Option<&RawValue>,
    parent_id: Option<&RawValue>,
) -> Result<(TraceId, SpanId, Option<SpanId>), FieldError> {
    let id = required("id", SPAN_ID, id, SpanId::parse)?;
    let trace_id = required("traceId", TRACE_ID, trace_id, TraceId::parse)?;
    Ok((trace_id, id, parent(parent_id)?.filter(|parent| *parent != id)))
}

/// Accepts only an object: serde would also accept a list of the members.
pub(super) fn object<'a, T: Deserialize<'a>>(
    field: &str,
    allowed: &str,
    raw: &'a RawValue,
) -> Result<T, FieldError> {
    if !raw.get().starts_with('{') {
        return Err(FieldError::expected(field, allowed, raw));
    }
    serde_json::from_str(raw.get()).map_err(|error| FieldError::new(field, shortened(&error.to_string())))
}

fn required<T>(
    field: &str,
    allowed: &str,
    raw: Option<&RawValue>,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, FieldError> {
    let raw = raw.ok_or_else(|| FieldError::new(field, format!("missing; must be {allowed}")))?;
    parse(&text(field, raw)?).ok_or_else(|| FieldError::expected(field, allowed, raw))
}

fn parent(raw: Option<&RawValue>) -> Result<Option<SpanId>, FieldError> {
    let Some(raw) = raw else { return Ok(None) };
    let text = text("parentId", raw)?;
    if is_no_parent(&text) {
        return Ok(None);
    }
    SpanId::parse(&text).map(Some).ok_or_else(|| FieldError::expected("parentId", SPAN_ID, raw))
}

/// All zeros mean no parent, as in Zipkin.
pub(super) fn is_no_parent(text: &str) -> bool {
    (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte == b'0')
}

/// `None` for an endpoint without values.
pub(super) fn endpoint(field: &str, raw: Option<&RawValue>) -> Result<Option<Endpoint>, FieldError> {
    let Some(raw) = raw else { return Ok(None) };
    let raw: RawEndpoint<'_> = object(field, "an object", raw)?;
    let read = || -> Result<Endpoint, FieldError> {
        let service = label("serviceName", raw.service_name)?;
        if service.as_ref().is_some_and(|name| name.len() > MAX_SERVICE_NAME) {
            let problem = format!("must have at most {MAX_SERVICE_NAME} bytes");
            return Err(FieldError::new("serviceName", problem));
        }
        let mut endpoint = Endpoint { service, ..Endpoint::default() };
        for (field, raw) in [("ipv4", raw.ipv4), ("ipv6", raw.ipv6)] {
            match address(field, raw)? {
                Some(IpAddr::V4(address)) => endpoint.ipv4 = Some(address),
                Some(IpAddr::V6(address)) => endpoint.ipv6 = Some(address),
                None => {}
            }
        }
        if let Some(raw) = raw.port {
            let port = micros("port", Some(raw)).ok().and_then(|port| u16::try_from(port).ok());
            endpoint.port =
                port.ok_or_else(|| FieldError::expected("port", "a whole number from 0 to 65535", raw))?;
        }
        Ok(endpoint)
    };
    let endpoint = read().map_err(|error| error.within(field))?;
    Ok((endpoint != Endpoint::default()).then_some(endpoint))
}

/// An address of either family in either member; `None` for an empty one.
fn address(field: &str, raw: Option<&RawValue>) -> Result<Option<IpAddr>, FieldError> {
    let Some(raw) = raw else { return Ok(None) };
    let text = text(field, raw)?;
    if text.is_empty() {
        return Ok(None);
    }
    let address: Result<IpAddr, _> = text.parse();
    address
        .map(|address| Some(address.to_canonical()))
        .map_err(|_| FieldError::expected(field, "an IP address", raw))
}

fn annotations(raw: Option<&RawValue>) -> Result<Box<[Annotation]>, FieldError> {
    let Some(raw) = raw else { return Ok(Box::default()) };
    let list: Vec<&RawValue> =
        serde_json::from_str(raw.get()).map_err(|_| FieldError::expected("annotations", "a list", raw))?;
    let read = |(index, raw)| {
        let field = format!("annotations[{index}]");
        let raw: RawAnnotation<'_> = object(&field, "an object", raw)?;
        if raw.endpoint.is_some() {
            return Err(FieldError::new(format!("{field}.endpoint"), V1));
        }
        let missing = |name: &str| FieldError::new(format!("{field}.{name}"), "missing");
        let timestamp = raw.timestamp.ok_or_else(|| missing("timestamp"))?;
        let value = raw.value.ok_or_else(|| missing("value"))?;
        let read = || {
            let timestamp = micros("timestamp", Some(timestamp))?;
            Ok(Annotation { timestamp, value: text("value", value)?.into() })
        };
        read().map_err(|error: FieldError| error.within(&field))
    };
    list.into_iter().enumerate().map(read).collect()
}

fn tags(raw: Option<&RawValue>) -> Result<Box<[(Text, Text)]>, FieldError> {
    let Some(raw) = raw else { return Ok(Box::default()) };
    let tags: BTreeMap<String, &RawValue> = object("tags", "an object of strings", raw)?;
    let read = |(key, raw): (String, &RawValue)| {
        let value = text(&key, raw).map_err(|error| error.within("tags"))?;
        Ok((Text::from(key), Text::from(value)))
    };
    tags.into_iter().map(read).collect()
}
