//! Parses the common case in one pass and without an allocation: a span whose members all have their plainest form.
//!
//! A span that is refused here can still be well-formed, such as one with a number written 1.5e3. [`span`](super::span)
//! decides that, and reports errors; a test checks that both return the same spans.

use std::{
    borrow::Cow,
    fmt,
    marker::PhantomData,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::Deref,
};

use super::{
    Intern,
    form::Form,
    span::{MAX_SERVICE_NAME, is_no_parent},
};
use crate::{
    Annotation, Endpoint, Kind, Span, SpanId, Text, TraceId,
    outcome::TagReader,
    packed::{Packing, Summary},
};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
};

/// A text of the report, borrowed, or a copy where it contains escapes.
///
/// A type of its own because serde borrows a `Cow` only as a field, not within an `Option` or a map.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(transparent)]
struct Str<'a>(#[serde(borrow)] Cow<'a, str>);

impl Deref for Str<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A span that borrows its texts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlainSpan<'a> {
    #[serde(borrow)]
    trace_id: Str<'a>,
    #[serde(borrow)]
    id: Str<'a>,
    #[serde(borrow)]
    parent_id: Option<Str<'a>>,
    #[serde(borrow)]
    kind: Option<Str<'a>>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    timestamp: Option<Micros>,
    duration: Option<Micros>,
    #[serde(borrow)]
    local_endpoint: Option<Object<PlainEndpoint<'a>>>,
    #[serde(borrow)]
    remote_endpoint: Option<Object<PlainEndpoint<'a>>>,
    #[serde(borrow)]
    annotations: Option<Vec<Object<PlainAnnotation<'a>>>>,
    #[serde(borrow)]
    tags: Option<Tags<'a>>,
    debug: Option<bool>,
    shared: Option<bool>,
    /// Only in Zipkin's v1 format, which the other parser refuses.
    binary_annotations: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlainEndpoint<'a> {
    #[serde(borrow)]
    service_name: Option<Str<'a>>,
    #[serde(borrow)]
    ipv4: Option<Str<'a>>,
    #[serde(borrow)]
    ipv6: Option<Str<'a>>,
    port: Option<u16>,
}

#[derive(Deserialize)]
struct PlainAnnotation<'a> {
    timestamp: Micros,
    #[serde(borrow)]
    value: Str<'a>,
    /// Only in Zipkin's v1 format, which the other parser refuses.
    endpoint: Option<IgnoredAny>,
}

/// The parsed ids and addresses of a span.
pub(super) struct Checked {
    trace_id: TraceId,
    id: SpanId,
    parent_id: Option<SpanId>,
    kind: Option<Kind>,
    local: Option<Addresses>,
    remote: Option<Addresses>,
}

#[derive(Default, PartialEq)]
struct Addresses {
    ipv4: Option<Ipv4Addr>,
    ipv6: Option<Ipv6Addr>,
}

/// Parses the span at the start of `text`, and makes its form once nothing can fail any more. Returns its length, too.
pub(super) fn read<'a, F: Form>(text: &'a str, form: &mut F) -> Option<(F::Span<'a>, usize)> {
    let mut spans = serde_json::Deserializer::from_str(text).into_iter::<Object<PlainSpan<'_>>>();
    let Object(span) = spans.next()?.ok()?;
    let checked = span.check()?;
    Some((form.of_plain(span, checked), spans.byte_offset()))
}

