//! Lists that encode a tree and lists that do not. The last test compares with an enumeration of all parses.

use std::collections::BTreeSet;

use octet_topology::Topology;

use super::{
    super::graph::{Graph, Overrides},
    *,
};

/// A graph of services `a`, `b`, …: in `"a:bc b:d"`, A calls B and C; `*` after the `:` makes a service partial.
fn graph(text: &str) -> Graph {
    let letters: BTreeSet<char> = text.chars().filter(char::is_ascii_lowercase).collect();
    let mut toml = "entry = \"a\"\n".to_owned();
    for letter in letters {
        let node = text.split(' ').find_map(|node| node.strip_prefix(&format!("{letter}:"))).unwrap_or("");
        let calls: Vec<_> = node.trim_start_matches('*').chars().map(|call| format!("\"{call}\"")).collect();
        let policy = if node.starts_with('*') { "partial" } else { "strict" };
        let calls = calls.join(", ");
        toml += "[[service]]\ngreeting = \"Hi\"\n";
        toml += &[
            format!("name = \"{letter}\""),
            format!("calls = [{calls}]"),
            format!("policy = \"{policy}\"\n"),
        ]
        .join("\n");
    }
    let topology = Topology::parse(&toml, "test").unwrap_or_else(|faults| panic!("{faults}"));
    Graph::new(&topology, &Overrides::default())
}

fn positions(graph: &Graph, list: &str) -> Vec<usize> {
    list.chars().map(|letter| graph.service(&letter.to_string()).expect("a service")).collect()
}

/// The callers of each greeting, as in `"- a0 a0"`: service and position, `|` between possible callers.
fn read_list(text: &str, list: &str) -> Result<String, InvalidAnswer> {
    let graph = graph(text);
    let services = positions(&graph, list);
    let tree = read(&graph, &services)?;
    let name = |position: &usize| format!("{}{position}", graph.name(services[*position]));
    let callers = tree.callers.iter().map(|callers| {
        if callers.is_empty() {
            "-".to_owned()
        } else {
            callers.iter().map(name).collect::<Vec<_>>().join("|")
        }
    });
    Ok(callers.collect::<Vec<_>>().join(" "))
}

#[test]
fn calls_that_are_made_twice_or_in_a_share_of_requests_are_parsed() {
    let text = "entry = 'a'\n[[service]]\nname = 'a'\ncalls = ['b', 'c']\n[[service]]\nname = 'b'\n[[service]]\n\
        name = 'c'\n[[edge]]\nat = 'a>b'\ntimes = 2\n[[edge]]\nat = 'a>c'\nshare = '50%'";
    let graph = Graph::new(&Topology::parse(text, "test").expect("valid"), &Overrides::default());
    for (list, is_answer) in [("abbc", true), ("abb", true), ("abc", false), ("ab", false), ("abbb", false)] {
        assert_eq!(read(&graph, &positions(&graph, list)).is_ok(), is_answer, "{list}");
    }
}

#[test]
fn a_complete_answer_is_parsed_in_one_way() {
    let built_in = "a:bc b:de e:gh f:";
    assert_eq!(read_list(built_in, "abdeghc").unwrap(), "- a0 b1 b1 e3 e3 a0");
    // Called directly.
    assert_eq!(read_list(built_in, "egh").unwrap(), "- e0 e0");
    assert_eq!(read_list(built_in, "f").unwrap(), "-");
}

#[test]
fn a_service_on_two_paths_has_a_caller_on_each() {
    assert_eq!(read_list("a:bc b:d c:d", "abdcd").unwrap(), "- a0 b1 a0 c3");
    assert_eq!(read_list("a:bd b:d", "abdd").unwrap(), "- a0 b1 a0");
    assert_eq!(read_list("a:bd b:c c:d d:e", "abcdede").unwrap(), "- a0 b1 c2 d3 a0 d5");
}

#[test]
fn any_subtree_of_a_partial_service_may_be_absent() {
    let partial = "a:*bc b:*de e:*gh";
    for (list, callers) in [
        ("a", "-"),
        ("ac", "- a0"),
        ("ab", "- a0"),
        ("abe", "- a0 b1"),
        ("abehc", "- a0 b1 e2 a0"),
        ("abdeghc", "- a0 b1 b1 e3 e3 a0"),
    ] {
        assert_eq!(read_list(partial, list).unwrap(), callers, "{list}");
    }
    // B is partial, E is strict.
    assert_eq!(read_list("a:bc b:*de e:gh", "abec"), Err(InvalidAnswer::Incomplete));
    assert_eq!(read_list("a:bc b:*de e:gh", "abc").unwrap(), "- a0 a0");
}

