//! The user's guide shows topologies and their errors; what it shows must be what users get.
#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use octet_topology::{MAX_BYTES, MAX_GREETINGS, MAX_SERVICES, Topology};

const GUIDE: &str = include_str!("../../../docs/guide.md");

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
fn each_topology_of_the_guide_parses_or_has_the_errors_shown_after_it() {
    let mut parsed = 0;
    let mut refused = 0;
    let mut blocks = blocks(GUIDE).into_iter().peekable();
    while let Some((kind, text)) = blocks.next() {
        if kind != "toml" {
            continue;
        }
        let errors = Topology::parse(&text, "my.toml").map_err(|errors| errors.to_string()).err();
        let shown = blocks.next_if(|(kind, _)| kind == "text").map(|(_, shown)| shown);
        assert_eq!(errors, shown, "of this topology:\n{text}");
        if shown.is_some() { refused += 1 } else { parsed += 1 }
    }
    assert_eq!((parsed, refused), (1, 1), "topologies found in docs/guide.md");
}

#[test]
fn the_guide_has_a_row_for_each_field_and_names_the_limits() {
    let text = "x = 1\nentry = 'a'\n[[service]]\nname = 'a'\ngreeting = 'a'\nx = 1\nstore = { x = 1 }";
    let errors = Topology::parse(text, "t").unwrap_err();
    let fields = errors.iter().filter_map(|error| {
        let (_, fields) = error.message.split_once("fields are: ")?;
        let table = error.path.trim_end_matches('x').replace("[0]", "");
        Some(fields.split(", ").map(|field| format!("| `{table}{field}` |")).collect::<Vec<_>>())
    });
    let mut fields: Vec<_> = fields.flatten().collect();
    // The array of tables itself has no row: its fields have.
    fields.retain(|row| row != "| `service` |");
    assert_eq!(fields.len(), 10, "{fields:?}");
    let limits = [
        format!("{} KiB", MAX_BYTES / 1024),
        format!("{MAX_SERVICES} services"),
        format!("{},{:03} greetings", MAX_GREETINGS / 1000, MAX_GREETINGS % 1000),
    ];
    for expected in fields.iter().chain(&limits) {
        assert!(GUIDE.contains(expected.as_str()), "docs/guide.md lacks {expected:?}");
    }
}