impl PlainSpan<'_> {
    fn check(&self) -> Option<Checked> {
        let mut annotations = self.annotations.iter().flatten();
        if self.binary_annotations.is_some()
            || annotations.any(|Object(annotation)| annotation.endpoint.is_some())
        {
            return None;
        }
        let id = SpanId::parse(&self.id)?;
        let parent_id = match self.parent_id.as_deref() {
            None => None,
            Some(parent) if is_no_parent(parent) => None,
            Some(parent) => Some(SpanId::parse(parent)?).filter(|parent| *parent != id),
        };
        let kind = match self.kind.as_deref() {
            None => None,
            Some(kind) => Some(Kind::named(kind)?),
        };
        let addresses = |endpoint: &Option<Object<PlainEndpoint<'_>>>| match endpoint {
            None => Some(None),
            Some(Object(endpoint)) => endpoint.addresses().map(Some),
        };
        Some(Checked {
            trace_id: TraceId::parse(&self.trace_id)?,
            id,
            parent_id,
            kind,
            local: addresses(&self.local_endpoint)?,
            remote: addresses(&self.remote_endpoint)?,
        })
    }

    pub(super) fn into_span(self, checked: Checked, texts: &mut impl Intern) -> Span {
        let Checked { trace_id, id, parent_id, kind, local, remote } = checked;
        let annotations = self.annotations.unwrap_or_default();
        let annotations = boxed(annotations.iter().map(|Object(annotation)| Annotation {
            timestamp: annotation.timestamp.0,
            value: texts.intern(&annotation.value),
        }));
        let Tags(tags) = self.tags.unwrap_or_default();
        let tags = boxed(tags.iter().map(|(key, value)| (texts.intern(key), texts.intern(value))));
        Span {
            trace_id,
            id,
            parent_id,
            kind,
            name: label(self.name.as_deref(), texts),
            timestamp: self.timestamp.unwrap_or_default().0,
            duration: self.duration.unwrap_or_default().0,
            local: endpoint(self.local_endpoint, local, texts),
            remote: endpoint(self.remote_endpoint, remote, texts),
            annotations,
            tags,
            debug: self.debug,
            shared: self.shared.filter(|shared| !(*shared && kind == Some(Kind::Client))),
        }
    }
}

impl<'a> PlainSpan<'a> {
    /// Appends the span as [`Span::pack`] does. Returns its summary without the bytes, unless a text of it is a copy.
    pub(super) fn pack(self, checked: Checked, out: &mut Vec<u8>) -> Option<Summary<'a>> {
        let Checked { trace_id, id, parent_id, kind, local, remote } = checked;
        let (timestamp, duration) =
            (self.timestamp.unwrap_or_default().0, self.duration.unwrap_or_default().0);
        let shared = self.shared.filter(|shared| !(*shared && kind == Some(Kind::Client)));
        let annotations = self.annotations.unwrap_or_default();
        let Tags(tags) = self.tags.unwrap_or_default();
        let name = lower_of(self.name);
        let (service, local_port) = parts(self.local_endpoint);
        let (remote_service, remote_port) = parts(self.remote_endpoint);
        let addresses =
            |addresses: Addresses| [addresses.ipv4.map(IpAddr::V4), addresses.ipv6.map(IpAddr::V6)];
        let mut packing = Packing { out }
            .ids(trace_id, id, parent_id)
            .kind(kind)
            .label(name.as_deref())
            .times(timestamp, duration);
        if let Some(local) = local {
            packing = packing.end(8, service.as_deref(), addresses(local), local_port);
        }
        if let Some(remote) = remote {
            packing = packing.end(9, remote_service.as_deref(), addresses(remote), remote_port);
        }
        packing
            .annotations(
                annotations.iter().map(|Object(annotation)| (annotation.timestamp.0, &*annotation.value)),
            )
            .tags(tags.iter().map(|(key, value)| (&**key, &**value)))
            .flags(self.debug, shared);

        let mut reader = TagReader::default();
        let (mut count, mut length) = (annotations.len() + 2 * tags.len(), 0);
        length += annotations.iter().map(|Object(annotation)| annotation.value.len()).sum::<usize>();
        for (key, Str(value)) in tags {
            let Cow::Borrowed(value) = value else { return None };
            reader.read(key.as_bytes(), value.as_bytes());
            length += key.len() + value.len();
        }
        for text in [&name, &service, &remote_service].into_iter().flatten() {
            count += 1;
            length += text.len();
        }
        Some(Summary {
            bytes: &[],
            trace_id,
            id,
            parent_id,
            kind,
            name,
            timestamp,
            duration,
            service,
            remote_service,
            is_debug: self.debug == Some(true),
            is_shared: shared == Some(true),
            reading: reader.finish(),
            annotations: annotations.len(),
            texts: (count, length),
        })
    }
}

