//! Writes the topology file of what was measured.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use octet_fault::{Code, MAX_FAULTS, is_label};
use octet_topology::{CollectionName, DatabaseName, MAX_SERVICES, QueueName, ServiceName};
use octet_zipkin::Text;

use super::{
    Learned,
    measure::{Calls, Measured, Service},
    order::{precise, steps},
    spread::spread,
};

/// Shares beyond these are taken for always, or never: a hundred calls or more show them.
const ALWAYS: f64 = 0.995;
const NEVER: f64 = 0.005;

/// The topology file, and what it does not say.
///
/// # Errors
/// If no service is called from outside.
pub(super) fn write(measured: &Measured) -> Result<Learned, String> {
    let mut notes = Vec::new();
    let entries = if measured.entries.is_empty() { &measured.headless } else { &measured.entries };
    let entry = entries.iter().max_by_key(|(_, count)| **count).map(|(name, _)| name.clone());
    let entry = entry.ok_or("no trace has a call from outside: a server whose caller is unknown")?;
    for (other, count) in entries.iter().filter(|(name, _)| **name != entry) {
        notes.push(format!("{count} traces begin at {other}; the entry is {entry}"));
    }
    let graph = Graph::of(&measured.services, &entry, &mut notes);
    let mut toml = format!("entry = \"{}\"\n", graph.name(&entry));
    let mut edges = String::new();
    let mut faults: Vec<(f64, String)> = Vec::new();
    let mut names = StoreNames::default();
    for service in &graph.services {
        let Some(measured) = measured.services.get(service) else { continue };
        let own = graph.name(service);
        let _ = write!(toml, "\n[[service]]\nname = \"{own}\"\n");
        toml += &calls(&graph, service, measured);
        toml += &names.of(&own, measured, &graph);
        if let Some(work) = spread(measured.work.clone()) {
            let _ = writeln!(toml, "work = \"{work}\"");
        }
        if measured.succeeded > 0 && 2 * measured.partial > measured.failures_of_calls() {
            toml += "policy = \"partial\"\n";
        }
        if measured.succeeded == 0 && measured.answered > 0 {
            notes.push(format!("{own}: no call succeeded, so that its work is unknown"));
        }
        for (code, count) in &measured.failed {
            add_fault(&mut faults, &own, *code, *count, measured.answered);
        }
        for callee in graph.calls(service) {
            let Some(calls) = measured.calls.get(callee) else { continue };
            let at = format!("{own}>{}", graph.name(callee));
            edges += &edge(&at, calls, measured);
            for (code, count) in &calls.unanswered {
                add_fault(&mut faults, &at, *code, *count, calls.made);
            }
        }
    }
    faults.sort_by(|one, other| other.0.total_cmp(&one.0));
    for (_, fault) in faults.iter().skip(MAX_FAULTS) {
        notes.push(format!("beyond the limit of {MAX_FAULTS} faults: {}", fault.replace('\n', " ")));
    }
    toml += &edges;
    for (_, fault) in faults.iter().take(MAX_FAULTS) {
        let _ = write!(toml, "\n[[fault]]\n{fault}");
    }
    Ok(Learned { toml, notes })
}

impl Service {
    /// The calls of its own that failed, as its answers show: those that it passed on, and those that it left out.
    fn failures_of_calls(&self) -> u64 {
        let own: u64 = self.failed.values().sum();
        let failed = self.answered.saturating_sub(self.succeeded).saturating_sub(own);
        failed + self.partial
    }
}

/// The services of the file with their calls, which have no cycle.
struct Graph {
    services: Vec<Text>,
    names: BTreeMap<Text, String>,
    calls: BTreeMap<Text, Vec<Text>>,
    /// The queues that its services publish to.
    published: BTreeSet<Text>,
}

impl Graph {
    fn of(measured: &BTreeMap<Text, Service>, entry: &Text, notes: &mut Vec<String>) -> Self {
        // The entry first, then those that were called most.
        let mut services: Vec<Text> = measured.keys().cloned().collect();
        services.sort_by_key(|name| {
            (name != entry, std::cmp::Reverse(measured.get(name).map_or(0, |service| service.answered)))
        });
        for name in services.iter().skip(MAX_SERVICES) {
            notes.push(format!("{name}: beyond the limit of {MAX_SERVICES} services"));
        }
        services.truncate(MAX_SERVICES);
        let names = service_names(&services, notes);
        let mut all: Vec<(u64, &Text, &Text)> = Vec::new();
        for caller in &services {
            for (callee, calls) in measured.get(caller).map(|service| &service.calls).into_iter().flatten() {
                if services.contains(callee) {
                    all.push((calls.made, caller, callee));
                } else {
                    notes.push(format!("{caller}>{callee}: {} calls, and {callee} has no spans", calls.made));
                }
            }
        }
        all.sort_by_key(|(made, ..)| std::cmp::Reverse(*made));
        let published = services.iter().filter_map(|name| measured.get(name)?.publishes.clone()).collect();
        let mut graph = Self { services: services.clone(), names, calls: BTreeMap::new(), published };
        for (made, caller, callee) in all {
            if graph.reaches(callee, caller) {
                notes.push(format!("{caller}>{callee}: {made} calls, which close a cycle, are left out"));
            } else {
                graph.calls.entry(caller.clone()).or_default().push(callee.clone());
            }
        }
        for callees in graph.calls.values_mut() {
            callees.sort();
        }
        graph
    }

