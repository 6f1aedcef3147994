//! The model of a span.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use crate::{SpanId, TraceId};

/// Text that many spans share.
pub type Text = Arc<str>;

/// A span's side of a call or a message; a local span has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Sends a request.
    Client,
    /// Answers a request.
    Server,
    /// Sends a message.
    Producer,
    /// Receives a message.
    Consumer,
}

impl Kind {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "CLIENT",
            Self::Server => "SERVER",
            Self::Producer => "PRODUCER",
            Self::Consumer => "CONSUMER",
        }
    }

    /// The kind with this name in JSON.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Client, Self::Server, Self::Producer, Self::Consumer]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// One side of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// In lower case; never empty.
    pub service: Option<Text>,
    /// Its IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// Its IPv6 address; never an IPv4-mapped one.
    pub ipv6: Option<Ipv6Addr>,
    /// Zero means absent.
    pub port: u16,
}

/// Something that happened during a span.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Annotation {
    /// Microseconds since 1970.
    pub timestamp: u64,
    /// The event.
    pub value: Text,
}

/// One operation within a trace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Span {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its own id; a server can share its client's.
    pub id: SpanId,
    /// Its parent span; never itself.
    pub parent_id: Option<SpanId>,
    /// Its side of a call.
    pub kind: Option<Kind>,
    /// In lower case; never empty.
    pub name: Option<Text>,
    /// Microseconds since 1970; zero means absent.
    pub timestamp: u64,
    /// Microseconds; zero means absent.
    pub duration: u64,
    /// The service that reports it.
    pub local: Option<Endpoint>,
    /// The other side.
    pub remote: Option<Endpoint>,
    /// In the order of the report.
    pub annotations: Box<[Annotation]>,
    /// Sorted by key, without duplicates.
    pub tags: Box<[(Text, Text)]>,
    /// Whether the tracer was forced to keep it.
    pub debug: Option<bool>,
    /// Whether another tracer started it.
    pub shared: Option<bool>,
}

impl Span {
    /// The name of the service that reports it.
    pub fn service(&self) -> Option<&Text> {
        self.local.as_ref()?.service.as_ref()
    }

    /// The name of the service at the other side.
    pub fn remote_service(&self) -> Option<&Text> {
        self.remote.as_ref()?.service.as_ref()
    }

    /// The value of a tag.
    pub fn tag(&self, key: &str) -> Option<&Text> {
        let found = self.tags.binary_search_by(|(name, _)| (**name).cmp(key)).ok()?;
        self.tags.get(found).map(|(_, value)| value)
    }

    /// Whether it failed: Zipkin's rule is a tag `error`, whatever its value.
    pub fn is_error(&self) -> bool {
        self.tag("error").is_some()
    }

    /// All its texts, so that a store can share equal ones.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut Text> {
        let endpoints = [&mut self.local, &mut self.remote].into_iter().flatten();
        let services = endpoints.filter_map(|endpoint| endpoint.service.as_mut());
        let values = self.annotations.iter_mut().map(|annotation| &mut annotation.value);
        let tags = self.tags.iter_mut().flat_map(|(key, value)| [key, value]);
        self.name.iter_mut().chain(services).chain(values).chain(tags)
    }

    /// Adds the values of `pieces`, later reports of the same span, that this one lacks; earlier values take
    /// precedence.
    pub(crate) fn absorb(&mut self, pieces: &[&Self]) {
        for piece in pieces {
            self.parent_id = self.parent_id.or(piece.parent_id);
            self.kind = self.kind.or(piece.kind);
            self.duration = self.duration.max(piece.duration);
            if self.timestamp == 0 {
                self.timestamp = piece.timestamp;
            }
            if self.name.is_none() {
                self.name.clone_from(&piece.name);
            }
            if self.remote_service().is_none() {
                self.remote.clone_from(&piece.remote);
            }
        }
        // All pieces at once, so that each costs only its own tags.
        let mut tags: BTreeMap<Text, Text> = std::mem::take(&mut self.tags).into_iter().collect();
        for (key, value) in pieces.iter().flat_map(|piece| &piece.tags) {
            if !tags.contains_key(key) {
                tags.insert(key.clone(), value.clone());
            }
        }
        self.tags = tags.into_iter().collect();
    }
}
