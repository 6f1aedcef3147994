//! The topology as a table.

use std::iter;

use crate::model::{Service, Topology};

/// One line per service, in declared order, below a line of headings; `-` marks an empty cell.
///
/// The greeting is the last column: terminals disagree on the width of its scripts, so no column can be aligned after
/// it.
pub fn table(topology: &Topology) -> String {
    let headings = ["service", "calls", "store", "queue", "policy"].map(str::to_owned);
    let rows: Vec<_> = iter::once((headings, "greeting"))
        .chain(topology.services().iter().map(|service| (cells(service), service.greeting.as_str())))
        .collect();

    let mut widths = [0; 5];
    for (cells, _) in &rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = cell.len().max(*width);
        }
    }

    let line = |(cells, greeting): &([String; 5], &str)| {
        let padded: Vec<_> =
            cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}  ")).collect();
        format!("{}{greeting}\n", padded.concat())
    };
    rows.iter().map(line).collect::<Vec<_>>().concat()
}

/// All ASCII by the rules of names, so that a cell's width is its length.
fn cells(service: &Service) -> [String; 5] {
    let calls: Vec<_> = service.calls.iter().map(AsRef::as_ref).collect();
    let store = service.store.as_ref().map(ToString::to_string);
    let publishes = service.publishes.as_ref().map(|queue| format!("publishes {queue}"));
    let consumes = service.consumes.as_ref().map(|queue| format!("consumes {queue}"));
    let queues: Vec<_> = publishes.into_iter().chain(consumes).collect();

    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    [
        service.name.to_string(),
        or_dash(calls.join(", ")),
        or_dash(store.unwrap_or_default()),
        or_dash(queues.join(", ")),
        service.policy.to_string(),
    ]
}
