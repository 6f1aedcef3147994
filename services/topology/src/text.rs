//! The topology as the text of a topology file.

use std::fmt::Write as _;

use octet_fault::{Fault, duration_text};

use crate::{
    edge::{EdgeRule, Retry},
    model::{Policy, Service, Topology},
    name::ServiceName,
};

/// The keys of faults whose values are no texts.
const PLAIN: [&str; 7] = ["drop", "reset", "unready", "crash", "duplicate", "max", "blind"];

impl Topology {
    /// A topology file with this graph: [`Topology::parse`] makes an equal topology of it.
    pub fn to_toml(&self) -> String {
        let mut text = format!("entry = {}\n", string(self.entry().name.as_str()));
        // Writing to a String cannot fail.
        if let Some(seed) = self.seed() {
            let _ = writeln!(text, "seed = {seed}");
        }
        let services = self.services().iter().map(|service| ("service", fields(service)));
        let edges = self.edge_rules().iter().map(|rule| ("edge", edge_fields(rule)));
        let faults = self.faults().iter().map(|fault| ("fault", fault_fields(fault)));
        for (table, fields) in services.chain(edges).chain(faults) {
            let _ = writeln!(text, "\n[[{table}]]");
            for (field, value) in fields {
                let _ = writeln!(text, "{field} = {value}");
            }
        }
        text
    }
}

/// The fields that differ from their defaults, in the order of the documentation.
fn fields(service: &Service) -> Vec<(&'static str, String)> {
    let mut fields =
        vec![("name", string(service.name.as_str())), ("greeting", string(service.greeting.as_str()))];
    match service.steps.as_slice() {
        [] => {}
        [step] => fields.push(("calls", list(step))),
        steps => {
            let steps: Vec<_> = steps.iter().map(|step| list(step)).collect();
            fields.push(("calls", format!("[{}]", steps.join(", "))));
        }
    }
    if let Some(store) = &service.store {
        let (database, collection) = (string(store.database.as_str()), string(store.collection.as_str()));
        fields.push(("store", format!("{{ database = {database}, collection = {collection} }}")));
    }
    for (field, queue) in [("publishes", &service.publishes), ("consumes", &service.consumes)] {
        fields.extend(queue.as_ref().map(|queue| (field, string(queue.as_str()))));
    }
    if service.policy != Policy::default() {
        fields.push(("policy", string(service.policy.as_str())));
    }
    if service.replicas != 1 {
        fields.push(("replicas", service.replicas.to_string()));
    }
    for (field, value) in service.behaviour.fields() {
        fields.push((field, if field == "limit" { value } else { string(&value) }));
    }
    fields
}

fn edge_fields(rule: &EdgeRule) -> Vec<(&'static str, String)> {
    let mut fields = vec![("at", string(&format!("{}>{}", rule.caller, rule.callee)))];
    fields.extend(rule.share.map(|share| ("share", string(&share.to_string()))));
    fields.extend(rule.times.map(|times| ("times", times.to_string())));
    fields.extend(rule.payload.map(|payload| ("payload", string(&payload.to_string()))));
    fields.extend(rule.deadline.map(|deadline| ("deadline", string(&duration_text(deadline)))));
    fields.extend(rule.balance.map(|balance| ("balance", string(balance.as_str()))));
    fields.extend(rule.retry.as_ref().map(|retry| ("retry", retry_table(retry))));
    fields
}

fn retry_table(Retry { attempts, on, budget, backoff }: &Retry) -> String {
    let on: Vec<_> = on.iter().map(|code| string(code.name())).collect();
    let budget =
        budget.map(|budget| format!("budget = {}, ", string(&budget.to_string()))).unwrap_or_default();
    let backoff = string(&duration_text(*backoff));
    format!("{{ attempts = {attempts}, on = [{}], {budget}backoff = {backoff} }}", on.join(", "))
}

fn fault_fields(fault: &Fault) -> Vec<(&'static str, String)> {
    let quoted = |(key, value): (&'static str, String)| {
        let value = if PLAIN.contains(&key) { value } else { string(&value) };
        (key, value)
    };
    fault.fields().into_iter().map(quoted).collect()
}

fn list(names: &[ServiceName]) -> String {
    let names: Vec<_> = names.iter().map(|name| string(name.as_str())).collect();
    format!("[{}]", names.join(", "))
}

/// A TOML basic string. No text of a topology has control characters, so that these two need an escape.
fn string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
