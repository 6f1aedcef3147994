//! The greetings of a stream come in no fixed order. This puts them into the order of an answer.

use octet_topology::Policy;

use super::{
    answers::Greeting,
    graph::{Call, Graph},
};

/// The steps after which a stream counts as one that no answer matches: orders can be many where calls may be absent.
const MAX_STEPS: usize = 100_000;

/// Sorts the greetings of one stream into the order of an answer.
///
/// # Errors
/// Why they are not those of one complete stream.
pub(super) fn arrange(graph: &Graph, greetings: &mut Vec<Greeting>) -> Result<(), String> {
    let services = greetings.iter().map(|greeting| {
        graph
            .service(&greeting.service)
            .ok_or_else(|| format!("a greeting is from {:?}, which is not in the topology", greeting.service))
    });
    let services: Vec<usize> = services.collect::<Result<_, _>>()?;
    let is_called = |service: usize| {
        services
            .iter()
            .filter_map(|caller| graph.node(*caller))
            .any(|node| node.calls.iter().any(|call| call.callee == service))
    };
    let mut roots = services.iter().filter(|service| !is_called(**service));
    let (Some(root), None) = (roots.next(), roots.next()) else { return Err(not_one()) };
    let mut search = Search { graph, left: vec![0; graph.nodes().len()], order: Vec::new(), steps: 0 };
    for service in &services {
        if let Some(left) = search.left.get_mut(*service) {
            *left += 1;
        }
    }
    search.take(*root);
    if !search.place(&mut search.calls_of(*root), services.len()) {
        return Err(not_one());
    }
    // Greetings of one service are alike: any of them may take any of its places.
    let mut rest: Vec<_> = std::mem::take(greetings).into_iter().zip(services).map(Some).collect();
    for service in search.order {
        let found = rest.iter_mut().find(|one| one.as_ref().is_some_and(|(_, of)| *of == service));
        greetings.extend(found.and_then(Option::take).map(|(greeting, _)| greeting));
    }
    Ok(())
}

fn not_one() -> String {
    "not the greetings of one complete stream; separate streams by blank lines, and leave out failed ones"
        .to_owned()
}

struct Search<'a> {
    graph: &'a Graph,
    /// How many greetings of each service have no place yet.
    left: Vec<usize>,
    order: Vec<usize>,
    steps: usize,
}

impl Search<'_> {
    /// The calls of a service, the first one last, and whether each may be absent.
    fn calls_of(&self, service: usize) -> Vec<(usize, bool)> {
        let Some(node) = self.graph.node(service) else { return Vec::new() };
        let may_fail = node.policy == Policy::Partial;
        node.calls.iter().rev().map(|Call { callee, is_drawn }| (*callee, may_fail || *is_drawn)).collect()
    }

    fn take(&mut self, service: usize) -> bool {
        let Some(left) = self.left.get_mut(service).filter(|left| **left > 0) else { return false };
        *left -= 1;
        self.order.push(service);
        true
    }

    fn give_back(&mut self) {
        let service = self.order.pop();
        if let Some(left) = service.and_then(|service| self.left.get_mut(service)) {
            *left += 1;
        }
    }

    /// Places all `wanted` greetings below the calls that are still to be made. Recurses once for each greeting, and for each
    /// call that may be absent although its greeting could be there.
    fn place(&mut self, calls: &mut Vec<(usize, bool)>, wanted: usize) -> bool {
        let before = calls.clone();
        while let Some((callee, may_be_absent)) = calls.pop() {
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return false;
            }
            if self.take(callee) {
                let mut further = calls.clone();
                further.extend(self.calls_of(callee));
                if self.place(&mut further, wanted) {
                    return true;
                }
                self.give_back();
            }
            if !may_be_absent {
                *calls = before;
                return false;
            }
        }
        self.order.len() == wanted
    }
}

#[cfg(test)]
mod tests {
    use octet_topology::Topology;

    use super::*;
    use crate::audit::graph::Overrides;

    fn arranged(topology: &str, services: &str) -> Option<String> {
        let topology = Topology::parse(topology, "test").unwrap();
        let graph = Graph::new(&topology, &Overrides::default());
        let greeting = |name: char| Greeting {
            id: String::new(),
            service: name.to_string(),
            message: None,
            created: None,
            hostname: None,
        };
        let mut greetings: Vec<_> = services.chars().map(greeting).collect();
        arrange(&graph, &mut greetings).ok()?;
        Some(greetings.into_iter().map(|greeting| greeting.service).collect())
    }

    const TREE: &str = r#"
        entry = "a"
        [[service]]
        name = "a"
        calls = ["b", "d"]
        [[service]]
        name = "b"
        calls = ["c", "d"]
        [[service]]
        name = "c"
        [[service]]
        name = "d"
    "#;

    #[test]
    fn the_greetings_of_a_complete_stream_get_the_order_of_an_answer() {
        for services in ["abcdd", "ddcba", "dbdac"] {
            assert_eq!(arranged(TREE, services).as_deref(), Some("abcdd"), "{services}");
        }
        assert_eq!(arranged(TREE, "dcb").as_deref(), Some("bcd"), "a service that was called directly");
        for services in ["", "abcd", "abcddd", "abcddabcdd", "cd", "abcddx"] {
            assert_eq!(arranged(TREE, services), None, "{services}");
        }
    }

    #[test]
    fn absent_greetings_are_allowed_where_calls_may_be_absent() {
        let partial = TREE.replace("name = \"b\"", "name = \"b\"\npolicy = \"partial\"");
        for (services, order) in [("dba", "abd"), ("dbca", "abcd"), ("cddba", "abcdd"), ("ddba", "abdd")] {
            assert_eq!(arranged(&partial, services).as_deref(), Some(order), "{services}");
        }
        assert_eq!(arranged(&partial, "bca"), None, "a is strict");
    }
}
