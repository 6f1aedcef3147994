//! What the spans of one place in the program have in common, encoded once for each exporter.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use opentelemetry::trace::SpanKind;

use super::{
    attribute::{AttributeValue, Attributes, MAX_TEXT, shortened},
    conventions::{Convention, Conventions},
    recorder::Recording,
};

/// The number of shapes that are remembered by their names. Names can come from a caller, such as the path of a call to
/// an unknown method: when there are too many, all are forgotten.
const MAX_REMEMBERED: usize = 32;

/// The name, the kind and the constant attributes of the spans of one place. Keep it: the first span encodes it.
#[derive(Debug)]
pub struct Shape {
    kind: SpanKind,
    name: String,
    attributes: Attributes,
    earlier: Vec<(Convention, Attributes)>,
    encoded: OnceLock<Arc<Encoded>>,
}

/// A shape as the exporters of one process encode it.
#[derive(Debug)]
pub(super) struct Encoded {
    /// The recording whose exporters these are.
    recording: u64,
    /// One for each exporter, in their order.
    pub(super) fragments: Vec<Fragment>,
    pub(super) remote: Remote<String>,
}

/// A shape as one exporter encodes it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Fragment {
    /// What every span of the shape has.
    pub(super) common: Vec<u8>,
    /// The remote endpoint, for spans that do not have their own.
    pub(super) remote: Vec<u8>,
}

/// A shape, for an exporter to encode.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShapeParts<'a> {
    pub(super) kind: &'a SpanKind,
    pub(super) name: &'a str,
    shape: &'a Shape,
    conventions: Conventions,
}

impl ShapeParts<'_> {
    /// The constant attributes.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&'static str, AttributeValue<'_>)> {
        let conventions = self.conventions;
        let earlier = self.shape.earlier.iter();
        let earlier = earlier.filter(move |(convention, _)| conventions.are_duplicated(*convention));
        self.shape.attributes.iter().chain(earlier.flat_map(|(_, attributes)| attributes.iter()))
    }
}

/// The remote endpoint of a span, from which dependency graphs are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Remote<T> {
    pub(super) service: Option<T>,
    pub(super) ip: Option<IpAddr>,
    pub(super) port: Option<u16>,
}

impl<'a> Remote<&'a str> {
    /// Notes an attribute, if it is part of the endpoint; whether it is.
    pub(super) fn note(&mut self, name: &str, value: AttributeValue<'a>) -> bool {
        match (name, value) {
            ("peer.service", AttributeValue::Text(service)) => self.service = Some(service),
            ("server.address" | "network.peer.address", AttributeValue::Text(host)) => {
                self.ip = host.trim_matches(['[', ']']).parse().ok();
            }
            ("server.address" | "network.peer.address", AttributeValue::Address(ip)) => self.ip = Some(ip),
            ("server.port" | "network.peer.port", AttributeValue::Whole(port)) => {
                self.port = u16::try_from(port).ok();
            }
            _ => return false,
        }
        true
    }
}

impl Remote<String> {
    pub(super) fn as_ref(&self) -> Remote<&str> {
        Remote { service: self.service.as_deref(), ip: self.ip, port: self.port }
    }
}

impl Shape {
    /// The shape of spans with this kind and name, which is cut after 1,024 bytes.
    pub fn new(kind: SpanKind, name: impl fmt::Display) -> Self {
        let name = shortened(&name.to_string(), MAX_TEXT);
        Self { kind, name, attributes: Attributes::default(), earlier: Vec::new(), encoded: OnceLock::new() }
    }

    /// Adds an attribute, as [`Span::set`](super::Span::set) does.
    #[must_use]
    pub fn with<'a>(mut self, name: &'static str, value: impl Into<AttributeValue<'a>>) -> Self {
        self.attributes.push(name, value.into());
        self
    }

    /// Adds an attribute, as [`Span::set_earlier`](super::Span::set_earlier) does.
    #[must_use]
    pub fn with_earlier<'a>(
        mut self,
        convention: Convention,
        name: &'static str,
        value: impl Into<AttributeValue<'a>>,
    ) -> Self {
        let mut attributes = Attributes::default();
        attributes.push(name, value.into());
        self.earlier.push((convention, attributes));
        self
    }

    /// The shape for the exporters of a process. A shape belongs to one process, so that there is one form to remember.
    pub(super) fn encoded(&self, recording: &Recording) -> Arc<Encoded> {
        let encoded = self.encoded.get_or_init(|| self.encode(recording));
        // In tests, two processes can be one.
        if encoded.recording == recording.id { encoded.clone() } else { self.encode(recording) }
    }

    fn parts(&self, conventions: Conventions) -> ShapeParts<'_> {
        ShapeParts { kind: &self.kind, name: &self.name, shape: self, conventions }
    }

    /// The shape as an exporter encodes it.
    #[cfg(test)]
    pub(super) fn fragment(
        &self,
        conventions: Conventions,
        encode: impl Fn(&ShapeParts<'_>) -> Fragment,
    ) -> Fragment {
        encode(&self.parts(conventions))
    }

    fn encode(&self, recording: &Recording) -> Arc<Encoded> {
        let parts = self.parts(recording.conventions);
        let mut remote = Remote::default();
        for (name, value) in parts.attributes() {
            remote.note(name, value);
        }
        Arc::new(Encoded {
            recording: recording.id,
            fragments: recording.fragments(&parts),
            remote: Remote {
                service: remote.service.map(ToOwned::to_owned),
                ip: remote.ip,
                port: remote.port,
            },
        })
    }
}

/// Shapes that are found by their names, for places that do not keep their own.
#[derive(Debug)]
pub(super) struct Shapes<K>(RwLock<Vec<(K, Arc<Encoded>)>>);

impl<K> Default for Shapes<K> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K> Shapes<K> {
    /// Returns the shape whose key satisfies `is`. If no shape does, adds the one that `make` returns.
    pub(super) fn get(
        &self,
        recording: &Recording,
        is: impl Fn(&K) -> bool,
        make: impl FnOnce() -> (K, Shape),
    ) -> Arc<Encoded> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, encoded)) = known.iter().find(|(key, _)| is(key)) {
            return encoded.clone();
        }
        drop(known);
        let (key, shape) = make();
        let encoded = shape.encode(recording);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        known.push((key, encoded.clone()));
        encoded
    }
}
