//! Zipkin's v1 format in JSON, converted by the rules of Zipkin's `V1SpanConverter`.
//!
//! In v1 the sides of a call are annotations: `cs` and `cr` of a client, `sr` and `ss` of a server, `ms` and `mr` of a
//! message's two sides, each with the endpoint that wrote it. A span with both sides of a call becomes two, of which the
//! server's is shared.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    field::{FieldError, flag, label, micros, micros_or_zero, text},
    span::{endpoint, ids, object},
};
use crate::{Annotation, Endpoint, Kind, Span, Text};

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
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    duration: Option<&'a RawValue>,
    #[serde(borrow)]
    annotations: Option<&'a RawValue>,
    #[serde(borrow)]
    binary_annotations: Option<&'a RawValue>,
    #[serde(borrow)]
    debug: Option<&'a RawValue>,
    /// Only in the v2 format.
    #[serde(borrow)]
    tags: Option<&'a RawValue>,
    #[serde(borrow)]
    local_endpoint: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawAnnotation<'a> {
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(borrow)]
    endpoint: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawBinaryAnnotation<'a> {
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(borrow)]
    endpoint: Option<&'a RawValue>,
}

/// An annotation, or a tag where it has no time.
struct Event {
    timestamp: u64,
    value: String,
    endpoint: Option<Endpoint>,
}

/// The two annotations of one side of a call, and the kind of its span.
const SIDES: [(&str, &str, Kind); 2] = [("cs", "cr", Kind::Client), ("sr", "ss", Kind::Server)];

/// The annotations of a message's sides; `ws` and `wr` are details that stay annotations.
const MESSAGES: [(&str, Kind); 2] = [("ms", Kind::Producer), ("mr", Kind::Consumer)];

/// The tags that are addresses of the other side, and the kind of the span whose other side it is.
const ADDRESSES: [(&str, [Kind; 2]); 3] = [
    ("sa", [Kind::Client, Kind::Client]),
    ("ca", [Kind::Server, Kind::Server]),
    ("ma", [Kind::Producer, Kind::Consumer]),
];

/// The spans of one span of the v1 format; at least one.
pub(super) fn read(raw: &RawValue) -> Result<Vec<Span>, FieldError> {
    let raw: RawSpan<'_> = object("", "an object", raw)?;
    for (field, member) in [("tags", raw.tags), ("localEndpoint", raw.local_endpoint)] {
        if member.is_some() {
            return Err(FieldError::new(
                field,
                "is a member of Zipkin's v2 format; report such spans to /api/v2/spans",
            ));
        }
    }
    let (trace_id, id, parent_id) = ids(raw.trace_id, raw.id, raw.parent_id)?;
    let whole = Span {
        trace_id,
        id,
        parent_id,
        kind: None,
        name: label("name", raw.name)?,
        timestamp: micros_or_zero("timestamp", raw.timestamp)?,
        duration: micros_or_zero("duration", raw.duration)?,
        local: None,
        remote: None,
        annotations: Box::default(),
        tags: Box::default(),
        debug: flag("debug", raw.debug)?.filter(|debug| *debug),
        shared: None,
    };
    let parts = Parts { events: annotations(raw.annotations)?, tags: Vec::new(), addresses: Vec::new() };
    Ok(parts.with_binary(raw.binary_annotations)?.into_spans(whole))
}

/// The content of a span, by its meaning.
struct Parts {
    events: Vec<Event>,
    tags: Vec<(String, Event)>,
    addresses: Vec<(String, Endpoint)>,
}

impl Parts {
    fn with_binary(mut self, raw: Option<&RawValue>) -> Result<Self, FieldError> {
        for (index, raw) in list("binaryAnnotations", raw)?.into_iter().enumerate() {
            let field = format!("binaryAnnotations[{index}]");
            let raw: RawBinaryAnnotation<'_> = object(&field, "an object", raw)?;
            let key = raw.key.ok_or_else(|| FieldError::new(format!("{field}.key"), "missing"))?;
            let key = text("key", key).map_err(|error| error.within(&field))?;
            let endpoint = endpoint("endpoint", raw.endpoint).map_err(|error| error.within(&field))?;
            let value = raw.value.ok_or_else(|| FieldError::new(format!("{field}.value"), "missing"))?.get();
            if ADDRESSES.iter().any(|(name, _)| *name == key) && matches!(value, "true" | "1") {
                self.addresses.extend(endpoint.map(|endpoint| (key, endpoint)));
                continue;
            }
            // Numbers and booleans are tags by their texts, as in Zipkin.
            let value = match value.as_bytes().first() {
                Some(b'"') => serde_json::from_str(value).unwrap_or_default(),
                Some(b'{' | b'[') => {
                    return Err(FieldError::new(format!("{field}.value"), "must be a string"));
                }
                _ => value.to_owned(),
            };
            self.tags.push((key, Event { timestamp: 0, value, endpoint }));
        }
        Ok(self)
    }

    fn time_of(&self, value: &str) -> Option<(u64, Option<&Endpoint>)> {
        let event = self.events.iter().find(|event| event.value == value)?;
        Some((event.timestamp, event.endpoint.as_ref()))
    }

