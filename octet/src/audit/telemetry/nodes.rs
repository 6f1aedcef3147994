//! The spans of one trace that Octet's processes made, each with its label and the span above it.

use std::collections::HashMap;

use octet_zipkin::{
    Kind, Span, SpanId,
    outcome::Outcome,
    tree::{Place, Tree},
};

use super::{
    super::graph::Graph,
    label::{End, GATEWAY, Label},
};

/// One span.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: SpanId,
    pub(super) parent_id: Option<SpanId>,
    /// The process that made it.
    pub(super) owner: End,
    pub(super) label: Label,
    pub(super) above: Above,
    /// Whether it surely succeeded.
    pub(super) is_ok: bool,
    /// How often it was tried again.
    pub(super) retries: u64,
}

/// The nearest span above, without those of proxies and local ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Above {
    /// It has no parent.
    Nothing,
    /// The index of the node.
    Node(usize),
    /// Its parent has this id, and is not in the trace.
    Missing(SpanId),
    /// What is missing can be the span of a proxy.
    Proxy,
}

/// The spans of a trace.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    pub(super) all: Vec<Node>,
    /// Spans that are not judged: those of proxies, of services that are not in the topology, and local ones.
    pub(super) others: u64,
}

impl Nodes {
    pub(super) fn of(graph: &Graph, spans: &[Span]) -> Self {
        let tree = Tree::new(spans);
        let places: Vec<_> = tree.places().collect();
        let has_proxies = places.iter().any(|place| is_proxy(place.span()));
        let labels: Vec<_> = places.iter().map(|place| label(graph, place.span())).collect();
        let mut indexes = HashMap::new();
        for (place, _) in places.iter().zip(&labels).filter(|(_, label)| label.is_some()) {
            indexes.insert(place.index(), indexes.len());
        }
        let mut all = Vec::with_capacity(indexes.len());
        for (place, label) in places.iter().zip(&labels) {
            let Some((owner, label)) = *label else { continue };
            let span = place.span();
            let above = match above(*place, &indexes, places.len()) {
                // A client's parent is in its own process, and a server's can be a sidecar.
                Above::Missing(_) if has_proxies && span.kind == Some(Kind::Server) => Above::Proxy,
                above => above,
            };
            all.push(Node {
                id: span.id,
                parent_id: span.parent_id,
                owner,
                label,
                above,
                is_ok: is_ok(span),
                retries: retries(span),
            });
        }
        let mut nodes = Self { others: count(places.len() - all.len()), all };
        nodes.name_callers();
        nodes
    }

    /// The caller of a server is the service of the client above it, whatever else the server's span says.
    fn name_callers(&mut self) {
        let callers: Vec<_> = self
            .all
            .iter()
            .map(|node| match node.above {
                Above::Node(above) if node.label.side == Kind::Server => {
                    let above = self.all.get(above)?;
                    (above.label.side == Kind::Client && above.label.to == node.label.to)
                        .then_some(above.owner)
                }
                _ => None,
            })
            .collect();
        for (node, caller) in self.all.iter_mut().zip(callers) {
            node.label.from = caller.unwrap_or(node.label.from);
        }
    }
}

/// The nearest labelled span above; `None` in a cycle.
fn above(place: Place<'_, '_>, indexes: &HashMap<usize, usize>, most: usize) -> Above {
    let mut current = place;
    for _ in 0..most {
        let Some(parent) = current.parent_place() else {
            return match current.span().parent_id {
                Some(_) if is_proxy(current.span()) => Above::Proxy,
                Some(id) => Above::Missing(id),
                None => Above::Nothing,
            };
        };
        if let Some(index) = indexes.get(&parent.index()) {
            return Above::Node(*index);
        }
        current = parent;
    }
    Above::Nothing
}

/// The process that made a span, and what it is about; `None` for what is not judged.
pub(super) fn label(graph: &Graph, span: &Span) -> Option<(End, Label)> {
    if is_proxy(span) {
        return None;
    }
    let service = span.service()?;
    if &**service == GATEWAY {
        let label = match span.kind? {
            Kind::Server => Label::new(End::Outside, End::Gateway, Kind::Server),
            Kind::Client => {
                Label::new(End::Gateway, service_named(graph, span.remote_service()?)?, Kind::Client)
            }
            Kind::Producer | Kind::Consumer => return None,
        };
        return Some((End::Gateway, label));
    }
    let index = graph.service(service)?;
    let owner = End::Service(index);
    let node = graph.node(index)?;
    let label = match span.kind? {
        Kind::Client if span.reading().is_database => {
            Label::new(owner, node.store.as_ref().map(|_| End::Store(index))?, Kind::Client)
        }
        Kind::Client => Label::new(owner, service_named(graph, span.remote_service()?)?, Kind::Client),
        Kind::Server => {
            let named = span.remote_service().and_then(|name| caller_named(graph, name));
            let from = named.or_else(|| only_caller(graph, index)).unwrap_or(End::Unknown);
            Label::new(from, owner, Kind::Server)
        }
        Kind::Producer => Label::new(owner, End::Queue(node.publishes?), Kind::Producer),
        Kind::Consumer => {
            let consumed =
                |(_, queue): &(usize, &super::super::graph::Queue)| queue.consumers.contains(&index);
            let (queue, _) = graph.queues().iter().enumerate().find(consumed)?;
            Label::new(End::Queue(queue), owner, Kind::Consumer)
        }
    };
    Some((owner, label))
}

fn service_named(graph: &Graph, name: &str) -> Option<End> {
    graph.service(name).map(End::Service)
}

fn caller_named(graph: &Graph, name: &str) -> Option<End> {
    if name == GATEWAY { Some(End::Gateway) } else { service_named(graph, name) }
}

/// The only service that calls `callee`, if there is one.
fn only_caller(graph: &Graph, callee: usize) -> Option<End> {
    let calls = |node: &super::super::graph::Node| node.calls.iter().any(|call| call.callee == callee);
    let mut callers = graph.nodes().iter().enumerate().filter(|(_, node)| calls(node));
    match (callers.next(), callers.next()) {
        (Some((caller, _)), None) => Some(End::Service(caller)),
        _ => None,
    }
}

/// Envoy's mark. A sidecar reports for its application and can use its name.
fn is_proxy(span: &Span) -> bool {
    span.tag("component").is_some_and(|component| &**component == "proxy")
}

/// A server sets no error for what the caller did wrong, so that its code counts, too.
fn is_ok(span: &Span) -> bool {
    let code = span.tag("rpc.response.status_code").or_else(|| span.tag("rpc.grpc.status_code"));
    span.reading().outcome == Outcome::Ok && code.is_none_or(|code| matches!(&**code, "OK" | "0"))
}

/// The attempts beside the first that the span of a call names.
fn retries(span: &Span) -> u64 {
    count(span.annotations.iter().filter(|annotation| annotation.value.contains("; retrying")).count())
}

pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
