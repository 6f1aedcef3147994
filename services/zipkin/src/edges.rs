//! Calls, errors and durations of each edge of the mesh; Zipkin's dependency links have no durations.
//!
//! The duration of a call is its client's, that of a message its consumer's. The time in the queue is reported
//! separately.

mod percentile;

use std::collections::BTreeMap;

pub use percentile::Percentiles;
use percentile::Samples;
use serde::Serialize;

use crate::{Kind, Span, Text, tree::Place, tree::Tree};

/// The tags of a call to a database in OpenTelemetry's older and newer conventions.
const DATABASE_TAGS: [&str; 2] = ["db.system", "db.system.name"];

/// The tags with the code of a failure in OpenTelemetry's older and newer conventions: a gRPC code or an HTTP status.
const CODE_TAGS: [&str; 5] = [
    "rpc.grpc.status_code",
    "rpc.response.status_code",
    "http.response.status_code",
    "http.status_code",
    "error.type",
];

/// The maximum number of distinct codes of one edge; failures with further codes count only as errors.
const MAX_CODES: usize = 16;

/// The kind of an edge's traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EdgeKind {
    /// Requests from one service to another.
    Rpc,
    /// Messages, through a queue.
    Messaging,
    /// A service's requests to its database.
    Database,
}

/// The measurements so far.
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
    /// The service that calls or publishes.
    pub caller: Box<str>,
    /// The service that is called or consumes.
    pub callee: Box<str>,
    /// The kind of its traffic.
    pub kind: EdgeKind,
    /// The number of calls or messages.
    pub count: u64,
    /// The number of those with an error.
    pub errors: u64,
    /// The number of errors by code, where spans report one: a gRPC code as a number, or an HTTP status.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub codes: BTreeMap<Box<str>, u64>,
    /// The durations in milliseconds; null where no span has one.
    #[serde(flatten)]
    pub duration: Percentiles,
    /// The time from the end of publishing to the start of consuming; for messages alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_wait: Option<Percentiles>,
}

/// The edges of the mesh over a period: the answer of `/api/mesh`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mesh {
    /// Whether only the newest traces were measured.
    pub sample: bool,
    /// The number of measured traces.
    pub traces: usize,
    /// Start of the period, in milliseconds since 1970.
    pub from: u64,
    /// End of the period, in milliseconds since 1970.
    pub to: u64,
    /// Ordered by their names.
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

    /// The number of edges.
    pub fn len(&self) -> usize {
        self.measured.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.measured.is_empty()
    }

    /// The edges, ordered by their names.
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
        // The client's error takes precedence: it can have given up on a call that the server answered.
        let failed = [Some(span), server].into_iter().flatten().find(|side| side.is_error());
        if let Some(measured) = self.edge(span.service(), callee, kind) {
            measured.add(span, failed);
        }
    }

    /// Counts a server's span only where its client reported none.
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

    /// Counts a message that could not be published; others count where they are consumed.
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
            // Zero where the consumer's clock is behind the publisher's.
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
    /// Counts a call; `failed` is the span with its error.
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
        if self.codes.len() < MAX_CODES || self.codes.contains_key(code) {
            *self.codes.entry(code.clone()).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests;
