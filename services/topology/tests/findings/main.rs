//! Every finding that a topology can have, with its path and message.
#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

mod language;
mod limits;
mod relations;
mod shape;
mod syntax;
mod values;

use octet_topology::Topology;

/// The findings of `text`, one a line, as displayed.
fn findings(text: &str) -> Vec<String> {
    match Topology::parse(text, "t") {
        Ok(_) => Vec::new(),
        Err(findings) => {
            assert_eq!(findings.to_string().lines().count(), findings.len(), "one line per finding");
            findings.to_string().lines().map(str::to_owned).collect()
        }
    }
}

/// A valid topology of service-a and service-b, with `a` added to the first (line 5) and `b` to the second (line 9).
fn mesh(a: &str, b: &str) -> String {
    format!(
        "entry = 'service-a'\n[[service]]\nname = 'service-a'\ngreeting = 'A'\n{a}\n[[service]]\n\
         name = 'service-b'\ngreeting = 'B'\n{b}\n"
    )
}

/// Checks that each text has exactly the expected findings, one a line: (what, text, findings).
fn assert_faults(cases: &[(&str, String, &str)]) {
    for (what, text, expected) in cases {
        assert_eq!(findings(text).join("\n"), *expected, "{what}");
    }
}

#[test]
fn a_valid_topology_has_no_findings() {
    assert!(findings(&mesh("", "")).is_empty());
}

#[test]
fn findings_of_all_kinds_are_reported_at_once_in_the_order_of_the_text() {
    let text = r#"entry = "service-z"
colour = "blue"

[[service]]
name = "service-a"
calls = ["service-b", "service-x", 7]

[[service]]
name = "Service B"
greeting = "שָׁלוֹם"
policy = "maybe"
consumes = "nowhere"

[[service]]
greeting = "  "
calls = ["service-a", "service-a"]
store = { database = "a/b", colection = "c" }
"#;
    let known = r#"services are: service-a, "Service B""#;
    let expected = [
        &format!(r#"t:1:9: entry: "service-z" is not a service; {known}"#),
        "t:2:1: colour: unknown field; fields are: entry, seed, defaults, service, edge, fault",
        &format!(r#"t:6:10: service[0].calls[0]: "service-b" is not a service; {known}"#),
        &format!(r#"t:6:23: service[0].calls[1]: "service-x" is not a service; {known}"#),
        "t:6:36: service[0].calls[2]: must be a string, not an integer",
        r#"t:9:8: service[1].name: "Service B" is not a service name: use 1 to 63 lower-case letters, digits and '-', starting with a letter and not ending with '-'"#,
        r#"t:11:10: service[1].policy: "maybe" is not a policy: use strict or partial"#,
        r#"t:12:12: service[1].consumes: no service publishes to "nowhere""#,
        "t:12:12: service[1].consumes: a consumer needs a store",
        "t:14:1: service[2].name: missing",
        r#"t:15:12: service[2].greeting: "  " is not a greeting: it is blank"#,
        r#"t:16:23: service[2].calls[1]: "service-a" is already in service[2].calls[0]"#,
        "t:17:9: service[2].store.collection: missing",
        r#"t:17:22: service[2].store.database: "a/b" is not a database name: use 1 to 63 letters, digits, '-' and '_'"#,
        "t:17:29: service[2].store.colection: unknown field; fields are: database, collection",
    ];
    assert_eq!(findings(text), expected);
}

#[test]
fn a_finding_has_its_path_line_and_column_in_separate_fields() {
    let findings = Topology::parse(&mesh("calls = ['service-x']", ""), "topology.toml").unwrap_err();
    let finding = findings.iter().next().unwrap();
    assert_eq!((findings.len(), findings.origin()), (1, "topology.toml"));
    assert_eq!((finding.path.as_str(), finding.line, finding.column), ("service[0].calls[0]", 5, 10));
    assert!(finding.message.starts_with("\"service-x\" is not a service"));
}

#[test]
fn columns_count_characters() {
    let text = "service = [{ greeting = 'こんにちは', name = 'a', policy = 1 }]\nentry = 'a'";
    assert_eq!(findings(text), ["t:1:55: service[0].policy: must be a string, not an integer"]);
}
