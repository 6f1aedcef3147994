//! Reads scenario files: validated whole, every finding with its line and column.

pub(super) mod expect;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use octet_fault::{duration_text, parse_duration, read_fields};
use octet_load::{DEFAULT_TIMEOUT, DEFAULT_USERS, MAX_DURATION, MAX_RATE, MAX_TIMEOUT, MAX_USERS};
use octet_topology::{
    Findings, Topology,
    document::{self, Fields, Position, Reporter, Text, quoted},
    suggest,
};

use super::model::{Action, Load, MAX_REQUESTS, Scenario, TimedFault, Verb};
use crate::runner::SET_FOR_EACH_PROCESS;

pub(super) const FIELDS: [&str; 8] =
    ["title", "seed", "topology", "environment", "load", "fault", "action", "expect"];
pub(super) const LOAD_FIELDS: [&str; 5] = ["rate", "users", "for", "timeout", "warm_up"];
pub(super) const ACTION_FIELDS: [&str; 4] = ["at", "do", "from", "for"];

/// The variables that a scenario sets, beside those of each process.
pub(super) const SET_BY_SCENARIO: [&str; 2] = ["SEED", "TOPOLOGY"];

/// Tables of one kind.
pub(super) const MAX_TABLES: usize = 64;

/// Requests that may wait at a time in an open loop, unless the file says otherwise: those of about two seconds.
const OPEN_LOOP_USERS: (u32, u32) = (25, 1_000);

/// Reads the topology file of this name: the topology and its text, or its findings.
pub(crate) type ReadTopology<'a> = dyn Fn(&str) -> Result<(Topology, String), String> + 'a;

/// Reads a scenario. `topology` reads the topology that it names.
///
/// # Errors
/// Every finding.
pub(crate) fn parse(text: &str, origin: &str, topology: &ReadTopology<'_>) -> Result<Scenario, Findings> {
    document::parse(text, origin, |fields, reporter| scenario(fields, topology, reporter))
}

fn scenario(fields: &Fields<'_>, topology: &ReadTopology<'_>, reporter: &mut Reporter) -> Option<Scenario> {
    fields.refuse_others(&FIELDS, reporter);
    let title = fields.required_text("title", reporter);
    if let Some(title) = &title
        && (title.value.trim().is_empty()
            || title.value.len() > 200
            || title.value.contains(char::is_control))
    {
        reporter.report(&title.position, "must be one line of 1 to 200 bytes");
    }
    let seed = fields.number("seed", reporter);
    if let Some(seed) = seed.as_ref().filter(|seed| seed.value.is_none()) {
        reporter.report(&seed.position, "must be a whole number that is not negative");
    }
    let mesh = mesh(fields, topology, reporter);
    let environment = environment(fields, reporter);
    let load = load(fields, reporter);
    let lasting = load.as_ref().map_or(MAX_DURATION, |load| load.lasting);
    // Without a valid topology nothing can be checked against it, and its own findings come first.
    let topology = mesh.as_ref().map(|(topology, _)| topology);
    let faults = faults(fields, topology, lasting, reporter);
    let actions = actions(fields, topology, lasting, reporter);
    let has_disturbance = !(faults.is_empty() && actions.is_empty());
    let expectations = expect::expectations(fields, topology, has_disturbance, reporter);
    expect::check_counters(fields, &actions, reporter);
    let (topology, topology_text) = mesh?;
    Some(Scenario {
        title: title?.value.to_owned(),
        seed: seed.and_then(|seed| seed.value),
        topology,
        topology_text,
        has_own_topology: fields.keys().iter().any(|(key, _)| key == "topology"),
        environment,
        load: load?,
        faults,
        actions,
        expectations,
    })
}

fn mesh(fields: &Fields<'_>, read: &ReadTopology<'_>, reporter: &mut Reporter) -> Option<(Topology, String)> {
    let Some((position, _)) =
        fields.keys().into_iter().find(|(key, _)| key == "topology").map(|(key, at)| (at, key))
    else {
        return Topology::built_in().ok().map(|topology| (topology, Topology::BUILT_IN.to_owned()));
    };
    let name = fields.text("topology", reporter)?;
    let is_beside = Path::new(name.value)
        .components()
        .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir));
    if !is_beside {
        reporter.report(&name.position, "must be the path of a file in the scenario's directory or below");
        return None;
    }
    match read(name.value) {
        Ok(mesh) => Some(mesh),
        Err(problems) => {
            for problem in problems.lines() {
                reporter.report(&position, problem);
            }
            None
        }
    }
}

