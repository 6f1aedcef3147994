//! The spans that an answer claims: each greeting in it is a call that was made and served.

use std::collections::BTreeMap;

use octet_topology::MAX_GREETINGS;
use octet_zipkin::Kind;

use super::{
    super::{answers::Answer, graph::Graph, stream, tree},
    label::{End, Label},
};

/// How many spans of each label a trace must have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Expected {
    pub(super) spans: BTreeMap<Label, u64>,
    /// Calls whose caller the answer does not show: several callers are possible.
    pub(super) ambiguous: u64,
}

impl Expected {
    /// The spans below the gateway's own of `answer`, whose greetings of a stream are put in order.
    ///
    /// # Errors
    /// Why a platform of this topology cannot have returned it.
    pub(super) fn of(graph: &Graph, answer: &mut Answer) -> Result<Self, String> {
        if answer.greetings.len() > MAX_GREETINGS {
            return Err(format!("more than {MAX_GREETINGS} greetings"));
        }
        if answer.is_stream {
            stream::arrange(graph, &mut answer.greetings)?;
        }
        let services: Option<Vec<usize>> =
            answer.greetings.iter().map(|greeting| graph.service(&greeting.service)).collect();
        let services = services.ok_or("a greeting is from a service that is not in the topology")?;
        let tree = tree::read(graph, &services)
            .map_err(|_| "a platform of this topology cannot have returned it".to_owned())?;
        let mut expected = Self::default();
        expected.add(Label::new(End::Outside, End::Gateway, Kind::Server));
        for (service, callers) in services.iter().zip(&tree.callers) {
            expected.add_call(&services, *service, callers);
            expected.add_own(graph, *service);
        }
        Ok(expected)
    }

    fn add_call(&mut self, services: &[usize], service: usize, callers: &[usize]) {
        let mut callers: Vec<_> = callers.iter().filter_map(|position| services.get(*position)).collect();
        callers.sort_unstable();
        callers.dedup();
        let from = match callers.as_slice() {
            [] => End::Gateway,
            [caller] => End::Service(**caller),
            _ => {
                self.ambiguous += 1;
                return;
            }
        };
        self.add(Label::new(from, End::Service(service), Kind::Client));
        self.add(Label::new(from, End::Service(service), Kind::Server));
    }

    /// What a service does beside its calls: it stores and publishes, and its message is consumed and stored.
    fn add_own(&mut self, graph: &Graph, service: usize) {
        let Some(node) = graph.node(service) else { return };
        if node.store.is_some() {
            self.add(Label::new(End::Service(service), End::Store(service), Kind::Client));
        }
        let Some(queue) = node.publishes else { return };
        self.add(Label::new(End::Service(service), End::Queue(queue), Kind::Producer));
        // Which of several consumers took a message, the answer does not show.
        match graph.queues().get(queue).map(|queue| queue.consumers.as_slice()) {
            Some([consumer]) => {
                self.add(Label::new(End::Queue(queue), End::Service(*consumer), Kind::Consumer));
                self.add(Label::new(End::Service(*consumer), End::Store(*consumer), Kind::Client));
            }
            Some([]) | None => {}
            Some(_) => self.ambiguous += 1,
        }
    }

    fn add(&mut self, label: Label) {
        *self.spans.entry(label).or_default() += 1;
    }
}
