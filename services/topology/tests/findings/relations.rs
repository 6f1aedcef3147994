//! Invalid references between the parts of a topology.

use crate::{assert_faults, findings, mesh};

#[test]
fn invalid_references_are_reported() {
    let two = "[[service]]\nname = 'a'\ngreeting = 'A'\n";
    assert_faults(&[
        (
            "an unknown entry",
            format!("entry = 'x'\n{two}"),
            r#"t:1:9: entry: "x" is not a service; services are: a"#,
        ),
        (
            "a duplicate name",
            format!("{}[[service]]\nname = 'service-b'\ngreeting = 'B'", mesh("", "")),
            r#"t:11:8: service[2].name: "service-b" is already the name of service[1]"#,
        ),
        (
            "an unknown upstream",
            mesh("calls = ['service-b', 'service-x']", ""),
            r#"t:5:23: service[0].calls[1]: "service-x" is not a service; services are: service-a, service-b"#,
        ),
        (
            "an upstream called twice",
            mesh("calls = ['service-b', 'service-b']", ""),
            r#"t:5:23: service[0].calls[1]: "service-b" is already in service[0].calls[0]"#,
        ),
        (
            "a service that calls itself",
            mesh("calls = ['service-a']", ""),
            r#"t:5:10: service[0].calls[0]: "service-a" calls itself"#,
        ),
        (
            "a cycle",
            mesh("calls = ['service-b']", "calls = ['service-a']"),
            "t:9:10: service[1].calls[0]: calls form a cycle: service-a -> service-b -> service-a",
        ),
        (
            "a shared store",
            mesh(
                "store = { database = 'd', collection = 'c' }",
                "store = { database = 'd', collection = 'c' }",
            ),
            "t:9:9: service[1].store: is already the store of service[0]; each service needs its own",
        ),
        (
            "databases that differ only in case",
            mesh(
                "store = { database = 'd', collection = 'c' }",
                "store = { database = 'D', collection = 'e' }",
            ),
            r#"t:9:22: service[1].store.database: differs from the database "d" only in case"#,
        ),
        (
            "a consumed queue without a publisher",
            mesh("store = { database = 'd', collection = 'c' }\nconsumes = 'q'", ""),
            r#"t:6:12: service[0].consumes: no service publishes to "q""#,
        ),
        (
            "a consumer without a store",
            mesh("publishes = 'q'", "consumes = 'q'"),
            "t:9:12: service[1].consumes: a consumer needs a store",
        ),
    ]);
}

#[test]
fn every_call_that_closes_a_cycle_is_reported() {
    let text = r#"
entry = "a"
service = [
  { name = "a", greeting = "A", calls = ["b"] },
  { name = "b", greeting = "B", calls = ["c", "a"] },
  { name = "c", greeting = "C", calls = ["b", "a"] },
]"#;
    let cycles = ["b -> c -> b", "a -> b -> c -> a", "a -> b -> a"];
    let found = findings(text);
    assert_eq!(found.len(), cycles.len());
    for cycle in cycles {
        assert!(
            found.iter().any(|finding| finding.ends_with(&format!("cycle: {cycle}"))),
            "{cycle}: {found:?}"
        );
    }
}

#[test]
fn unusual_but_allowed_topologies_have_no_findings() {
    let store = |collection: &str| format!("store = {{ database = 'd', collection = '{collection}' }}");
    let cases = [
        ("a published queue without a consumer", mesh("publishes = 'q'", "")),
        ("two publishers of one queue", mesh("publishes = 'q'", "publishes = 'q'")),
        (
            "two consumers of one queue",
            mesh(
                &format!("publishes = 'q'\nconsumes = 'q'\n{}", store("c")),
                &format!("consumes = 'q'\n{}", store("d")),
            ),
        ),
        ("an unreachable service", mesh("", "")),
    ];
    for (what, text) in cases {
        assert_eq!(findings(&text), [""; 0], "{what}");
    }
}
