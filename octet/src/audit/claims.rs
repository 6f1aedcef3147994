//! What an answer claims: each greeting in it claims that its service stored the greeting it received, and that the
//! service's queue accepted its message.

use std::{
    collections::{HashMap, HashSet},
    io::{self, Write},
};

use octet_backends::inspect::Fingerprint;
use octet_topology::MAX_GREETINGS;

use super::{
    answers::{Answer, Greeting},
    graph::{Graph, Place},
    id::GreetingId,
    printable::printable,
    spool::Record,
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
    /// What its document must contain.
    pub(super) content: Fingerprint,
    /// Other greetings that would meet the claim: where subtrees are absent, an answer may not show which one called.
    pub(super) others: Vec<(GreetingId, Fingerprint)>,
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
                let name = quoted(&greeting.service);
                format!("greeting {number} is from {name}, which is not in the topology")
            })?);
            let id = greeting.id.parse::<GreetingId>();
            ids.push(id.map_err(|_| {
                let id = quoted(&greeting.id);
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
            let greeting = |position: &usize| {
                Some((*ids.get(*position)?, answer.greetings.get(*position)?.fingerprint()))
            };
            let mut candidates = shape.greetings.iter().filter_map(greeting);
            let (id, content) = candidates.next()?;
            let of = *services.get(*shape.greetings.first()?)?;
            let others = candidates.collect();
            Some(Claim { place: shape.place, of, id, content, others, line: answer.line })
        };
        if let Some(shapes) = self.shapes.get(&services) {
            check_messages(self.graph, &services, &answer.greetings, shapes)?;
            return Ok(shapes.iter().filter_map(claim).collect());
        }
        let shapes = shapes(self.graph, &services)?;
        check_messages(self.graph, &services, &answer.greetings, &shapes)?;
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

/// Checks the messages that no document can confirm: they must be those of the topology.
fn check_messages(
    graph: &Graph,
    services: &[usize],
    greetings: &[Greeting],
    shapes: &[Shape],
) -> Result<(), String> {
    let stored: HashSet<usize> = shapes
        .iter()
        .filter_map(|shape| if let [position] = shape.greetings.as_slice() { Some(*position) } else { None })
        .collect();
    for (position, (service, greeting)) in services.iter().zip(greetings).enumerate() {
        let (Some(node), Some(message)) = (graph.node(*service), &greeting.message) else { continue };
        if *message != node.greeting && !stored.contains(&position) {
            return Err(format!(
                "greeting {}, from {}, has the message {}, but {} in the topology",
                position + 1,
                node.name,
                quoted(message),
                quoted(&node.greeting)
            ));
        }
    }
    Ok(())
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

/// A claim on a queue without other candidates, which later checks may find met.
impl Record for Claim {
    const BYTES: usize = 16 + 32 + 8 + 4 + 4;

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let Place::Queue(queue) = self.place else {
            return Err(io::Error::other("a claim on a store is never checked again"));
        };
        let small = |number: usize| u32::try_from(number).map_err(io::Error::other);
        to.write_all(&self.id.to_bytes())?;
        for word in self.content.to_words() {
            to.write_all(&word.to_le_bytes())?;
        }
        to.write_all(&self.line.to_le_bytes())?;
        to.write_all(&small(queue)?.to_le_bytes())?;
        to.write_all(&small(self.of)?.to_le_bytes())
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (id, mut rest) = bytes.split_first_chunk()?;
        let mut words = [0; 4];
        for word in &mut words {
            let (bytes, following) = rest.split_first_chunk()?;
            (*word, rest) = (u64::from_le_bytes(*bytes), following);
        }
        let (line, rest) = rest.split_first_chunk()?;
        let (queue, rest) = rest.split_first_chunk()?;
        let (of, _) = rest.split_first_chunk()?;
        let index = |bytes: &[u8; 4]| usize::try_from(u32::from_le_bytes(*bytes)).ok();
        Some(Self {
            place: Place::Queue(index(queue)?),
            of: index(of)?,
            id: GreetingId::from_bytes(*id),
            content: Fingerprint::from_words(words),
            others: Vec::new(),
            line: u64::from_le_bytes(*line),
        })
    }
}

/// Text of the file, to be quoted in a report.
fn quoted(text: &str) -> String {
    format!("\"{}\"", printable(text, 64))
}

#[cfg(test)]
mod tests;
