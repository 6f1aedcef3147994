//! The topology as a drawing, in the languages of Graphviz and Mermaid.

use std::{collections::BTreeSet, fmt::Write as _};

use octet_fault::{Address, GATEWAY};

use crate::{model::Topology, table::behaviour};

/// What a drawing shows: the gateway, services, queues and stores.
struct Node {
    /// Letters, digits and `_`: valid in both languages.
    id: String,
    /// The name, and for a service what else it says, one a line.
    label: Vec<String>,
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
    /// The call's settings and faults, one a line; empty for most.
    label: Vec<String>,
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
            // Writing to a String cannot fail.
            let label = escape_dot(&label);
            let _ = writeln!(text, "  {id} [label = \"{label}\", shape = {shape}]");
        }
        for Edge { from, to, is_message, label } in edges {
            let style = match (is_message, label.is_empty()) {
                (true, true) => " [style = dashed]".to_owned(),
                (true, false) => format!(" [style = dashed, label = \"{}\"]", escape_dot(&label)),
                (false, true) => String::new(),
                (false, false) => format!(" [label = \"{}\"]", escape_dot(&label)),
            };
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
            let label = escape_mermaid(&label);
            let _ = match kind {
                Kind::Gateway => writeln!(text, "  {id}{{{{\"{label}\"}}}}"),
                Kind::Service => writeln!(text, "  {id}[\"{label}\"]"),
                Kind::Queue => writeln!(text, "  {id}>\"{label}\"]"),
                Kind::Store => writeln!(text, "  {id}[(\"{label}\")]"),
            };
        }
        for Edge { from, to, is_message, label } in edges {
            let arrow = if is_message { "-.->" } else { "-->" };
            let label = escape_mermaid(&label);
            let label = if label.is_empty() { label } else { format!("|\"{label}\"|") };
            let _ = writeln!(text, "  {from} {arrow}{label} {to}");
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

    let faults = |is_here: &dyn Fn(&Address) -> bool| {
        let here = topology.faults().iter().filter(|fault| is_here(fault.at()));
        here.map(|fault| {
            let (effect, share) = (fault.effect(), fault.share());
            let share = if share.is_whole() { String::new() } else { format!(" {share}") };
            format!("fault: {} {}{share}", effect.key(), effect.value())
        })
        .collect::<Vec<_>>()
    };
    let call = |from: &str, to: &str| {
        let summary = topology.edge(from, to).summary();
        let mut label: Vec<_> = Some(summary).filter(|summary| !summary.is_empty()).into_iter().collect();
        label.extend(faults(
            &|at| matches!(at, Address::Call { caller, callee } if caller.is(from) && callee.is(to)),
        ));
        label
    };

    let gateway = Node { id: "gateway".to_owned(), label: vec!["gateway".to_owned()], kind: Kind::Gateway };
    let mut nodes = vec![gateway];
    let mut edges = vec![Edge {
        from: "gateway".to_owned(),
        to: service_id(topology.entry().name.as_str()),
        is_message: false,
        label: call(GATEWAY, topology.entry().name.as_str()),
    }];
    for service in topology.services() {
        let (id, name) = (service_id(service.name.as_str()), service.name.as_str());
        let mut label = vec![name.to_owned()];
        label.extend(Some(behaviour(service)).filter(|behaviour| !behaviour.is_empty()));
        label.extend(faults(&|at| matches!(at, Address::Service { name: at, .. } if at.is(name))));
        nodes.push(Node { id: id.clone(), label, kind: Kind::Service });
        for (number, step) in (1..).zip(&service.steps) {
            for upstream in step {
                let mut label = call(name, upstream.as_str());
                if service.steps.len() > 1 {
                    label.insert(0, format!("step {number}"));
                }
                let to = service_id(upstream.as_str());
                edges.push(Edge { from: id.clone(), to, is_message: false, label });
            }
        }
        if let Some(queue) = &service.publishes {
            let label = faults(&|at| matches!(at, Address::Queue(at) if at.is(name)));
            edges.push(Edge { from: id.clone(), to: queue_id(queue), is_message: true, label });
        }
        if let Some(queue) = &service.consumes {
            edges.push(Edge { from: queue_id(queue), to: id.clone(), is_message: true, label: Vec::new() });
        }
        if let Some(store) = &service.store {
            let store_id = format!("store_of_{id}");
            let label = faults(&|at| matches!(at, Address::Store(at) if at.is(name)));
            edges.push(Edge { from: id, to: store_id.clone(), is_message: false, label });
            nodes.push(Node { id: store_id, label: vec![store.to_string()], kind: Kind::Store });
        }
    }
    nodes.extend(queues.iter().map(|queue| Node {
        id: queue_id(queue),
        label: vec![queue.to_string()],
        kind: Kind::Queue,
    }));
    (nodes, edges)
}

/// The lines of a label between quotes of Graphviz. No text here has a backslash or a quote.
fn escape_dot(lines: &[String]) -> String {
    lines.join("\\n")
}

/// The lines of a label between quotes of Mermaid.
fn escape_mermaid(lines: &[String]) -> String {
    lines.join("<br>")
}
