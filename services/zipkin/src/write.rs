//! Serializes spans to JSON, with the members in Zipkin's order and without absent ones.

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{Annotation, Endpoint, Kind, Span, Text};

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("traceId", &self.trace_id)?;
        optional(&mut map, "parentId", self.parent_id.as_ref())?;
        map.serialize_entry("id", &self.id)?;
        optional(&mut map, "kind", self.kind.map(Kind::name).as_ref())?;
        optional(&mut map, "name", self.name.as_deref().as_ref())?;
        number(&mut map, "timestamp", self.timestamp)?;
        number(&mut map, "duration", self.duration)?;
        optional(&mut map, "localEndpoint", self.local.as_ref())?;
        optional(&mut map, "remoteEndpoint", self.remote.as_ref())?;
        if !self.annotations.is_empty() {
            map.serialize_entry("annotations", &self.annotations)?;
        }
        if !self.tags.is_empty() {
            map.serialize_entry("tags", &Tags(&self.tags))?;
        }
        optional(&mut map, "debug", self.debug.as_ref())?;
        optional(&mut map, "shared", self.shared.as_ref())?;
        map.end()
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        optional(&mut map, "serviceName", self.service.as_deref().as_ref())?;
        optional(&mut map, "ipv4", self.ipv4.as_ref())?;
        optional(&mut map, "ipv6", self.ipv6.as_ref())?;
        number(&mut map, "port", u64::from(self.port))?;
        map.end()
    }
}

impl Serialize for Annotation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("timestamp", &self.timestamp)?;
        map.serialize_entry("value", &*self.value)?;
        map.end()
    }
}

struct Tags<'a>(&'a [(Text, Text)]);

impl Serialize for Tags<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (&**key, &**value)))
    }
}

fn optional<M: SerializeMap>(
    map: &mut M,
    name: &'static str,
    value: Option<&impl Serialize>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, value))
}

fn number<M: SerializeMap>(map: &mut M, name: &'static str, value: u64) -> Result<(), M::Error> {
    if value == 0 { Ok(()) } else { map.serialize_entry(name, &value) }
}