fn environment(fields: &Fields<'_>, reporter: &mut Reporter) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    let Some(table) = fields.table("environment", reporter) else { return environment };
    for (name, position) in table.keys() {
        let is_name =
            name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if !is_name || name.len() > 64 {
            reporter.report(&position, "must be the name of an environment variable, such as CONNECT_WAIT");
        } else if SET_FOR_EACH_PROCESS.contains(&name.as_str()) || SET_BY_SCENARIO.contains(&name.as_str()) {
            reporter.report(&position, "is set for each process by `octet scenario`");
        } else if environment.len() >= MAX_TABLES {
            reporter.report(&position, format!("must have at most {MAX_TABLES} variables"));
            break;
        } else if let Some(value) = table.text(&name, reporter) {
            environment.insert(name, value.value.to_owned());
        }
    }
    environment
}

fn load(fields: &Fields<'_>, reporter: &mut Reporter) -> Option<Load> {
    let Some(table) = fields.table("load", reporter) else {
        if !fields.keys().iter().any(|(key, _)| key == "load") {
            reporter.report(&fields.position_of("load", fields.position.offset), "missing");
        }
        return None;
    };
    table.refuse_others(&LOAD_FIELDS, reporter);
    let rate = table.text("rate", reporter);
    let parsed = rate.as_ref().and_then(|rate| {
        let number = rate.value.strip_suffix("/s").and_then(|number| number.trim().parse().ok());
        let number = number.filter(|number| (1..=MAX_RATE).contains(number));
        if number.is_none() {
            reporter.report(
                &rate.position,
                format!("must be a rate such as \"200/s\", from 1/s to {MAX_RATE}/s"),
            );
        }
        number
    });
    let users = table.number("users", reporter).and_then(|users| {
        let number = users.value.and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| (1..=MAX_USERS).contains(number));
        if number.is_none() {
            reporter.report(&users.position, format!("must be a whole number from 1 to {MAX_USERS}"));
        }
        number
    });
    let least = Duration::from_secs(1);
    if !table.keys().iter().any(|(key, _)| key == "for") {
        reporter.report(&table.position_of("for", table.position.offset), "missing");
    }
    let lasting = duration(&table, "for", least, MAX_DURATION, reporter);
    let timeout = duration(&table, "timeout", Duration::from_millis(10), MAX_TIMEOUT, reporter);
    let warm_up = duration(&table, "warm_up", Duration::ZERO, MAX_DURATION, reporter).unwrap_or_default();
    let lasting = lasting?;
    if let Some(rate) = parsed
        && u128::from(rate) * lasting.as_millis() / 1_000 > u128::from(MAX_REQUESTS)
    {
        reporter.report(&table.position, format!("must be at most {MAX_REQUESTS} requests"));
    }
    let (least, most) = OPEN_LOOP_USERS;
    let default = parsed.map_or(DEFAULT_USERS, |rate| rate.saturating_mul(2).clamp(least, most));
    Some(Load {
        rate: parsed,
        users: users.unwrap_or(default),
        lasting,
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
        warm_up,
    })
}

