//! What an answer claims: each greeting in it claims that its service stored the greeting it received, and that the
//! service's queue accepted its message.

use std::collections::HashMap;

use octet_topology::MAX_GREETINGS;

use super::{
    answers::Answer,
    graph::{Graph, Place},
    id::GreetingId,
    tree::{self, InvalidAnswer},
};

/// Size of the cache of shapes. A topology yields few shapes; only a hostile file has many.
const MAX_CACHED: usize = 100_000;

/// A document or message that must exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) place: Place,
    /// The service whose greeting it is.
    pub(super) of: usize,
    pub(super) id: GreetingId,
    /// Other ids that would meet the claim: where subtrees are absent, an answer may not show which greeting called.
    pub(super) others: Vec<GreetingId>,
    /// The answer's line.
    pub(super) line: u64,
}

/// Derives claims from answers.
pub(super) struct Claims<'a> {
    graph: &'a Graph,
    /// By the services of an answer, in its order.
    shapes: HashMap<Vec<usize>, Vec<Shape>>,
    cached: usize,
}

/// A claim without ids: positions in the answer.
#[derive(Debug, Clone)]
struct Shape {
    place: Place,
    greetings: Vec<usize>,
}

impl<'a> Claims<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        Self { graph, shapes: HashMap::new(), cached: 0 }
    }

    /// The claims of `answer`, or the reason why a platform of this topology cannot have returned it.
    pub(super) fn of(&mut self, answer: &Answer) -> Result<Vec<Claim>, String> {
        if answer.greetings.len() > MAX_GREETINGS {
            return Err(format!("more than {MAX_GREETINGS} greetings"));
        }
        let mut services = Vec::with_capacity(answer.greetings.len());
        let mut ids = Vec::with_capacity(answer.greetings.len());
        for (number, greeting) in (1..).zip(&answer.greetings) {
            let service = self.graph.service(&greeting.service);
            services.push(service.ok_or_else(|| {
                let name = shortened(&greeting.service);
                format!("greeting {number} is from {name}, which is not in the topology")
            })?);
            let id = greeting.id.parse::<GreetingId>();
            ids.push(id.map_err(|_| {
                let id = shortened(&greeting.id);
                format!("greeting {number}, from {}, has the id {id}, which is not a UUID", greeting.service)
            })?);
        }
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        if let Some(twice) =
            sorted.windows(2).find_map(|pair| (pair.first() == pair.last()).then(|| pair.first()))
        {
            return Err(format!(
                "two greetings have the id {}",
                twice.map(ToString::to_string).unwrap_or_default()
            ));
        }

        let claim = |shape: &Shape| {
            let mut given = shape.greetings.iter().filter_map(|position| ids.get(*position).copied());
            let id = given.next()?;
            let of = *services.get(*shape.greetings.first()?)?;
            Some(Claim { place: shape.place, of, id, others: given.collect(), line: answer.line })
        };
        if let Some(shapes) = self.shapes.get(&services) {
            return Ok(shapes.iter().filter_map(claim).collect());
        }
        let shapes = shapes(self.graph, &services)?;
        let claims = shapes.iter().filter_map(claim).collect();
        self.cache(services, shapes);
        Ok(claims)
    }

    fn cache(&mut self, services: Vec<usize>, shapes: Vec<Shape>) {
        let size = services.len() + shapes.iter().map(|shape| shape.greetings.len()).sum::<usize>();
        self.cached += size;
        if self.cached > MAX_CACHED {
            self.shapes.clear();
            self.cached = size;
        }
        self.shapes.insert(services, shapes);
    }
}

fn shapes(graph: &Graph, services: &[usize]) -> Result<Vec<Shape>, String> {
    let tree = tree::read(graph, services).map_err(|invalid| explain(graph, services, &invalid))?;
    let mut shapes = Vec::new();
    for ((position, service), callers) in services.iter().enumerate().zip(tree.callers) {
        let Some(node) = graph.node(*service) else { continue };
        if node.store.is_some() {
            // The first service was called from outside, received no greeting, and stored its own.
            let greetings = if callers.is_empty() { vec![position] } else { callers };
            shapes.push(Shape { place: Place::Store(*service), greetings });
        }
        if let Some(queue) = node.publishes {
            shapes.push(Shape { place: Place::Queue(queue), greetings: vec![position] });
        }
    }
    Ok(shapes)
}

fn explain(graph: &Graph, services: &[usize], invalid: &InvalidAnswer) -> String {
    let name = |position: usize| services.get(position).map_or("?", |service| graph.name(*service));
    match invalid {
        InvalidAnswer::Empty => "no greetings".to_owned(),
        InvalidAnswer::Misplaced(position) => format!(
            "greeting {}, from {}, is out of place in an answer of {}",
            position + 1,
            name(*position),
            name(0)
        ),
        InvalidAnswer::Incomplete => format!(
            "greetings are missing from this answer of {}, which failure policy strict does not allow (if the \
             services ran with FAILURE_POLICY=partial, set it for the audit too)",
            name(0)
        ),
    }
}

/// Text of the file, escaped and cut to fit in one line of a report.
fn shortened(text: &str) -> String {
    const MAX_CHARS: usize = 64;
    let cut: String = text.chars().take(MAX_CHARS).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("{cut:?}{more}")
}

#[cfg(test)]
mod tests;
