//! The model of a span.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use crate::{SpanId, TraceId};

/// Text that many spans share.
pub type Text = Arc<str>;

/// What a span is in a call or a message; a local span is nothing of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Sent a request.
    Client,
    /// Answered one.
    Server,
    /// Sent a message.
    Producer,
    /// Took one.
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

    /// The kind of this name.
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
    /// Its address.
    pub ipv4: Option<Ipv4Addr>,
    /// Its other address; never one that maps an IPv4 address.
    pub ipv6: Option<Ipv6Addr>,
    /// Zero is none.
    pub port: u16,
}

/// Something that happened during a span.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Annotation {
    /// Microseconds since 1970.
    pub timestamp: u64,
    /// What happened.
    pub value: Text,
}

/// One operation within a trace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Span {
    /// The trace it belongs to.
    pub trace_id: TraceId,
    /// Its own id; a server may share its client's.
    pub id: SpanId,
    /// The span that caused it; never itself.
    pub parent_id: Option<SpanId>,
    /// What it is in a call.
    pub kind: Option<Kind>,
    /// In lower case; never empty.
    pub name: Option<Text>,
    /// Microseconds since 1970; zero is none.
    pub timestamp: u64,
    /// Microseconds; zero is none.
    pub duration: u64,
    /// Who reports it.
    pub local: Option<Endpoint>,
    /// The other side.
    pub remote: Option<Endpoint>,
    /// In the order in which they were sent.
    pub annotations: Box<[Annotation]>,
    /// By key, in order; no key twice.
    pub tags: Box<[(Text, Text)]>,
    /// Kept by the tracer whatever its sampling said.
    pub debug: Option<bool>,
    /// Whether another tracer began it.
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

    /// Every text in it, for those who keep equal texts once.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut Text> {
        let endpoints = [&mut self.local, &mut self.remote].into_iter().flatten();
        let services = endpoints.filter_map(|endpoint| endpoint.service.as_mut());
        let values = self.annotations.iter_mut().map(|annotation| &mut annotation.value);
        let tags = self.tags.iter_mut().flat_map(|(key, value)| [key, value]);
        self.name.iter_mut().chain(services).chain(values).chain(tags)
    }

    /// Takes what `pieces`, which came later of the same span, know and this one does not; of two, the earlier counts.
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
        // All pieces at once: each costs its own tags, and not those of the pieces before it once more.
        let mut tags: BTreeMap<Text, Text> = std::mem::take(&mut self.tags).into_iter().collect();
        for (key, value) in pieces.iter().flat_map(|piece| &piece.tags) {
            if !tags.contains_key(key) {
                tags.insert(key.clone(), value.clone());
            }
        }
        self.tags = tags.into_iter().collect();
    }
}
