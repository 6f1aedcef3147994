//! Spans as a store keeps them: as the bytes of `zipkin.proto3.Span`, which are read when somebody asks for them.
//!
//! A copy of the bytes costs a tenth of a structure with all texts, and is one allocation or a part of one.

use std::{borrow::Cow, net::IpAddr};

use octet_wire::put;

use crate::{
    Annotation, Endpoint, Kind, Span, SpanId, Text, TraceId,
    outcome::{Reading, TagReader},
    read::{
        Intern,
        field::FieldError,
        lower,
        proto::{self, Item, RawSpan},
    },
};

/// What counting and indexing need to know of a span, and its bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary<'a> {
    /// The span as `zipkin.proto3.Span`.
    pub bytes: &'a [u8],
    /// Its trace.
    pub trace_id: TraceId,
    /// Its id.
    pub id: SpanId,
    /// Its parent; never itself.
    pub parent_id: Option<SpanId>,
    /// Its side of a call or a message.
    pub kind: Option<Kind>,
    /// In lower case; never empty.
    pub name: Option<Cow<'a, str>>,
    /// Microseconds since 1970; zero means absent.
    pub timestamp: u64,
    /// Microseconds; zero means absent.
    pub duration: u64,
    /// The name of the service that reports it, in lower case; never empty.
    pub service: Option<Cow<'a, str>>,
    /// The name of the service at the other side, in lower case; never empty.
    pub remote_service: Option<Cow<'a, str>>,
    /// Whether the tracer was forced to keep it.
    pub is_debug: bool,
    /// Whether another tracer started it.
    pub is_shared: bool,
    /// How its call ended.
    pub reading: Reading<'a>,
    /// The number of its annotations.
    pub annotations: usize,
    /// The number of its texts, keys of tags included, and their bytes.
    pub texts: (usize, usize),
}

impl<'a> Summary<'a> {
    /// Reads a span that [`Span::pack`] wrote, or that was read before; `None` for other bytes.
    pub fn of(bytes: &'a [u8]) -> Option<Self> {
        Self::checked(bytes).ok()
    }

    pub(crate) fn checked(bytes: &'a [u8]) -> Result<Self, FieldError> {
        let mut reader = TagReader::default();
        let (mut annotations, mut count, mut length) = (0, 0, 0);
        let span = proto::parse(bytes, |item| match item {
            Item::Annotation(_, value) => {
                annotations += 1;
                count += 1;
                length += value.len();
            }
            Item::Tag(key, value) => {
                reader.read(key, value);
                count += 2;
                length += key.len() + value.len();
            }
        })?;
        let RawSpan { trace_id, id, parent_id, kind, name, timestamp, duration, local, remote, .. } = span;
        for text in [name, local.service, remote.service] {
            count += usize::from(!text.is_empty());
            length += text.len();
        }
        Ok(Self {
            bytes,
            trace_id,
            id,
            parent_id,
            kind,
            name: lower(Some(name)),
            timestamp,
            duration,
            service: lower(Some(local.service)),
            remote_service: lower(Some(remote.service)),
            is_debug: span.debug == Some(true),
            is_shared: span.shared == Some(true),
            reading: reader.finish(),
            annotations,
            texts: (count, length),
        })
    }
}

/// The annotations' values and the tags of a span that was read before.
pub fn texts<'a>(
    bytes: &'a [u8],
    mut annotation: impl FnMut(&'a str),
    mut tag: impl FnMut(&'a str, &'a str),
) {
    let text = |text| std::str::from_utf8(text).unwrap_or_default();
    let _ = proto::parse(bytes, |item| match item {
        Item::Annotation(_, value) => annotation(text(value)),
        Item::Tag(key, value) => tag(text(key), text(value)),
    });
}

impl Span {
    /// Reads a span that [`pack`](Self::pack) wrote, or that was read before; `None` for other bytes.
    pub fn unpack(bytes: &[u8], texts: &mut impl Intern) -> Option<Self> {
        proto::read(bytes, texts).ok()
    }

