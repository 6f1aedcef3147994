//! The fields of a topology with their types checked, each with its position.
//!
//! The table is walked by hand because serde stops at the first error, and all of them must be reported.

mod edge;
mod fault;
pub(crate) mod fields;
mod role;

use toml::de::{DeTable, DeValue};

pub(crate) use edge::{EDGE_FIELDS, RETRY_FIELDS, RawEdge, RawRetry};
pub(crate) use fault::RawFault;
pub(crate) use role::{LIMIT_FIELDS, ROLE_FIELDS, RawLimit, RawRole};

use self::fields::{Fields, elements, names, wrong_type};
use crate::{
    limits::{MAX_EDGES, MAX_SERVICES},
    reporter::{Position, Reporter},
};

/// A string of the file.
#[derive(Debug)]
pub struct RawText<'t> {
    /// Its value.
    pub value: &'t str,
    /// Where it is.
    pub position: Position,
}

/// A whole number of the file.
#[derive(Debug)]
pub struct RawNumber {
    /// `None` where it is negative or does not fit.
    pub value: Option<u64>,
    /// Where it is.
    pub position: Position,
}

#[derive(Debug)]
pub(crate) struct RawTopology<'t> {
    pub(crate) entry: Option<RawText<'t>>,
    pub(crate) seed: Option<RawNumber>,
    pub(crate) defaults: RawRole<'t>,
    pub(crate) services: Vec<RawService<'t>>,
    pub(crate) edges: Vec<RawEdge<'t>>,
    pub(crate) faults: Vec<RawFault<'t>>,
}

/// A required field is `None` only when a finding was reported for it.
#[derive(Debug)]
pub(crate) struct RawService<'t> {
    pub(crate) position: Position,
    pub(crate) name: Option<RawText<'t>>,
    /// Of all steps.
    pub(crate) calls: Vec<RawText<'t>>,
    /// The number of calls in each step.
    pub(crate) steps: Vec<usize>,
    pub(crate) store: Option<RawStore<'t>>,
    pub(crate) publishes: Option<RawText<'t>>,
    pub(crate) consumes: Option<RawText<'t>>,
    pub(crate) role: RawRole<'t>,
}

#[derive(Debug)]
pub(crate) struct RawStore<'t> {
    pub(crate) position: Position,
    pub(crate) database: Option<RawText<'t>>,
    pub(crate) collection: Option<RawText<'t>>,
}

/// The fields of a service that no default can replace.
pub(crate) const OWN_FIELDS: [&str; 5] = ["name", "calls", "store", "publishes", "consumes"];

/// The fields of the file.
pub(crate) const FIELDS: [&str; 6] = ["entry", "seed", "defaults", "service", "edge", "fault"];

/// The fields of a store.
pub(crate) const STORE_FIELDS: [&str; 2] = ["database", "collection"];

/// Reads a document. A value that cannot be read is reported and left out.
pub(crate) fn read<'t>(document: &'t DeTable<'t>, reporter: &mut Reporter) -> RawTopology<'t> {
    let fields = Fields::of_document(document);
    fields.refuse_others(&FIELDS, reporter);
    RawTopology {
        entry: fields.required_text("entry", reporter),
        seed: fields.number("seed", reporter),
        defaults: defaults(&fields, reporter),
        services: services(&fields, reporter),
        edges: tables(&fields, "edge", MAX_EDGES, edge::edge, reporter),
        faults: tables(&fields, "fault", octet_fault::MAX_FAULTS, fault::fault, reporter),
    }
}

fn defaults<'t>(document: &Fields<'t>, reporter: &mut Reporter) -> RawRole<'t> {
    let Some(fields) = document.table("defaults", reporter) else { return RawRole::default() };
    fields.refuse_others(&ROLE_FIELDS, reporter);
    RawRole::read(&fields, reporter)
}

