//! One span from its JSON object.
//!
//! The published model decides what is malformed; what Zipkin's server makes right, is made right here too: names
//! in lower case, a zero for nothing, a span that is its own parent, a client that says it shares its span.

use std::{collections::BTreeMap, net::IpAddr};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::field::{Fault, flag, label, micros, shortened, text};
use crate::{Annotation, Endpoint, Kind, Span, SpanId, Text, TraceId};

/// What is allowed, as ends of the sentence "must be …".
const TRACE_ID: &str = "16 or 32 lower-case hexadecimal digits, not all zero";
const SPAN_ID: &str = "16 lower-case hexadecimal digits, not all zero";
const KIND: &str = "CLIENT, SERVER, PRODUCER or CONSUMER";
pub(super) const PARENT_OF_NOBODY: &str = "0000000000000000";

/// The members that a span may have; null is none, and others are left alone.
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
}

pub(super) fn read(raw: &RawValue) -> Result<Span, Fault> {
    let span: RawSpan<'_> = object("", "an object", raw)?;
    let id = required("id", SPAN_ID, span.id, SpanId::parse)?;
    let kind = match span.kind {
        Some(raw) => Some(required("kind", KIND, Some(raw), Kind::named)?),
        None => None,
    };
    Ok(Span {
        trace_id: required("traceId", TRACE_ID, span.trace_id, TraceId::parse)?,
        id,
        parent_id: parent(span.parent_id)?.filter(|parent| *parent != id),
        kind,
        name: label("name", span.name)?,
        timestamp: micros("timestamp", span.timestamp)?,
        duration: micros("duration", span.duration)?,
        local: endpoint("localEndpoint", span.local_endpoint)?,
        remote: endpoint("remoteEndpoint", span.remote_endpoint)?,
        annotations: annotations(span.annotations)?,
        tags: tags(span.tags)?,
        debug: flag("debug", span.debug)?,
        // Only the other side can share what a client began.
        shared: flag("shared", span.shared)?.filter(|shared| !(*shared && kind == Some(Kind::Client))),
    })
}

/// serde would take a list for an object, member by member.
fn object<'a, T: Deserialize<'a>>(field: &str, allowed: &str, raw: &'a RawValue) -> Result<T, Fault> {
    if !raw.get().starts_with('{') {
        return Err(Fault::not(field, allowed, raw));
    }
    serde_json::from_str(raw.get()).map_err(|error| Fault::new(field, shortened(&error.to_string())))
}

fn required<T>(
    field: &str,
    allowed: &str,
    raw: Option<&RawValue>,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Fault> {
    let raw = raw.ok_or_else(|| Fault::new(field, format!("is missing; it must be {allowed}")))?;
    parse(&text(field, raw)?).ok_or_else(|| Fault::not(field, allowed, raw))
}

/// Zeros stand for no parent, as in Zipkin.
fn parent(raw: Option<&RawValue>) -> Result<Option<SpanId>, Fault> {
    let Some(raw) = raw else { return Ok(None) };
    let text = text("parentId", raw)?;
    if text == PARENT_OF_NOBODY {
        return Ok(None);
    }
    SpanId::parse(&text).map(Some).ok_or_else(|| Fault::not("parentId", SPAN_ID, raw))
}

/// An endpoint that says nothing is none.
fn endpoint(field: &str, raw: Option<&RawValue>) -> Result<Option<Endpoint>, Fault> {
    let Some(raw) = raw else { return Ok(None) };
    let raw: RawEndpoint<'_> = object(field, "an object", raw)?;
    let read = || -> Result<Endpoint, Fault> {
        let mut endpoint =
            Endpoint { service: label("serviceName", raw.service_name)?, ..Endpoint::default() };
        for (field, raw) in [("ipv4", raw.ipv4), ("ipv6", raw.ipv6)] {
            match address(field, raw)? {
                Some(IpAddr::V4(address)) => endpoint.ipv4 = Some(address),
                Some(IpAddr::V6(address)) => endpoint.ipv6 = Some(address),
                None => {}
            }
        }
        if let Some(raw) = raw.port {
            let port = micros("port", Some(raw)).ok().and_then(|port| u16::try_from(port).ok());
            endpoint.port = port.ok_or_else(|| Fault::not("port", "a whole number from 0 to 65535", raw))?;
        }
        Ok(endpoint)
    };
    let endpoint = read().map_err(|fault| fault.within(field))?;
    Ok((endpoint != Endpoint::default()).then_some(endpoint))
}

/// An address of either family, whichever member it stands in; an empty one is none.
fn address(field: &str, raw: Option<&RawValue>) -> Result<Option<IpAddr>, Fault> {
    let Some(raw) = raw else { return Ok(None) };
    let text = text(field, raw)?;
    if text.is_empty() {
        return Ok(None);
    }
    let address: Result<IpAddr, _> = text.parse();
    address.map(|address| Some(address.to_canonical())).map_err(|_| Fault::not(field, "an IP address", raw))
}

fn annotations(raw: Option<&RawValue>) -> Result<Box<[Annotation]>, Fault> {
    let Some(raw) = raw else { return Ok(Box::default()) };
    let list: Vec<&RawValue> =
        serde_json::from_str(raw.get()).map_err(|_| Fault::not("annotations", "a list", raw))?;
    let read = |(index, raw)| {
        let field = format!("annotations[{index}]");
        let raw: RawAnnotation<'_> = object(&field, "an object", raw)?;
        let missing = |name: &str| Fault::new(format!("{field}.{name}"), "is missing");
        let timestamp = raw.timestamp.ok_or_else(|| missing("timestamp"))?;
        let value = raw.value.ok_or_else(|| missing("value"))?;
        let read = || {
            let timestamp = micros("timestamp", Some(timestamp))?;
            Ok(Annotation { timestamp, value: text("value", value)?.into() })
        };
        read().map_err(|fault: Fault| fault.within(&field))
    };
    list.into_iter().enumerate().map(read).collect()
}

fn tags(raw: Option<&RawValue>) -> Result<Box<[(Text, Text)]>, Fault> {
    let Some(raw) = raw else { return Ok(Box::default()) };
    let tags: BTreeMap<String, &RawValue> = object("tags", "an object of texts", raw)?;
    let read = |(key, raw): (String, &RawValue)| {
        let value = text(&key, raw).map_err(|fault| fault.within("tags"))?;
        Ok((Text::from(key), Text::from(value)))
    };
    tags.into_iter().map(read).collect()
}