    fn reaches(&self, from: &Text, to: &Text) -> bool {
        let mut seen = BTreeSet::new();
        let mut left = vec![from];
        while let Some(name) = left.pop() {
            if name == to {
                return true;
            }
            if seen.insert(name) {
                left.extend(self.calls(name));
            }
        }
        false
    }

    fn calls(&self, service: &Text) -> &[Text] {
        self.calls.get(service).map(Vec::as_slice).unwrap_or_default()
    }

    fn publishes(&self, queue: &Text) -> bool {
        self.published.contains(queue)
    }

    fn name(&self, service: &Text) -> String {
        self.names.get(service).cloned().unwrap_or_else(|| service.to_string())
    }
}

/// A valid name for each service.
fn service_names(services: &[Text], notes: &mut Vec<String>) -> BTreeMap<Text, String> {
    let mut names: BTreeMap<Text, String> = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for service in services {
        let letters: String = service
            .chars()
            .map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' })
            .collect();
        let short: String = letters.trim_matches('-').chars().take(50).collect();
        let mut name = short.trim_end_matches('-').to_owned();
        if name.parse::<ServiceName>().is_err() || !is_label(&name) {
            let prefixed = format!("service-{name}");
            prefixed.trim_end_matches('-').clone_into(&mut name);
        }
        let base = name.clone();
        let mut number = 1;
        while !taken.insert(name.clone()) {
            number += 1;
            name = format!("{base}-{number}");
        }
        if *name != **service {
            notes.push(format!("{service:?} is called {name}"));
        }
        names.insert(service.clone(), name);
    }
    names
}

fn calls(graph: &Graph, service: &Text, measured: &Service) -> String {
    let callees: Vec<Text> = graph
        .calls(service)
        .iter()
        .filter(|callee| measured.calls.get(*callee).is_some_and(|calls| share(calls, measured) > NEVER))
        .cloned()
        .collect();
    let quoted = |step: &Vec<Text>| {
        let names: Vec<_> = step.iter().map(|name| format!("\"{}\"", graph.name(name))).collect();
        format!("[{}]", names.join(", "))
    };
    match steps(&callees, &measured.pairs).as_slice() {
        [] => String::new(),
        [step] => format!("calls = {}\n", quoted(step)),
        steps => format!("calls = [{}]\n", steps.iter().map(quoted).collect::<Vec<_>>().join(", ")),
    }
}

/// The share of answers in which the call is made. Where none succeeded, every call counts.
fn share(calls: &Calls, measured: &Service) -> f64 {
    if measured.succeeded == 0 {
        return 1.0;
    }
    precise(calls.successes_with) / precise(measured.succeeded)
}

fn edge(at: &str, calls: &Calls, measured: &Service) -> String {
    let share = share(calls, measured);
    let mut fields = String::new();
    if share <= NEVER {
        return fields;
    }
    if share < ALWAYS {
        let _ = writeln!(fields, "share = \"{}%\"", percent(share));
    }
    let times = (precise(calls.in_successes) / precise(calls.successes_with.max(1))).round();
    if (2.0..=100.0).contains(&times) {
        let _ = writeln!(fields, "times = {times:.0}");
    }
    if fields.is_empty() { fields } else { format!("\n[[edge]]\nat = \"{at}\"\n{fields}") }
}

/// A fault of this share of all calls.
fn add_fault(faults: &mut Vec<(f64, String)>, at: &str, code: Code, count: u64, of: u64) {
    let share = precise(count) / precise(of.max(1));
    if share <= NEVER {
        return;
    }
    let mut fault = format!("at = \"{at}\"\nabort = \"{}\"\n", code.name());
    if share < ALWAYS {
        let _ = writeln!(fault, "share = \"{}%\"", percent(share));
    }
    faults.push((share, fault));
}

/// To a tenth, without a zero at its end.
fn percent(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// The names of stores, which no two services share.
#[derive(Default)]
struct StoreNames(BTreeSet<String>);

impl StoreNames {
    /// The fields of a service's store and queues.
    fn of(&mut self, own: &str, measured: &Service, graph: &Graph) -> String {
        let mut text = String::new();
        let is_queue = |queue: &&Text| queue.parse::<QueueName>().is_ok();
        let consumed = measured.consumes.as_ref().filter(is_queue);
        if measured.store.is_some() || consumed.is_some() {
            let (database, collection) = measured.store.clone().unwrap_or_default();
            let database = database.filter(|name| name.parse::<DatabaseName>().is_ok());
            let collection = collection.filter(|name| name.parse::<CollectionName>().is_ok());
            let database = database.map_or_else(|| own.to_owned(), |name| name.to_string());
            let mut collection = collection.map_or_else(|| "documents".to_owned(), |name| name.to_string());
            if !self.0.insert(format!("{database}/{collection}")) {
                own.clone_into(&mut collection);
                self.0.insert(format!("{database}/{collection}"));
            }
            let _ = writeln!(text, "store = {{ database = \"{database}\", collection = \"{collection}\" }}");
        }
        if let Some(queue) = measured.publishes.as_ref().filter(is_queue) {
            let _ = writeln!(text, "publishes = \"{queue}\"");
        }
        if let Some(queue) = consumed.filter(|queue| graph.publishes(queue)) {
            let _ = writeln!(text, "consumes = \"{queue}\"");
        }
        text
    }
}