#[test]
fn all_possible_callers_are_found() {
    assert_eq!(read_list("a:*bd b:*d", "abd").unwrap(), "- a0 a0|b1");
    // A strict A must have its D, so B did not call this one: parsing as deep as possible would be wrong.
    assert_eq!(read_list("a:bd b:*d", "abd").unwrap(), "- a0 a0");
    assert_eq!(read_list("a:*bd b:d", "abd").unwrap(), "- a0 b1");
    assert_eq!(read_list("a:*bd b:*d", "abdd").unwrap(), "- a0 b1 a0");
}

#[test]
fn an_invalid_list_is_refused_at_the_first_misplaced_greeting() {
    let built_in = "a:bc b:de e:gh f:";
    for (list, invalid) in [
        ("", InvalidAnswer::Empty),
        ("abdehgc", InvalidAnswer::Misplaced(5)),
        ("abdeghcc", InvalidAnswer::Misplaced(7)),
        ("aa", InvalidAnswer::Misplaced(1)),
        ("abdeghf", InvalidAnswer::Misplaced(6)),
        ("eghc", InvalidAnswer::Misplaced(3)),
        ("acb", InvalidAnswer::Misplaced(2)),
        ("abdegh", InvalidAnswer::Incomplete),
        ("a", InvalidAnswer::Incomplete),
    ] {
        assert_eq!(read_list(built_in, list), Err(invalid), "{list}");
    }
}

#[test]
fn the_largest_answer_is_parsed_quickly() {
    // Ten services where each calls all that follow it: 512 greetings, and every position looks like many others.
    let names = "abcdefghij";
    let nodes: Vec<_> =
        (0..10).map(|index| format!("{}:*{}", &names[index..=index], &names[index + 1..])).collect();
    let graph = graph(&nodes.join(" "));
    let mut list = String::new();
    answer_of("a", names, &mut list);
    assert_eq!(list.len(), 512);
    let started = std::time::Instant::now();
    let tree = read(&graph, &positions(&graph, &list)).unwrap();
    assert!(tree.callers.iter().skip(1).all(|callers| !callers.is_empty()));
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
}

fn answer_of(service: &str, names: &str, list: &mut String) {
    list.push_str(service);
    let index = names.find(service).expect("a name");
    for next in index + 1..names.len() {
        answer_of(&names[next..=next], names, list);
    }
}

#[test]
fn the_callers_are_those_of_all_parses() {
    let graphs = [
        "a:*bcd b:*cd c:*d",
        "a:bcd b:*cd c:d",
        "a:*bcd b:cd c:*d",
        "a:*dcb b:*c c:*d",
        "a:bd b:*d",
        "a:*bd b:*c c:*d",
    ];
    let mut random = 88_172_645_463_325_252_u64;
    let mut valid = 0;
    for text in graphs {
        let graph = graph(text);
        for _ in 0..400 {
            // xorshift64: the same lists at every run.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let length = 1 + random % 7;
            let services: Vec<usize> =
                (0..length)
                    .map(|position| {
                        if position == 0 { 0 } else { usize::try_from(random >> (8 * position) & 3).unwrap() }
                    })
                    .filter(|service| *service < graph.nodes().len())
                    .collect();
            let parses = parses(&graph, &services, 0);
            let complete: Vec<_> = parses.into_iter().filter(|(end, _)| *end == services.len()).collect();
            match read(&graph, &services) {
                Ok(tree) => {
                    valid += 1;
                    for position in 1..services.len() {
                        let expected: BTreeSet<usize> =
                            complete.iter().filter_map(|(_, calls)| caller(calls, position)).collect();
                        let callers: BTreeSet<usize> = tree.callers[position].iter().copied().collect();
                        assert_eq!(callers, expected, "{text} {services:?} at {position}");
                    }
                    assert!(!complete.is_empty());
                }
                Err(_) => assert!(complete.is_empty(), "{text} {services:?}"),
            }
        }
    }
    assert!(valid > 100, "only {valid} lists were answers");
}

/// (caller, upstream), by position.
type Calls = Vec<(usize, usize)>;

fn caller(calls: &Calls, position: usize) -> Option<usize> {
    calls.iter().find(|(_, upstream)| *upstream == position).map(|(caller, _)| *caller)
}

/// Every way to parse an answer that starts at `start`: where it ends, and its calls.
fn parses(graph: &Graph, services: &[usize], start: usize) -> Vec<(usize, Calls)> {
    let node = graph.node(services[start]).expect("a node");
    let mut so_far = vec![(start + 1, Calls::new())];
    for call in &node.calls {
        let upstream = &call.callee;
        let mut next = Vec::new();
        for (position, calls) in &so_far {
            if node.policy == Policy::Partial || call.is_drawn {
                next.push((*position, calls.clone()));
            }
            if services.get(*position) == Some(upstream) {
                for (end, below) in parses(graph, services, *position) {
                    let all = calls.iter().copied().chain([(start, *position)]).chain(below).collect();
                    next.push((end, all));
                }
            }
        }
        so_far = next;
    }
    so_far
}
