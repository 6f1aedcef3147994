//! The topology as a drawing, in the languages of Graphviz and Mermaid.

use std::{collections::BTreeSet, fmt::Write as _};

use crate::model::Topology;

/// What a drawing shows: the gateway, services, queues and stores.
struct Node {
    /// Letters, digits and `_`: valid in both languages.
    id: String,
    label: String,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Gateway,
    Service,
    Queue,
    Store,
}

struct Edge {
    from: String,
    to: String,
    /// A message and not a call.
    is_message: bool,
}

impl Topology {
    /// The graph in Graphviz's language: `octet topology show --format dot | dot -Tsvg`.
    pub fn to_dot(&self) -> String {
        let (nodes, edges) = drawing(self);
        let mut text = "digraph octet {\n  rankdir = LR\n  node [fontname = \"sans-serif\"]\n".to_owned();
        for Node { id, label, kind } in nodes {
            let shape = match kind {
                Kind::Gateway => "hexagon",
                Kind::Service => "box",
                Kind::Queue => "cds",
                Kind::Store => "cylinder",
            };
            // Writing to a String cannot fail. Names need no escape: they have neither quotes nor backslashes.
            let _ = writeln!(text, "  {id} [label = \"{label}\", shape = {shape}]");
        }
        for Edge { from, to, is_message } in edges {
            let style = if is_message { " [style = dashed]" } else { "" };
            let _ = writeln!(text, "  {from} -> {to}{style}");
        }
        text.push_str("}\n");
        text
    }

    /// The graph in Mermaid's language, which Markdown on GitHub and GitLab draws in a block of the kind `mermaid`.
    pub fn to_mermaid(&self) -> String {
        let (nodes, edges) = drawing(self);
        let mut text = "flowchart LR\n".to_owned();
        for Node { id, label, kind } in nodes {
            let _ = match kind {
                Kind::Gateway => writeln!(text, "  {id}{{{{\"{label}\"}}}}"),
                Kind::Service => writeln!(text, "  {id}[\"{label}\"]"),
                Kind::Queue => writeln!(text, "  {id}>\"{label}\"]"),
                Kind::Store => writeln!(text, "  {id}[(\"{label}\")]"),
            };
        }
        for Edge { from, to, is_message } in edges {
            let arrow = if is_message { "-.->" } else { "-->" };
            let _ = writeln!(text, "  {from} {arrow} {to}");
        }
        text
    }
}

fn drawing(topology: &Topology) -> (Vec<Node>, Vec<Edge>) {
    // An index and not a name: a name may contain `-`, or be a word of the language, such as `end`.
    let service_id = |name: &str| {
        let index = topology.services().iter().position(|service| service.name.as_str() == name);
        format!("service_{}", index.map_or(0, |index| index + 1))
    };
    let queues: BTreeSet<_> = topology
        .services()
        .iter()
        .flat_map(|service| service.publishes.iter().chain(&service.consumes))
        .collect();
    let queue_id =
        |name| format!("queue_{}", queues.iter().position(|queue| *queue == name).unwrap_or(0) + 1);

    let gateway = Node { id: "gateway".to_owned(), label: "gateway".to_owned(), kind: Kind::Gateway };
    let mut nodes = vec![gateway];
    let mut edges = vec![Edge {
        from: "gateway".to_owned(),
        to: service_id(topology.entry().name.as_str()),
        is_message: false,
    }];
    for service in topology.services() {
        let id = service_id(service.name.as_str());
        nodes.push(Node { id: id.clone(), label: service.name.to_string(), kind: Kind::Service });
        for upstream in &service.calls {
            edges.push(Edge { from: id.clone(), to: service_id(upstream.as_str()), is_message: false });
        }
        if let Some(queue) = &service.publishes {
            edges.push(Edge { from: id.clone(), to: queue_id(queue), is_message: true });
        }
        if let Some(queue) = &service.consumes {
            edges.push(Edge { from: queue_id(queue), to: id.clone(), is_message: true });
        }
        if let Some(store) = &service.store {
            let store_id = format!("store_of_{id}");
            edges.push(Edge { from: id, to: store_id.clone(), is_message: false });
            nodes.push(Node { id: store_id, label: store.to_string(), kind: Kind::Store });
        }
    }
    nodes.extend(queues.iter().map(|queue| Node {
        id: queue_id(queue),
        label: queue.to_string(),
        kind: Kind::Queue,
    }));
    (nodes, edges)
}