/// The service's name in lower case, and the port.
fn parts(endpoint: Option<Object<PlainEndpoint<'_>>>) -> (Option<Cow<'_, str>>, u16) {
    endpoint.map_or((None, 0), |Object(endpoint)| {
        (lower_of(endpoint.service_name), endpoint.port.unwrap_or_default())
    })
}

/// As [`lower`], without a copy where that is the text itself.
fn lower_of(text: Option<Str<'_>>) -> Option<Cow<'_, str>> {
    match text?.0 {
        Cow::Borrowed(text) => lower(Some(text)),
        Cow::Owned(text) => lower(Some(&text)).map(|text| text.into_owned().into()),
    }
}

impl PlainEndpoint<'_> {
    /// `None` when one of them is not an address, or the service's name could be too long in lower case.
    fn addresses(&self) -> Option<Addresses> {
        if self.service_name.as_deref().is_some_and(|name| name.len() > MAX_SERVICE_NAME / 2) {
            return None;
        }
        let mut addresses = Addresses::default();
        for text in [&self.ipv4, &self.ipv6].into_iter().flatten().filter(|text| !text.is_empty()) {
            let address: IpAddr = text.parse().ok()?;
            match address.to_canonical() {
                IpAddr::V4(address) => addresses.ipv4 = Some(address),
                IpAddr::V6(address) => addresses.ipv6 = Some(address),
            }
        }
        Some(addresses)
    }
}

/// Collects into an allocation of the exact size. `collect` would reuse and then shrink the larger one of the source, and
/// leave a hole behind each span that nothing else fits into.
fn boxed<T>(items: impl ExactSizeIterator<Item = T>) -> Box<[T]> {
    let mut list = Vec::with_capacity(items.len());
    list.extend(items);
    list.into_boxed_slice()
}

fn endpoint(
    plain: Option<Object<PlainEndpoint<'_>>>,
    addresses: Option<Addresses>,
    texts: &mut impl Intern,
) -> Option<Endpoint> {
    let (Object(plain), Addresses { ipv4, ipv6 }) = (plain?, addresses?);
    let service = label(plain.service_name.as_deref(), texts);
    let endpoint = Endpoint { service, ipv4, ipv6, port: plain.port.unwrap_or_default() };
    (endpoint != Endpoint::default()).then_some(endpoint)
}

fn label(text: Option<&str>, texts: &mut impl Intern) -> Option<Text> {
    lower(text).map(|text| texts.intern(&text))
}

/// In lower case; `None` for an empty one.
pub(crate) fn lower(text: Option<&str>) -> Option<Cow<'_, str>> {
    let text = text.filter(|text| !text.is_empty())?;
    let is_lower = text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    Some(if is_lower { text.into() } else { text.to_lowercase().into() })
}

/// Microseconds that fit into a signed number of 64 bits.
#[derive(Clone, Copy, Default)]
struct Micros(u64);

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let micros = u64::deserialize(deserializer)?;
        i64::try_from(micros).map(|_| Self(micros)).map_err(D::Error::custom)
    }
}

/// Accepts only an object: serde would also accept a list of the members.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }
        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// Sorted by key; of a duplicate key, the last.
#[derive(Default)]
struct Tags<'a>(Vec<(Str<'a>, Str<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Tags<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<'a>(PhantomData<&'a str>);
        impl<'de: 'a, 'a> Visitor<'de> for Pairs<'a> {
            type Value = Tags<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let mut tags: Vec<(Str<'a>, Str<'a>)> = Vec::with_capacity(USUAL_TAGS);
                while let Some(tag) = members.next_entry()? {
                    tags.push(tag);
                }
                // Stable, so that the last of equal keys stays last.
                tags.sort_by(|(one, _), (other, _)| one.cmp(other));
                tags.reverse();
                tags.dedup_by(|(one, _), (other, _)| one == other);
                tags.reverse();
                Ok(Tags(tags))
            }
        }
        deserializer.deserialize_map(Pairs(PhantomData))
    }
}

/// The initial capacity, which most spans' tags fit into.
const USUAL_TAGS: usize = 16;
