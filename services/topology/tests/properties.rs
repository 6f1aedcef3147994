//! Properties of any text and any graph.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by its panic")]

use std::fmt::Write;

use octet_topology::{MAX_GREETINGS, ServiceName, Topology};
use proptest::{collection::vec, prelude::*, sample::Index};

/// Upstreams of each service, by number; service 0 is the entry.
type Graph = Vec<Vec<usize>>;

/// The graph as a file, with the services in the order of `declared`, so that the entry is not always first.
fn to_toml(graph: &Graph, declared: &[usize]) -> String {
    let mut text = "entry = 's0'\n".to_owned();
    for service in declared {
        let calls: Vec<_> = graph[*service].iter().map(|upstream| format!("'s{upstream}'")).collect();
        writeln!(text, "[[service]]\nname = 's{service}'\ngreeting = 'x'\ncalls = [{}]", calls.join(", "))
            .unwrap();
    }
    text
}

/// The services at the ends of all paths from `service` down, in declared order.
fn paths(graph: &Graph, service: usize, ends: &mut Vec<String>) {
    ends.push(format!("s{service}"));
    for upstream in &graph[service] {
        paths(graph, *upstream, ends);
    }
}

/// Graphs in which services call only services with a greater number, in any order, with any order of declaration.
fn acyclic(min_services: usize) -> impl Strategy<Value = (Graph, Vec<usize>)> {
    (min_services..9).prop_flat_map(|count| {
        let calls: Vec<_> = (0..count)
            .map(|service| {
                let upstreams: Vec<_> = (service + 1..count).collect();
                let max = upstreams.len();
                proptest::sample::subsequence(upstreams, 0..=max).prop_shuffle()
            })
            .collect();
        (calls, Just((0..count).collect::<Vec<_>>()).prop_shuffle())
    })
}

/// Text that resembles a topology closely enough to pass the first check.
fn resembling() -> impl Strategy<Value = String> {
    let pieces = [
        "[[service]]",
        "[service]",
        "[service.store]",
        "[a.b]",
        "[[",
        "]",
        "entry",
        "name",
        "greeting",
        "calls",
        "store",
        "service",
        "database",
        " = ",
        ".",
        ",",
        "\n",
        "\n",
        "\r\n",
        "{",
        "}",
        "[",
        "]",
        "'service-a'",
        "\"a\"",
        "\"",
        "'''",
        "1",
        "true",
        "1979-05-27",
        "#",
        "שָׁ",
        "\\u",
        "\u{feff}",
        "\0",
    ];
    vec(proptest::sample::select(pieces.to_vec()), 0..40).prop_map(|pieces| pieces.concat())
}

/// Parses `text`, and checks the properties of every refusal.
fn check_any(text: &str) -> Result<(), TestCaseError> {
    let Err(findings) = Topology::parse(text, "t") else { return Ok(()) };
    prop_assert!(findings.len() > 0);
    prop_assert!(findings.iter().is_sorted_by_key(|finding| (finding.line, finding.column)));
    let lines = text.split('\n').count();
    for finding in &findings {
        prop_assert!((1..=lines).contains(&finding.line), "{finding}");
        prop_assert!(!finding.to_string().contains(['\n', '\r', '\0']), "{finding:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_parsed_or_refused_without_a_panic(text in any::<String>()) {
        check_any(&text)?;
    }

    #[test]
    fn any_text_like_a_topology_is_parsed_or_refused_without_a_panic(text in resembling()) {
        check_any(&text)?;
    }

    #[test]
    fn the_built_in_text_with_a_piece_removed_is_parsed_or_refused_without_a_panic(
        from in any::<Index>(), length in 0..200_usize,
    ) {
        let characters: Vec<_> = Topology::BUILT_IN.chars().collect();
        let from = from.index(characters.len());
        let (before, rest) = characters.split_at(from);
        check_any(&before.iter().chain(rest.iter().skip(length)).collect::<String>())?;
    }

    #[test]
    fn an_acyclic_graph_is_valid_and_its_answer_has_each_path_once((graph, declared) in acyclic(1)) {
        let topology = Topology::parse(&to_toml(&graph, &declared), "t")
            .map_err(|findings| TestCaseError::fail(findings.to_string()))?;
        let order: Vec<_> = topology.greeting_order().into_iter().map(ServiceName::as_str).collect();
        let mut expected = Vec::new();
        paths(&graph, 0, &mut expected);
        prop_assert!(order.len() <= MAX_GREETINGS);
        prop_assert_eq!(order, expected);
        prop_assert_eq!(topology.edges().count(), graph.iter().map(Vec::len).sum::<usize>());
        prop_assert_eq!(Topology::parse(&topology.to_toml(), "t"), Ok(topology));
    }

    #[test]
    fn any_greeting_survives_being_written_as_a_file(greeting in "[^\\p{Cc}]{1,40}") {
        let quoted = greeting.chars().fold(String::new(), |mut text, character| {
            write!(text, "\\U{:08X}", u32::from(character)).unwrap();
            text
        });
        let text = format!("entry = 'a'\n[[service]]\nname = 'a'\ngreeting = \"{quoted}\"\n");
        // A blank greeting is refused.
        if let Ok(topology) = Topology::parse(&text, "t") {
            prop_assert_eq!(Topology::parse(&topology.to_toml(), "t"), Ok(topology));
        } else {
            prop_assert!(greeting.trim().is_empty());
        }
    }

    #[test]
    fn a_call_back_to_a_caller_is_always_reported_as_a_cycle(
        (mut graph, declared) in acyclic(2), from in any::<Index>(), to in any::<Index>(),
    ) {
        // A path 0 -> 1 -> ... runs through the graph, so that any call to a smaller number leads back.
        for service in 1..graph.len() {
            if !graph[service - 1].contains(&service) {
                graph[service - 1].push(service);
            }
        }
        let from = 1 + from.index(graph.len() - 1);
        let to = to.index(from);
        graph[from].push(to);

        let findings = Topology::parse(&to_toml(&graph, &declared), "t").unwrap_err();
        prop_assert!(findings.iter().all(|finding| finding.message.contains("form a cycle: ")), "{}", findings);
        for finding in &findings {
            let (_, cycle) = finding.message.rsplit_once(": ").unwrap();
            let names: Vec<_> = cycle.split(" -> ").collect();
            prop_assert!(names.len() > 2);
            prop_assert_eq!(names.first(), names.last());
            for call in names.windows(2) {
                let number = |name: &str| name[1..].parse::<usize>().unwrap();
                prop_assert!(graph[number(call[0])].contains(&number(call[1])), "{} is not a call", finding);
            }
        }
    }
}
