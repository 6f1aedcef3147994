//! Lists that are trees, and lists that are none. The last test compares with all readings there are.

use std::collections::BTreeSet;

use octet_topology::Topology;

use super::{
    super::graph::{Graph, Overrides},
    *,
};

/// A graph of services `a`, `b`, …: `"a:bc b:d"` says who calls whom; `*` after the `:` makes it partial.
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

fn places(graph: &Graph, list: &str) -> Vec<usize> {
    list.chars().map(|letter| graph.service(&letter.to_string()).expect("a service")).collect()
}

/// The callers of each greeting: `"- a0 a0"`, in words of service and place, `|` between possible ones.
fn read_list(text: &str, list: &str) -> Result<String, Misfit> {
    let graph = graph(text);
    let services = places(&graph, list);
    let tree = read(&graph, &services)?;
    let name = |place: &usize| format!("{}{place}", graph.name(services[*place]));
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
fn a_whole_answer_has_one_reading() {
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
fn a_partial_service_may_have_lost_any_subtree() {
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
    // B forgives, E does not.
    assert_eq!(read_list("a:bc b:*de e:gh", "abec"), Err(Misfit::Incomplete));
    assert_eq!(read_list("a:bc b:*de e:gh", "abc").unwrap(), "- a0 a0");
}

#[test]
fn where_the_list_leaves_open_who_called_both_count() {
    assert_eq!(read_list("a:*bd b:*d", "abd").unwrap(), "- a0 a0|b1");
    // A strict A needs its D, so that this one is not B's: reading as deep as possible would not do.
    assert_eq!(read_list("a:bd b:*d", "abd").unwrap(), "- a0 a0");
    assert_eq!(read_list("a:*bd b:d", "abd").unwrap(), "- a0 b1");
    assert_eq!(read_list("a:*bd b:*d", "abdd").unwrap(), "- a0 b1 a0");
}

#[test]
fn what_is_no_tree_is_refused_at_the_first_greeting_out_of_place() {
    let built_in = "a:bc b:de e:gh f:";
    for (list, misfit) in [
        ("", Misfit::Empty),
        ("abdehgc", Misfit::NoPlace(5)),
        ("abdeghcc", Misfit::NoPlace(7)),
        ("aa", Misfit::NoPlace(1)),
        ("abdeghf", Misfit::NoPlace(6)),
        ("eghc", Misfit::NoPlace(3)),
        ("acb", Misfit::NoPlace(2)),
        ("abdegh", Misfit::Incomplete),
        ("a", Misfit::Incomplete),
    ] {
        assert_eq!(read_list(built_in, list), Err(misfit), "{list}");
    }
}

#[test]
fn the_largest_answer_is_read_in_no_time() {
    // Ten services where each calls all that follow it: 512 greetings, and every place looks like many others.
    let names = "abcdefghij";
    let nodes: Vec<_> =
        (0..10).map(|index| format!("{}:*{}", &names[index..=index], &names[index + 1..])).collect();
    let graph = graph(&nodes.join(" "));
    let mut list = String::new();
    whole("a", names, &mut list);
    assert_eq!(list.len(), 512);
    let begun = std::time::Instant::now();
    let tree = read(&graph, &places(&graph, &list)).unwrap();
    assert!(tree.callers.iter().skip(1).all(|callers| !callers.is_empty()));
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
}

fn whole(service: &str, names: &str, list: &mut String) {
    list.push_str(service);
    let index = names.find(service).expect("a name");
    for next in index + 1..names.len() {
        whole(&names[next..=next], names, list);
    }
}

#[test]
fn the_callers_are_those_of_all_readings_there_are() {
    let graphs = [
        "a:*bcd b:*cd c:*d",
        "a:bcd b:*cd c:d",
        "a:*bcd b:cd c:*d",
        "a:*dcb b:*c c:*d",
        "a:bd b:*d",
        "a:*bd b:*c c:*d",
    ];
    let mut random = 88_172_645_463_325_252_u64;
    let mut fitting = 0;
    for text in graphs {
        let graph = graph(text);
        for _ in 0..400 {
            // xorshift64: the same lists at every run.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let length = 1 + random % 7;
            let services: Vec<usize> = (0..length)
                .map(|place| if place == 0 { 0 } else { usize::try_from(random >> (8 * place) & 3).unwrap() })
                .filter(|service| *service < graph.nodes().len())
                .collect();
            let readings = readings(&graph, &services, 0);
            let whole: Vec<_> = readings.into_iter().filter(|(end, _)| *end == services.len()).collect();
            match read(&graph, &services) {
                Ok(tree) => {
                    fitting += 1;
                    for place in 1..services.len() {
                        let expected: BTreeSet<usize> =
                            whole.iter().filter_map(|(_, calls)| caller(calls, place)).collect();
                        let callers: BTreeSet<usize> = tree.callers[place].iter().copied().collect();
                        assert_eq!(callers, expected, "{text} {services:?} at {place}");
                    }
                    assert!(!whole.is_empty());
                }
                Err(_) => assert!(whole.is_empty(), "{text} {services:?}"),
            }
        }
    }
    assert!(fitting > 100, "only {fitting} lists were answers");
}

/// (caller, upstream), by places.
type Calls = Vec<(usize, usize)>;

fn caller(calls: &Calls, place: usize) -> Option<usize> {
    calls.iter().find(|(_, upstream)| *upstream == place).map(|(caller, _)| *caller)
}

/// Every way to read an answer that begins at `start`: where it ends, and who called whom in it.
fn readings(graph: &Graph, services: &[usize], start: usize) -> Vec<(usize, Calls)> {
    let node = graph.node(services[start]).expect("a node");
    let mut so_far = vec![(start + 1, Calls::new())];
    for upstream in &node.calls {
        let mut next = Vec::new();
        for (place, calls) in &so_far {
            if node.policy == Policy::Partial {
                next.push((*place, calls.clone()));
            }
            if services.get(*place) == Some(upstream) {
                for (end, below) in readings(graph, services, *place) {
                    let all = calls.iter().copied().chain([(start, *place)]).chain(below).collect();
                    next.push((end, all));
                }
            }
        }
        so_far = next;
    }
    so_far
}
