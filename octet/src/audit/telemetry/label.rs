//! What a span is about: the edge of the mesh, and its side.

use octet_zipkin::Kind;

use super::super::graph::Graph;

/// One end of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum End {
    /// Outside the mesh.
    Outside,
    /// The gateway.
    Gateway,
    /// A service of the topology.
    Service(usize),
    /// The store of a service.
    Store(usize),
    /// A queue.
    Queue(usize),
    /// A service whose name the spans do not show.
    Unknown,
}

/// What a span is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Label {
    pub(super) from: End,
    pub(super) to: End,
    pub(super) side: Kind,
}

impl Label {
    pub(super) fn new(from: End, to: End, side: Kind) -> Self {
        Self { from, to, side }
    }
}

/// The name of an end in reports.
pub(super) fn name(graph: &Graph, end: End) -> String {
    match end {
        End::Outside => "client".to_owned(),
        End::Gateway => GATEWAY.to_owned(),
        End::Service(service) => graph.name(service).to_owned(),
        End::Store(service) => {
            let store = graph.node(service).and_then(|node| node.store.as_ref());
            store.map_or_else(|| "store".to_owned(), ToString::to_string)
        }
        End::Queue(queue) => {
            graph.queues().get(queue).map_or_else(|| "queue".to_owned(), |queue| queue.name.to_string())
        }
        End::Unknown => "?".to_owned(),
    }
}

/// The gateway's name in its spans and metrics.
pub(super) const GATEWAY: &str = "gateway";