    /// Appends the span as `zipkin.proto3.Span`.
    pub fn pack(&self, out: &mut Vec<u8>) {
        let Self { trace_id, id, parent_id, kind, name, timestamp, duration, local, remote, .. } = self;
        let Self { annotations, tags, debug, shared, .. } = self;
        Packing { out }
            .ids(*trace_id, *id, *parent_id)
            .kind(*kind)
            .label(name.as_deref())
            .times(*timestamp, *duration)
            .endpoint(8, local.as_ref())
            .endpoint(9, remote.as_ref())
            .annotations(annotations.iter().map(|Annotation { timestamp, value }| (*timestamp, &**value)))
            .tags(tags.iter().map(|(key, value): &(Text, Text)| (&**key, &**value)))
            .flags(*debug, *shared);
    }
}

/// Writes the parts of a span.
pub(crate) struct Packing<'o> {
    pub(crate) out: &'o mut Vec<u8>,
}

impl Packing<'_> {
    pub(crate) fn ids(self, trace: TraceId, id: SpanId, parent: Option<SpanId>) -> Self {
        if trace.is_short() {
            put::bytes(self.out, 1, &trace.low().to_be_bytes());
        } else {
            put::bytes(self.out, 1, &trace.number().to_be_bytes());
        }
        if let Some(parent) = parent {
            put::bytes(self.out, 2, &parent.number().to_be_bytes());
        }
        put::bytes(self.out, 3, &id.number().to_be_bytes());
        self
    }

    pub(crate) fn kind(self, kind: Option<Kind>) -> Self {
        let number = match kind {
            None => return self,
            Some(Kind::Client) => 1,
            Some(Kind::Server) => 2,
            Some(Kind::Producer) => 3,
            Some(Kind::Consumer) => 4,
        };
        put::varint_field(self.out, 4, number);
        self
    }

    pub(crate) fn label(self, name: Option<&str>) -> Self {
        if let Some(name) = name {
            put::bytes(self.out, 5, name.as_bytes());
        }
        self
    }

    pub(crate) fn times(self, timestamp: u64, duration: u64) -> Self {
        put::fixed64(self.out, 6, timestamp);
        put::varint_field(self.out, 7, duration);
        self
    }

    pub(crate) fn endpoint(self, field: u32, endpoint: Option<&Endpoint>) -> Self {
        let Some(Endpoint { service, ipv4, ipv6, port }) = endpoint else { return self };
        let addresses = [ipv4.map(IpAddr::V4), ipv6.map(IpAddr::V6)];
        self.end(field, service.as_deref(), addresses, *port)
    }

    pub(crate) fn end(
        self,
        field: u32,
        service: Option<&str>,
        addresses: [Option<IpAddr>; 2],
        port: u16,
    ) -> Self {
        put::message::<1>(self.out, field, |out| {
            if let Some(service) = service {
                put::bytes(out, 1, service.as_bytes());
            }
            for address in addresses.into_iter().flatten() {
                match address {
                    IpAddr::V4(address) => put::bytes(out, 2, &address.octets()),
                    IpAddr::V6(address) => put::bytes(out, 3, &address.octets()),
                }
            }
            if port > 0 {
                put::varint_field(out, 4, port.into());
            }
        });
        self
    }

    pub(crate) fn annotations<'a>(self, annotations: impl Iterator<Item = (u64, &'a str)>) -> Self {
        for (timestamp, value) in annotations {
            put::message::<1>(self.out, 10, |out| {
                put::fixed64(out, 1, timestamp);
                put::bytes(out, 2, value.as_bytes());
            });
        }
        self
    }

    pub(crate) fn tags<'a>(self, tags: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        for (key, value) in tags {
            put::message::<1>(self.out, 11, |out| {
                put::bytes(out, 1, key.as_bytes());
                put::bytes(out, 2, value.as_bytes());
            });
        }
        self
    }

    pub(crate) fn flags(self, debug: Option<bool>, shared: Option<bool>) {
        for (field, flag) in [(12, debug), (13, shared)] {
            if let Some(flag) = flag {
                put::varint_field(self.out, field, flag.into());
            }
        }
    }
}

#[cfg(test)]
mod tests;
