//! What an answer claims: a greeting in it says that its service stored what it was handed, and that the
//! service's queue has its message.

use std::collections::HashMap;

use octet_topology::MAX_GREETINGS;

use super::{
    answers::Answer,
    graph::Graph,
    id::GreetingId,
    tree::{self, Misfit},
};

/// How much of the answers seen so far is remembered. A topology gives few shapes; only a hostile file gives many.
const REMEMBERED: usize = 100_000;

/// Where something must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Place {
    /// In the store of this service.
    Store(usize),
    /// On this queue, or, where it has consumers, in the store of one of them.
    Queue(usize),
}

/// One thing that must be somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) place: Place,
    /// The service whose greeting it is.
    pub(super) of: usize,
    pub(super) id: GreetingId,
    /// One of these would do as well: an answer with absent subtrees can leave open who called.
    pub(super) others: Vec<GreetingId>,
    /// The answer's line.
    pub(super) line: u64,
}

/// Reads claims out of answers.
pub(super) struct Claims<'a> {
    graph: &'a Graph,
    /// By the services of an answer, in its order.
    shapes: HashMap<Vec<usize>, Vec<Shape>>,
    remembered: usize,
}

/// A claim before the answer's ids are put in: places in the answer.
#[derive(Debug, Clone)]
struct Shape {
    place: Place,
    greetings: Vec<usize>,
}

impl<'a> Claims<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        Self { graph, shapes: HashMap::new(), remembered: 0 }
    }

    /// Everything that `answer` claims, or why no such platform can have given it.
    pub(super) fn of(&mut self, answer: &Answer) -> Result<Vec<Claim>, String> {
        if answer.greetings.len() > MAX_GREETINGS {
            return Err(format!("it has more than {MAX_GREETINGS} greetings"));
        }
        let mut services = Vec::with_capacity(answer.greetings.len());
        let mut ids = Vec::with_capacity(answer.greetings.len());
        for (number, greeting) in (1..).zip(&answer.greetings) {
            let service = self.graph.service(&greeting.service);
            services.push(service.ok_or_else(|| {
                let name = shortened(&greeting.service);
                format!("greeting {number} is of {name}, which is not in the topology")
            })?);
            let id = greeting.id.parse::<GreetingId>();
            ids.push(id.map_err(|_| {
                let id = shortened(&greeting.id);
                format!("greeting {number}, of {}, has the id {id}, which is not a UUID", greeting.service)
            })?);
        }
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        if let Some(twice) =
            sorted.windows(2).find_map(|pair| (pair.first() == pair.last()).then(|| pair.first()))
        {
            return Err(format!(
                "the id {} stands in it twice",
                twice.map(ToString::to_string).unwrap_or_default()
            ));
        }

        let claim = |shape: &Shape| {
            let mut given = shape.greetings.iter().filter_map(|place| ids.get(*place).copied());
            let id = given.next()?;
            let of = *services.get(*shape.greetings.first()?)?;
            Some(Claim { place: shape.place, of, id, others: given.collect(), line: answer.line })
        };
        if let Some(shapes) = self.shapes.get(&services) {
            return Ok(shapes.iter().filter_map(claim).collect());
        }
        let shapes = shapes(self.graph, &services)?;
        let claims = shapes.iter().filter_map(claim).collect();
        self.remember(services, shapes);
        Ok(claims)
    }

    fn remember(&mut self, services: Vec<usize>, shapes: Vec<Shape>) {
        let size = services.len() + shapes.iter().map(|shape| shape.greetings.len()).sum::<usize>();
        self.remembered += size;
        if self.remembered > REMEMBERED {
            self.shapes.clear();
            self.remembered = size;
        }
        self.shapes.insert(services, shapes);
    }
}

fn shapes(graph: &Graph, services: &[usize]) -> Result<Vec<Shape>, String> {
    let tree = tree::read(graph, services).map_err(|misfit| explain(graph, services, &misfit))?;
    let mut shapes = Vec::new();
    for ((place, service), callers) in services.iter().enumerate().zip(tree.callers) {
        let Some(node) = graph.node(*service) else { continue };
        if node.store.is_some() {
            // The first was called from outside, was handed nothing, and stored its own.
            let greetings = if callers.is_empty() { vec![place] } else { callers };
            shapes.push(Shape { place: Place::Store(*service), greetings });
        }
        if let Some(queue) = node.publishes {
            shapes.push(Shape { place: Place::Queue(queue), greetings: vec![place] });
        }
    }
    Ok(shapes)
}

fn explain(graph: &Graph, services: &[usize], misfit: &Misfit) -> String {
    let name = |place: usize| services.get(place).map_or("nobody", |service| graph.name(*service));
    match misfit {
        Misfit::Empty => "it has no greeting".to_owned(),
        Misfit::NoPlace(place) => {
            format!("greeting {}, of {}, has no place in an answer of {}", place + 1, name(*place), name(0))
        }
        Misfit::Incomplete => format!(
            "greetings are absent from this answer of {}, which the failure policy strict does not allow \
             (if the services ran with FAILURE_POLICY=partial, so must the audit)",
            name(0)
        ),
    }
}

/// Text of the file, fit for one line of a report.
fn shortened(text: &str) -> String {
    const MOST: usize = 64;
    let cut: String = text.chars().take(MOST).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("{cut:?}{more}")
}

#[cfg(test)]
mod tests;
