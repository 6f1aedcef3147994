//! How the mesh does, edge by edge: calls, errors and durations, which Zipkin's dependency links do not have.
//!
//! A call lasts as long as its caller waited, a message as long as its consumer worked on it; how long it lay in the
//! queue is a figure of its own.

mod percentile;

use std::collections::BTreeMap;

pub use percentile::Percentiles;
use percentile::Samples;
use serde::Serialize;

use crate::{Kind, Span, Text, tree::Place, tree::Tree};

/// By which OpenTelemetry's conventions, older and newer, mark a call to a database.
const DATABASE_TAGS: [&str; 2] = ["db.system", "db.system.name"];

/// Where spans say how they failed: a gRPC code or an HTTP status, by OpenTelemetry's conventions, older and newer.
const CODE_TAGS: [&str; 5] = [
    "rpc.grpc.status_code",
    "rpc.response.status_code",
    "http.response.status_code",
    "http.status_code",
    "error.type",
];

/// Kinds of failure that are told apart on one edge; further ones count as errors alone.
const MOST_CODES: usize = 16;

/// What goes over an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EdgeKind {
    /// Requests from one service to another.
    Rpc,
    /// Messages, by way of a queue.
    Messaging,
    /// A service's requests to its database.
    Database,
}

/// Everything measured so far.
#[derive(Debug, Default)]
pub struct Edges {
    measured: BTreeMap<(Text, Text, EdgeKind), Measured>,
}

#[derive(Debug, Default)]
struct Measured {
    count: u64,
    errors: u64,
    codes: BTreeMap<Text, u64>,
    durations: Samples,
    waits: Samples,
}

/// One edge.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    /// Who calls or publishes.
    pub caller: Box<str>,
    /// Who is called or consumes.
    pub callee: Box<str>,
    /// What goes over it.
    pub kind: EdgeKind,
    /// How much.
    pub count: u64,
    /// How much of it with an error.
    pub errors: u64,
    /// How many failed in which way, where spans say so: a gRPC code as a number, or an HTTP status.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub codes: BTreeMap<Box<str>, u64>,
    /// Of the durations, in milliseconds; null where no span had one.
    #[serde(flatten)]
    pub duration: Percentiles,
    /// Of the time between the end of publishing and the begin of consuming; for messages alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_wait: Option<Percentiles>,
}

/// How the mesh did over a stretch of time: what `/api/mesh` answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mesh {
    /// Whether only the newest traces were looked at.
    pub sample: bool,
    /// How many traces were.
    pub traces: usize,
    /// From when, in milliseconds since 1970.
    pub from: u64,
    /// Until when, likewise.
    pub to: u64,
    /// In the order of their names.
    pub edges: Vec<Edge>,
}

impl Edges {
    /// Measures the calls of one trace.
    pub fn add<'a>(&mut self, spans: impl IntoIterator<Item = &'a Span> + Clone) {
        for place in Tree::new(spans).places() {
            match place.span().kind {
                Some(Kind::Client) => self.add_client(place),
                Some(Kind::Server) => self.add_server(place),
                Some(Kind::Producer) => self.add_producer(place),
                Some(Kind::Consumer) => self.add_consumer(place),
                None => {}
            }
        }
    }

    /// The edges, in the order of their names.
    pub fn list(self) -> Vec<Edge> {
        let edge = |((caller, callee, kind), measured): ((Text, Text, EdgeKind), Measured)| Edge {
            caller: (&*caller).into(),
            callee: (&*callee).into(),
            kind,
            count: measured.count,
            errors: measured.errors,
            codes: measured.codes.iter().map(|(code, count)| ((&**code).into(), *count)).collect(),
            duration: measured.durations.percentiles(),
            queue_wait: (kind == EdgeKind::Messaging).then(|| measured.waits.percentiles()),
        };
        self.measured.into_iter().map(edge).collect()
    }

    fn add_client(&mut self, place: Place<'_, '_>) {
        let span = place.span();
        let server = place.children().find(|child| child.kind == Some(Kind::Server));
        let kind = if server.is_none() && DATABASE_TAGS.iter().any(|tag| span.tag(tag).is_some()) {
            EdgeKind::Database
        } else {
            EdgeKind::Rpc
        };
        let callee = server.and_then(Span::service).or(span.remote_service());
        // The client knows best how the call ended; a server may have answered one that nobody waited for.
        let failed = [Some(span), server].into_iter().flatten().find(|side| side.is_error());
        if let Some(measured) = self.edge(span.service(), callee, kind) {
            measured.add(span, failed);
        }
    }

    /// A server whose client reported nothing is all there is to know of the call.
    fn add_server(&mut self, place: Place<'_, '_>) {
        let span = place.span();
        if place.parent().is_some_and(|parent| parent.kind == Some(Kind::Client)) {
            return;
        }
        let above = place.remote_ancestor().and_then(Span::service);
        let caller = above.or(span.remote_service()).filter(|caller| Some(*caller) != span.service());
        if let Some(measured) = self.edge(caller, span.service(), EdgeKind::Rpc) {
            measured.add(span, span.is_error().then_some(span));
        }
    }

    /// A message that was published counts where it is consumed; one that could not be, here.
    fn add_producer(&mut self, place: Place<'_, '_>) {
        let span = place.span();
        let is_consumed = place.children().any(|child| child.kind == Some(Kind::Consumer));
        if span.is_error()
            && !is_consumed
            && let Some(measured) = self.edge(span.service(), span.remote_service(), EdgeKind::Messaging)
        {
            measured.add(span, Some(span));
        }
    }

    fn add_consumer(&mut self, place: Place<'_, '_>) {
        let span = place.span();
        let producer = place.remote_ancestor().filter(|above| above.kind == Some(Kind::Producer));
        let from = producer.and_then(Span::service).or(span.remote_service());
        let Some(measured) = self.edge(from, span.service(), EdgeKind::Messaging) else { return };
        measured.add(span, span.is_error().then_some(span));
        if let Some(producer) = producer.filter(|producer| producer.timestamp > 0 && span.timestamp > 0) {
            // Clocks of two hosts may differ: no message is consumed before it is published.
            let published = producer.timestamp.saturating_add(producer.duration);
            measured.waits.add(span.timestamp.saturating_sub(published));
        }
    }

    fn edge(
        &mut self,
        caller: Option<&Text>,
        callee: Option<&Text>,
        kind: EdgeKind,
    ) -> Option<&mut Measured> {
        Some(self.measured.entry((caller?.clone(), callee?.clone(), kind)).or_default())
    }
}

impl Measured {
    /// Counts a call, with the side of it that says how it failed.
    fn add(&mut self, span: &Span, failed: Option<&Span>) {
        self.count += 1;
        if let Some(failed) = failed {
            self.errors += 1;
            self.add_code(failed);
        }
        if span.duration > 0 {
            self.durations.add(span.duration);
        }
    }

    fn add_code(&mut self, failed: &Span) {
        let Some(code) = CODE_TAGS.iter().find_map(|tag| failed.tag(tag)) else { return };
        if self.codes.len() < MOST_CODES || self.codes.contains_key(code) {
            *self.codes.entry(code.clone()).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests;