fn services<'t>(document: &Fields<'t>, reporter: &mut Reporter) -> Vec<RawService<'t>> {
    let (position, value) = match document.field("service") {
        Some((position, value)) => (position, Some(value)),
        None => (document.position_of("service", document.position.offset), None),
    };
    let tables = match value {
        Some(DeValue::Array(tables)) => &**tables,
        Some(other) => {
            reporter.report(&position, wrong_type("an array of tables ([[service]])", other));
            return Vec::new();
        }
        None => &[],
    };
    if tables.is_empty() {
        reporter.report(&position, "must have at least one [[service]]");
    }
    elements(&position, tables).map(|(position, value)| service(position, value, reporter)).collect()
}

/// At most `most` tables of an array; more are a finding, and not read.
fn tables<'t, T>(
    document: &Fields<'t>,
    key: &str,
    most: usize,
    read: impl Fn(&Position, &'t DeValue<'t>, &mut Reporter) -> Option<T>,
    reporter: &mut Reporter,
) -> Vec<T> {
    let wanted = format!("an array of tables ([[{key}]])");
    let Some((position, values)) = document.array(key, &wanted, reporter) else { return Vec::new() };
    if let Some((position, _)) = elements(&position, values).nth(most) {
        reporter.report(&position, format!("must have at most {most} [[{key}]]"));
    }
    elements(&position, values)
        .take(most)
        .filter_map(|(position, value)| read(&position, value, reporter))
        .collect()
}

fn service<'t>(position: Position, value: &'t DeValue<'t>, reporter: &mut Reporter) -> RawService<'t> {
    let Some(fields) = Fields::of(&position, value, reporter) else {
        return RawService {
            position,
            name: None,
            calls: Vec::new(),
            steps: Vec::new(),
            store: None,
            publishes: None,
            consumes: None,
            role: RawRole::default(),
        };
    };
    let known: Vec<_> = OWN_FIELDS.into_iter().chain(ROLE_FIELDS).collect();
    fields.refuse_others(&known, reporter);
    let (calls, steps) = calls(&fields, reporter);
    RawService {
        name: fields.required_text("name", reporter),
        calls,
        steps,
        store: fields.field("store").map(|(position, value)| store(position, value, reporter)),
        publishes: fields.text("publishes", reporter),
        consumes: fields.text("consumes", reporter),
        role: RawRole::read(&fields, reporter),
        position,
    }
}

/// The calls of all steps, and the number of calls in each: a list of names is one step, a list of lists several.
fn calls<'t>(fields: &Fields<'t>, reporter: &mut Reporter) -> (Vec<RawText<'t>>, Vec<usize>) {
    const WANTED: &str = "an array of strings, or of arrays of strings (steps)";
    let Some((position, values)) = fields.array("calls", WANTED, reporter) else {
        return (Vec::new(), Vec::new());
    };
    let is_step = |value: &DeValue<'_>| matches!(value, DeValue::Array(_));
    let steps = values.iter().filter(|value| is_step(value.get_ref())).count();
    if steps == 0 {
        let calls = names(&position, values, reporter);
        let step = calls.len();
        return (calls, if step == 0 { Vec::new() } else { vec![step] });
    }
    if steps < values.len() {
        let message = "must be all names (called together) or all arrays of names (steps), not both";
        reporter.report(&position, message);
        return (Vec::new(), Vec::new());
    }
    let (mut calls, mut steps) = (Vec::new(), Vec::new());
    for (position, value) in elements(&position, values).take(MAX_SERVICES) {
        let DeValue::Array(values) = value else { continue };
        if values.is_empty() {
            reporter.report(&position, "a step must have at least one name");
        }
        let step = names(&position, values, reporter);
        steps.push(step.len());
        calls.extend(step);
    }
    if let Some((position, _)) = elements(&position, values).nth(MAX_SERVICES) {
        reporter.report(&position, format!("must have at most {MAX_SERVICES} steps"));
    }
    (calls, steps)
}

fn store<'t>(position: Position, value: &'t DeValue<'t>, reporter: &mut Reporter) -> RawStore<'t> {
    let Some(fields) = Fields::of(&position, value, reporter) else {
        return RawStore { position, database: None, collection: None };
    };
    fields.refuse_others(&STORE_FIELDS, reporter);
    RawStore {
        database: fields.required_text("database", reporter),
        collection: fields.required_text("collection", reporter),
        position,
    }
}