    /// The endpoint of this name.
    fn address(&self, kind: Kind) -> Option<Endpoint> {
        let is_kinds =
            |name: &str| ADDRESSES.iter().any(|(known, kinds)| *known == name && kinds.contains(&kind));
        self.addresses.iter().find(|(name, _)| is_kinds(name)).map(|(_, endpoint)| endpoint.clone())
    }

    fn into_spans(self, whole: Span) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        for (start, end, kind) in SIDES {
            let (started, ended) = (self.time_of(start), self.time_of(end));
            let Some((_, local)) = started.or(ended) else { continue };
            let mut span =
                Span { kind: Some(kind), local: local.cloned(), remote: self.address(kind), ..whole.clone() };
            let is_second = !spans.is_empty();
            if let Some((started, _)) = started.filter(|_| is_second || whole.timestamp == 0) {
                span.timestamp = started;
            }
            if let Some(((started, _), (ended, _))) =
                started.zip(ended).filter(|_| is_second || whole.duration == 0)
            {
                span.duration = ended.saturating_sub(started);
            } else if is_second {
                span.duration = 0;
            }
            // A server without a timestamp of its own continues its client's span.
            span.shared = (kind == Kind::Server && (is_second || whole.timestamp == 0)).then_some(true);
            spans.push(span);
        }
        for (value, kind) in MESSAGES {
            if let Some((time, local)) = self.time_of(value).filter(|_| spans.is_empty()) {
                let mut span = Span {
                    kind: Some(kind),
                    local: local.cloned(),
                    remote: self.address(kind),
                    ..whole.clone()
                };
                if span.timestamp == 0 {
                    span.timestamp = time;
                }
                spans.push(span);
            }
        }
        if spans.is_empty() {
            spans.push(self.local_or_address(whole));
        }
        self.fill(&mut spans);
        spans
    }

    /// A span without annotations of a call: local, or a call of which only the other side's address is known.
    fn local_or_address(&self, whole: Span) -> Span {
        let others = || self.events.iter().chain(self.tags.iter().map(|(_, event)| event));
        let local = others().find_map(|event| event.endpoint.clone());
        let remote = |name: &str| self.addresses.iter().find(|(known, _)| known == name);
        let (kind, remote) = match (remote("sa"), remote("ca")) {
            (Some((_, server)), _) if local.is_some() => (Some(Kind::Client), Some(server.clone())),
            (None, Some((_, client))) if local.is_some() => (Some(Kind::Server), Some(client.clone())),
            _ => (None, None),
        };
        Span { kind, local, remote, ..whole }
    }

    /// Gives each annotation and tag to the span of its endpoint, or to the first.
    fn fill(self, spans: &mut [Span]) {
        let owner = |spans: &[Span], endpoint: Option<&Endpoint>| {
            let service =
                |endpoint: Option<&Endpoint>| endpoint.and_then(|endpoint| endpoint.service.clone());
            let name = service(endpoint);
            name.and_then(|name| {
                spans.iter().position(|span| service(span.local.as_ref()).as_ref() == Some(&name))
            })
            .unwrap_or_default()
        };
        let mut annotations: Vec<Vec<Annotation>> = vec![Vec::new(); spans.len()];
        let mut tags: Vec<BTreeMap<Text, Text>> = vec![BTreeMap::new(); spans.len()];
        for event in self.events {
            if ["cs", "cr", "sr", "ss", "ms", "mr"].contains(&event.value.as_str()) {
                continue;
            }
            let annotation = Annotation { timestamp: event.timestamp, value: event.value.into() };
            if let Some(list) = annotations.get_mut(owner(spans, event.endpoint.as_ref())) {
                list.push(annotation);
            }
        }
        for (key, event) in self.tags {
            // An empty tag of Zipkin's old clients only names the service of a local span.
            if key == "lc" {
                continue;
            }
            if let Some(map) = tags.get_mut(owner(spans, event.endpoint.as_ref())) {
                map.insert(key.into(), event.value.into());
            }
        }
        for ((span, annotations), tags) in spans.iter_mut().zip(annotations).zip(tags) {
            span.annotations = annotations.into();
            span.tags = tags.into_iter().collect();
        }
    }
}

fn annotations(raw: Option<&RawValue>) -> Result<Vec<Event>, FieldError> {
    let read = |(index, raw)| {
        let field = format!("annotations[{index}]");
        let raw: RawAnnotation<'_> = object(&field, "an object", raw)?;
        let missing = |name: &str| FieldError::new(format!("{field}.{name}"), "missing");
        let timestamp = raw.timestamp.ok_or_else(|| missing("timestamp"))?;
        let value = raw.value.ok_or_else(|| missing("value"))?;
        let read = || {
            Ok(Event {
                timestamp: micros("timestamp", Some(timestamp))?,
                value: text("value", value)?,
                endpoint: endpoint("endpoint", raw.endpoint)?,
            })
        };
        read().map_err(|error: FieldError| error.within(&field))
    };
    list("annotations", raw)?.into_iter().enumerate().map(read).collect()
}

fn list<'a>(field: &str, raw: Option<&'a RawValue>) -> Result<Vec<&'a RawValue>, FieldError> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    serde_json::from_str(raw.get()).map_err(|_| FieldError::expected(field, "a list", raw))
}

#[cfg(test)]
mod tests;
