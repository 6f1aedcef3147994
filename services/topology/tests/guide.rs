//! The user's guide and the reference show topologies and their errors; what they show must be what users get.
#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use octet_topology::{
    MAX_BYTES, MAX_EDGES, MAX_GREETINGS, MAX_PROCESSES, MAX_REPLICAS, MAX_SERVICES, Topology,
};

const GUIDE: &str = include_str!("../../../docs/guide.md");
const REFERENCE: &str = include_str!("../../../docs/topology.md");

/// The fenced blocks of a document with the word behind their opening fence.
fn blocks(document: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let body: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((kind.to_owned(), body.join("\n")));
        }
    }
    blocks
}

#[test]
fn each_topology_that_is_shown_parses_or_has_the_errors_shown_after_it() {
    assert_eq!(check_topologies(GUIDE), (1, 1), "topologies found in docs/guide.md");
    assert_eq!(check_topologies(REFERENCE), (2, 1), "topologies found in docs/topology.md");
}

/// Returns how many topologies of the document are valid, and how many are not.
fn check_topologies(document: &str) -> (usize, usize) {
    let mut parsed = 0;
    let mut refused = 0;
    let mut blocks = blocks(document).into_iter().peekable();
    while let Some((kind, text)) = blocks.next() {
        if kind != "toml" {
            continue;
        }
        let errors = Topology::parse(&text, "my.toml").map_err(|errors| errors.to_string()).err();
        let shown = blocks.next_if(|(kind, _)| kind == "text").map(|(_, shown)| shown);
        assert_eq!(errors, shown, "of this topology:\n{text}");
        if shown.is_some() { refused += 1 } else { parsed += 1 }
    }
    (parsed, refused)
}

#[test]
fn the_reference_has_a_row_for_each_field_and_names_the_limits() {
    let text = "x = 1\nentry = 'a'\n[defaults]\nx = 1\n[[service]]\nname = 'a'\nx = 1\nstore = { x = 1 }\n\
        limit = { x = 1 }\n[[edge]]\nx = 1\nretry = { x = 1 }\n[[fault]]\nx = 1";
    let errors = Topology::parse(text, "t").unwrap_err();
    let fields = errors.iter().filter_map(|error| {
        let (_, fields) = error.message.split_once("fields are: ")?;
        let table = error.path.trim_end_matches('x').replace("[0]", "");
        Some(fields.split(", ").map(|field| format!("| `{table}{field}` |")).collect::<Vec<_>>())
    });
    let mut fields: Vec<_> = fields.flatten().collect();
    // Tables have no rows, but their fields have; and a default is described with its service.
    let tables = ["| `service` |", "| `edge` |", "| `fault` |", "| `defaults` |"];
    fields.retain(|row| !tables.contains(&row.as_str()) && !row.starts_with("| `defaults."));
    assert_eq!(fields.len(), 50, "{fields:?}");
    let limits = [
        format!("{} KiB", MAX_BYTES / 1024),
        format!("{MAX_SERVICES} services"),
        format!("{MAX_REPLICAS} replicas"),
        format!("{MAX_PROCESSES} processes"),
        format!("{MAX_EDGES} `[[edge]]`"),
        format!("{} `[[fault]]`", octet_fault::MAX_FAULTS),
        format!("{},{:03} greetings", MAX_GREETINGS / 1000, MAX_GREETINGS % 1000),
    ];
    for expected in fields.iter().chain(&limits) {
        assert!(REFERENCE.contains(expected.as_str()), "docs/topology.md lacks {expected:?}");
    }
}
