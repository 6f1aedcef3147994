//! Parses and validates a topology.

mod edge;
mod role;

use std::{ops::RangeInclusive, str::FromStr};

use octet_fault::{Fault, Seed};
use toml::de::DeTable;

use self::role::Role;

use crate::{
    addresses::Mesh,
    edge::resolve,
    finding::Findings,
    graph,
    limits::{MAX_BYTES, MAX_PROCESSES, MAX_SEED, MAX_SERVICES, MAX_SYNTAX_FINDINGS},
    model::{Conditions, Service, Store, Topology},
    name::{InvalidText, ServiceName},
    quote::quoted,
    raw::{self, RawFault, RawNumber, RawService, RawStore, RawText, RawTopology, fields::Fields},
    relations,
    reporter::{Position, Reporter},
};

impl Topology {
    /// The text of the built-in topology.
    pub const BUILT_IN: &'static str = include_str!("../topology.toml");

    /// The text of a small topology with comments, to start one's own from.
    pub const STARTING: &'static str = include_str!("../starting.toml");

    /// The topology that every program carries with it.
    ///
    /// # Errors
    /// None in a build whose tests passed; it is a `Result` because the text is parsed like any other.
    pub fn built_in() -> Result<Self, Findings> {
        Self::parse(Self::BUILT_IN, "built-in topology")
    }

    /// Reads a topology; `origin` is what findings call the text, usually its file's name.
    ///
    /// # Errors
    /// Every finding of the text. A text that is not TOML is not read further, so its findings are its syntax
    /// errors alone.
    pub fn parse(text: &str, origin: &str) -> Result<Self, Findings> {
        parse(text, origin, |document, reporter| {
            let raw = raw::read(document, reporter);
            validated(&raw, reporter)
        })
    }
}

