//! From the text to a topology that cannot be wrong, or to everything that is wrong with the text.

use std::str::FromStr;

use toml::de::DeTable;

use crate::{
    fault::Fault,
    findings::{Findings, Spot, quoted},
    graph,
    model::{Service, Store, Topology},
    name::InvalidText,
    raw::{self, RawService, RawStore, RawText, RawTopology},
    relations,
};

/// The largest text that is looked at, in bytes. Who reads a file need not read more than one byte beyond it.
pub const MAX_BYTES: usize = 256 * 1024;

/// The most services a topology may have.
pub const MAX_SERVICES: usize = 64;

/// The most greetings one answer may hold.
///
/// A service reached along two paths greets twice. Where each service calls all that follow it, 12 services
/// make 2,048 greetings, and 64 more than anybody can count.
pub const MAX_GREETINGS: usize = 1_000;

/// Recovery after a fault of syntax often stumbles over the same fault again; more would hide the first.
const MAX_SYNTAX_FAULTS: usize = 20;

/// The topology of `text`, or its faults in the order of the text, at least one.
pub(crate) fn parse(text: &str) -> Result<Topology, Vec<Fault>> {
    let mut findings = Findings::default();
    let topology = topology(text, &mut findings);
    match topology {
        Some(topology) if findings.is_empty() => Ok(topology),
        _ => Err(findings.into_faults(text)),
    }
}

/// `None` only when a fault was found; a topology with findings is not to be used.
fn topology(text: &str, findings: &mut Findings) -> Option<Topology> {
    if text.len() > MAX_BYTES {
        let start = Spot { place: String::new(), offset: 0 };
        findings.report(&start, format!("larger than {} KiB", MAX_BYTES / 1024));
        return None;
    }
    let (document, mut errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        errors.sort_by_key(start_of);
        errors.dedup();
        errors.iter().take(MAX_SYNTAX_FAULTS).for_each(|error| report_syntax(text, error, findings));
        return None;
    }
    let raw = raw::read(document.get_ref(), findings);
    validated(&raw, findings)
}

/// The parser's own limit on nesting is the one error without a position; it counts as the first.
fn start_of(error: &toml::de::Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

fn report_syntax(text: &str, error: &toml::de::Error, findings: &mut Findings) {
    let spot = Spot { place: String::new(), offset: start_of(error) };
    let message = match error.span().and_then(|span| text.get(span)) {
        Some(at) if !at.is_empty() => format!("{}, at {}", error.message(), quoted(at)),
        _ => error.message().to_owned(),
    };
    findings.report(&spot, message);
}

fn validated(raw: &RawTopology<'_>, findings: &mut Findings) -> Option<Topology> {
    let services: Vec<_> = raw.services.iter().map(|raw| service(raw, findings)).collect();
    if let Some(first_too_many) = raw.services.get(MAX_SERVICES) {
        // How the services relate is not looked at: lists of thousands of names help nobody.
        findings.report(&first_too_many.spot, format!("a topology has at most {MAX_SERVICES} services"));
        return None;
    }
    relations::check(raw, findings);
    graph::check(&raw.services, findings);

    let services: Vec<_> = services.into_iter().collect::<Option<_>>()?;
    let entry_name = raw.entry.as_ref()?.value;
    let entry = services.iter().find(|service| service.name.as_str() == entry_name)?.clone();
    Some(Topology::new(entry, services))
}

/// Every part is looked at before a missing one ends the attempt, so that all their faults are found.
fn service(raw: &RawService<'_>, findings: &mut Findings) -> Option<Service> {
    let name = value(raw.name.as_ref(), findings);
    let greeting = value(raw.greeting.as_ref(), findings);
    let store = raw.store.as_ref().and_then(|raw| store(raw, findings));
    let publishes = value(raw.publishes.as_ref(), findings);
    let consumes = value(raw.consumes.as_ref(), findings);
    let policy = value(raw.policy.as_ref(), findings).unwrap_or_default();
    // An ill-formed upstream is no fault here: either it is unknown, or its own service's name is the fault.
    let calls = raw.calls.iter().filter_map(|upstream| upstream.value.parse().ok()).collect();
    Some(Service { name: name?, greeting: greeting?, calls, store, publishes, consumes, policy })
}

fn store(raw: &RawStore<'_>, findings: &mut Findings) -> Option<Store> {
    let database = value(raw.database.as_ref(), findings);
    let collection = value(raw.collection.as_ref(), findings);
    Some(Store { database: database?, collection: collection? })
}

fn value<T: FromStr<Err = InvalidText>>(raw: Option<&RawText<'_>>, findings: &mut Findings) -> Option<T> {
    let raw = raw?;
    raw.value.parse().map_err(|error: InvalidText| findings.report(&raw.spot, error.to_string())).ok()
}
