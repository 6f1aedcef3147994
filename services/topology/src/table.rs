//! The topology as a table.

use std::{fmt::Write as _, iter};

use octet_fault::Fault;

use crate::{
    edge::EdgeSettings,
    model::{Service, Topology},
};

/// One line per service, in declared order, below a line of headings; `-` marks an empty cell. Below them the calls and the
/// faults whose settings differ from the default.
///
/// The greeting is the last column: terminals disagree on the width of its scripts, so no column can be aligned after
/// it.
pub fn table(topology: &Topology) -> String {
    let has_behaviour = topology.services().iter().any(|service| !behaviour(service).is_empty());
    let mut headings: Vec<_> = ["service", "calls", "store", "queue", "policy"].map(str::to_owned).into();
    if has_behaviour {
        headings.push("behaviour".to_owned());
    }
    headings.push("greeting".to_owned());
    let rows = topology.services().iter().map(|service| cells(service, has_behaviour));
    let mut text = aligned(&iter::once(headings).chain(rows).collect::<Vec<_>>());

    let edges = topology.calls().filter_map(|(caller, callee)| {
        let settings = topology.edge(caller, callee);
        (settings != EdgeSettings::default()).then(|| vec![format!("{caller}>{callee}"), settings.summary()])
    });
    let edges: Vec<_> = edges.collect();
    // Writing to a String cannot fail.
    if !edges.is_empty() {
        let headings = vec!["call".to_owned(), "settings".to_owned()];
        let _ = write!(text, "\n{}", aligned(&iter::once(headings).chain(edges).collect::<Vec<_>>()));
    }
    if !topology.faults().is_empty() {
        let faults: Vec<_> = topology.faults().iter().map(Fault::to_string).collect();
        let _ = write!(text, "\nfault\n{}\n", faults.join("\n"));
    }
    if let Some(seed) = topology.seed() {
        let _ = write!(text, "\nseed {seed}\n");
    }
    text
}

/// Columns as wide as their widest cell; the last is not padded.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len).saturating_sub(1);
    let mut widths = vec![0; columns];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    let line = |row: &Vec<String>| {
        let padded: Vec<_> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  ")).collect();
        format!("{}{}\n", padded.concat(), row.last().map_or("", |last| last))
    };
    rows.iter().map(line).collect::<Vec<_>>().concat()
}

/// All ASCII by the rules of names, except for the greeting, so that a cell's width is its length.
fn cells(service: &Service, has_behaviour: bool) -> Vec<String> {
    let steps = service.steps.iter().map(|step| {
        let calls: Vec<_> = step.iter().map(AsRef::as_ref).collect();
        calls.join(", ")
    });
    let steps: Vec<_> = steps.collect();
    let store = service.store.as_ref().map(ToString::to_string);
    let publishes = service.publishes.as_ref().map(|queue| format!("publishes {queue}"));
    let consumes = service.consumes.as_ref().map(|queue| format!("consumes {queue}"));
    let queues: Vec<_> = publishes.into_iter().chain(consumes).collect();

    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let mut cells = vec![
        service.name.to_string(),
        or_dash(steps.join("; then ")),
        or_dash(store.unwrap_or_default()),
        or_dash(queues.join(", ")),
        service.policy.to_string(),
    ];
    if has_behaviour {
        cells.push(or_dash(behaviour(service)));
    }
    cells.push(service.greeting.to_string());
    cells
}

/// Replicas and behaviour in a few words; empty for the default.
pub(crate) fn behaviour(service: &Service) -> String {
    let replicas = (service.replicas != 1).then(|| format!("{} replicas", service.replicas));
    let limit = service.behaviour.limit;
    let words = service.behaviour.fields().into_iter().map(|(field, value)| match (field, limit) {
        ("limit", Some(limit)) => format!("limit {} queue {}", limit.concurrent, limit.queue),
        _ => format!("{field} {value}"),
    });
    replicas.into_iter().chain(words).collect::<Vec<_>>().join(", ")
}