/// Parses a text that is TOML of at most [`MAX_BYTES`], and reads its document; `origin` is what findings call the text.
///
/// # Errors
/// Every finding: those that `read` reports, or the syntax errors. `read` returns `None` only if it has reported one.
pub fn parse_document<T>(
    text: &str,
    origin: &str,
    read: impl FnOnce(&Fields<'_>, &mut Reporter) -> Option<T>,
) -> Result<T, Findings> {
    parse(text, origin, |document, reporter| read(&Fields::of_document(document), reporter))
}

fn parse<T>(
    text: &str,
    origin: &str,
    read: impl FnOnce(&DeTable<'_>, &mut Reporter) -> Option<T>,
) -> Result<T, Findings> {
    let mut reporter = Reporter::default();
    match read_toml(text, &mut reporter, read) {
        Some(value) if reporter.is_empty() => Ok(value),
        _ => Err(reporter.finish(text, origin)),
    }
}

/// `None` only when a finding was reported; a value beside findings must not be used.
fn read_toml<T>(
    text: &str,
    reporter: &mut Reporter,
    read: impl FnOnce(&DeTable<'_>, &mut Reporter) -> Option<T>,
) -> Option<T> {
    if text.len() > MAX_BYTES {
        let start = Position { path: String::new(), offset: 0 };
        reporter.report(&start, format!("larger than the limit of {} KiB", MAX_BYTES / 1024));
        return None;
    }
    let (document, mut errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        errors.sort_by_key(start_of);
        errors.dedup();
        errors.iter().take(MAX_SYNTAX_FINDINGS).for_each(|error| report_syntax(text, error, reporter));
        return None;
    }
    read(document.get_ref(), reporter)
}

/// The parser's limit on nesting is its only error without a position; it comes first.
fn start_of(error: &toml::de::Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

fn report_syntax(text: &str, error: &toml::de::Error, reporter: &mut Reporter) {
    let position = Position { path: String::new(), offset: start_of(error) };
    let message = match error.span().and_then(|span| text.get(span)) {
        Some(at) if !at.is_empty() => format!("{}, at {}", error.message(), quoted(at)),
        _ => error.message().to_owned(),
    };
    reporter.report(&position, message);
}

fn validated(raw: &RawTopology<'_>, reporter: &mut Reporter) -> Option<Topology> {
    let seed = raw.seed.as_ref().and_then(|seed| number(seed, 0..=MAX_SEED, reporter)).map(Seed);
    let defaults = role::role(&raw.defaults, reporter);
    let services: Vec<_> = raw.services.iter().map(|raw| service(raw, &defaults, reporter)).collect();
    if let Some(first_too_many) = raw.services.get(MAX_SERVICES) {
        // The relations are not checked: their findings would list thousands of names.
        reporter.report(&first_too_many.position, format!("must have at most {MAX_SERVICES} services"));
        return None;
    }
    check_processes(raw, &services, reporter);
    relations::check(raw, reporter);
    let mesh = Mesh::of_raw(raw);
    let edges = edge::edges(&raw.edges, &mesh, reporter);
    let faults = faults(&raw.faults, &mesh, reporter);
    graph::check(&raw.services, |caller, callee| resolve(&edges, caller, callee).times, reporter);

    let services: Vec<_> = services.into_iter().collect::<Option<_>>()?;
    let entry_name = raw.entry.as_ref()?.value;
    let entry = services.iter().find(|service| service.name.as_str() == entry_name)?.clone();
    Some(Topology::new(entry, services, Conditions { seed, edges, faults }))
}

/// Checks every part before returning `None` for a missing one, so that all findings are reported.
fn service(raw: &RawService<'_>, defaults: &Role, reporter: &mut Reporter) -> Option<Service> {
    let name: Option<ServiceName> = value(raw.name.as_ref(), reporter);
    let store = raw.store.as_ref().and_then(|raw| store(raw, reporter));
    let publishes = value(raw.publishes.as_ref(), reporter);
    let consumes = value(raw.consumes.as_ref(), reporter);
    let role = role::role(&raw.role, reporter);
    // An invalid upstream is not reported here: it is either unknown, or the name of its own service is reported.
    let calls: Vec<ServiceName> =
        raw.calls.iter().filter_map(|upstream| upstream.value.parse().ok()).collect();
    let mut rest = calls.as_slice();
    let steps = raw.steps.iter().map(|length| {
        let (step, others) = rest.split_at_checked(*length).unwrap_or((rest, &[]));
        rest = others;
        step.to_vec()
    });
    let steps = steps.collect();
    let name = name?;
    let greeting = role.greeting.clone().or_else(|| defaults.greeting.clone());
    let greeting = greeting.or_else(|| format!("Hello, from {name}!").parse().ok())?;
    Some(Service {
        greeting,
        name,
        calls,
        steps,
        store,
        publishes,
        consumes,
        policy: role.policy.or(defaults.policy).unwrap_or_default(),
        replicas: role.replicas.or(defaults.replicas).unwrap_or(1),
        behaviour: role.behaviour(defaults),
    })
}

fn check_processes(raw: &RawTopology<'_>, services: &[Option<Service>], reporter: &mut Reporter) {
    let mut processes = 0;
    for (raw, service) in raw.services.iter().zip(services) {
        let before = processes;
        processes += service.as_ref().map_or(1, |service| service.replicas);
        if processes > MAX_PROCESSES && before <= MAX_PROCESSES {
            let message = format!("with this service there are more than {MAX_PROCESSES} processes");
            reporter.report(&raw.position, message);
        }
    }
}

fn store(raw: &RawStore<'_>, reporter: &mut Reporter) -> Option<Store> {
    let database = value(raw.database.as_ref(), reporter);
    let collection = value(raw.collection.as_ref(), reporter);
    Some(Store { database: database?, collection: collection? })
}

fn faults(raw: &[RawFault<'_>], mesh: &Mesh<'_>, reporter: &mut Reporter) -> Vec<Fault> {
    let mut faults = Vec::new();
    for RawFault { position, fields } in raw {
        match octet_fault::read_fields(fields, position) {
            Ok(fault) => {
                let at = fields.iter().find(|field| field.key == "at");
                if let (Err(message), Some(at)) = (mesh.check(fault.at()), at) {
                    reporter.report(&at.value_at, message);
                }
                faults.push(fault);
            }
            Err(problems) => {
                for (position, message) in problems {
                    reporter.report(&position, message);
                }
            }
        }
    }
    faults
}

fn value<T: FromStr<Err = InvalidText>>(raw: Option<&RawText<'_>>, reporter: &mut Reporter) -> Option<T> {
    let raw = raw?;
    raw.value.parse().map_err(|error: InvalidText| reporter.report(&raw.position, error.to_string())).ok()
}

/// The text as `parse` reads it; `allowed` completes the sentence "must be …".
fn parsed<T>(
    raw: Option<&RawText<'_>>,
    allowed: impl FnOnce() -> String,
    parse: impl FnOnce(&str) -> Option<T>,
    reporter: &mut Reporter,
) -> Option<T> {
    let raw = raw?;
    let parsed = parse(raw.value);
    if parsed.is_none() {
        reporter.report(&raw.position, format!("{} must be {}", quoted(raw.value), allowed()));
    }
    parsed
}

/// The number, if it is within the range.
fn number(raw: &RawNumber, range: RangeInclusive<u64>, reporter: &mut Reporter) -> Option<u64> {
    let number = raw.value.filter(|number| range.contains(number));
    if number.is_none() {
        let message = format!("must be a whole number from {} to {}", range.start(), range.end());
        reporter.report(&raw.position, message);
    }
    number
}