fn faults(
    fields: &Fields<'_>,
    topology: Option<&Topology>,
    load: Duration,
    reporter: &mut Reporter,
) -> Vec<TimedFault> {
    let mut faults = Vec::new();
    for table in fields.tables("fault", MAX_TABLES, reporter) {
        let from = duration(&table, "from", Duration::ZERO, load, reporter).unwrap_or_default();
        let read = table.fault(&["from"], reporter);
        match read_fields(&read, &table.position) {
            Ok(fault) => {
                if let Some(Err(problem)) = topology.map(|topology| topology.check_fault(&fault)) {
                    let at = read.iter().find(|field| field.key == "at");
                    reporter.report(at.map_or(&table.position, |at| &at.value_at), problem);
                }
                let until = fault.lasts().map_or(load, |lasting| (from + lasting).min(load));
                faults.push(TimedFault { fault, from, until });
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

fn actions(
    fields: &Fields<'_>,
    topology: Option<&Topology>,
    load: Duration,
    reporter: &mut Reporter,
) -> Vec<Action> {
    let mut actions = Vec::new();
    for table in fields.tables("action", MAX_TABLES, reporter) {
        table.refuse_others(&ACTION_FIELDS, reporter);
        let at = table.required_text("at", reporter);
        let verb = table.required_text("do", reporter).and_then(|text| {
            let verb = Verb::ALL.iter().find(|(name, _)| *name == text.value).map(|(_, verb)| *verb);
            if verb.is_none() {
                let names: Vec<_> = Verb::ALL.iter().map(|(name, _)| *name).collect();
                reporter.report(&text.position, format!("must be one of {}", names.join(", ")));
            }
            verb
        });
        let from = duration(&table, "from", Duration::ZERO, load, reporter).unwrap_or_default();
        let lasting = duration(&table, "for", Duration::from_millis(1), load, reporter);
        if lasting.is_some()
            && verb.is_some_and(|verb| !matches!(verb, Verb::Kill | Verb::Stop | Verb::Freeze))
        {
            let position = table.position_of("for", table.position.offset);
            reporter.report(&position, "has a meaning with kill, stop and freeze only");
        }
        let (Some(at), Some(verb), Some(topology)) = (at, verb, topology) else { continue };
        if let Some(processes) = processes(&at, verb, topology, reporter) {
            actions.push(Action { at: at.value.to_owned(), processes, verb, from, lasting });
        }
    }
    actions
}

/// The processes that an action is about.
fn processes(at: &Text<'_>, verb: Verb, topology: &Topology, reporter: &mut Reporter) -> Option<Vec<String>> {
    if verb == Verb::Poison {
        let publisher = topology.services().iter().find(|service| service.name.as_str() == at.value);
        if publisher.is_none_or(|service| service.publishes.is_none()) {
            reporter.report(&at.position, "must be a service that publishes to a queue");
            return None;
        }
        return Some(vec![at.value.to_owned()]);
    }
    let all = process_names(topology);
    let service = |name: &str| name.split('#').next().unwrap_or_default().to_owned();
    let chosen: Vec<_> = all
        .iter()
        .filter(|name| {
            let is_any = at.value == "*" && !["gateway", "collector"].contains(&name.as_str());
            is_any || name.as_str() == at.value || service(name) == at.value
        })
        .cloned()
        .collect();
    if chosen.is_empty() {
        reporter.report(&at.position, unknown_process(at.value, &all));
        return None;
    }
    Some(chosen)
}

/// The processes of a mesh that actions and expectations may name.
pub(super) fn process_names(topology: &Topology) -> BTreeSet<String> {
    let mut names = BTreeSet::from(["collector".to_owned(), "gateway".to_owned()]);
    for service in topology.services() {
        if service.replicas == 1 {
            names.insert(service.name.to_string());
        }
        names.extend(
            (1..=service.replicas).filter(|_| service.replicas > 1).map(|n| format!("{}#{n}", service.name)),
        );
    }
    names
}

pub(super) fn unknown_process(name: &str, all: &BTreeSet<String>) -> String {
    let meant = suggest(name, all.iter().map(String::as_str));
    let hint = meant.map(|meant| format!("; did you mean {meant:?}?")).unwrap_or_default();
    format!("{} is not a process of this mesh{hint}", quoted(name))
}

/// A duration within limits; `None` if the field is absent or invalid.
pub(super) fn duration(
    fields: &Fields<'_>,
    key: &str,
    least: Duration,
    most: Duration,
    reporter: &mut Reporter,
) -> Option<Duration> {
    let text = fields.text(key, reporter)?;
    let parsed = parse_duration(text.value).filter(|duration| (least..=most).contains(duration));
    if parsed.is_none() {
        let (least, most) = (duration_text(least), duration_text(most));
        let message =
            format!("{} must be a duration such as 500ms or 30s, from {least} to {most}", quoted(text.value));
        reporter.report(&text.position, message);
    }
    parsed
}

/// A finding at the start of a field.
pub(super) fn at_field(fields: &Fields<'_>, key: &str) -> Position {
    let key_at = fields.keys().into_iter().find(|(name, _)| name == key).map(|(_, position)| position);
    key_at.unwrap_or_else(|| fields.position.clone())
}

#[cfg(test)]
mod tests;
