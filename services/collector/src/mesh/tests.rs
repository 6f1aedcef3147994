mod late;

use std::collections::BTreeMap;

use octet_zipkin::{
    Batch, Kind,
    edges::{Edge, Edges as Reference},
};
use proptest::prelude::*;

use super::*;
use crate::store::{Memory, Store, Usage, Work};

fn store() -> Store {
    Store::new(Memory::of(64 << 20))
}

fn keep(store: &mut Store, spans: &[String]) {
    let (_, batch) = store.keep(format!("[{}]", spans.join(",")).as_bytes());
    assert!(batch.is_whole(), "{batch:?}");
}

/// Moves to a second and does everything that is due.
fn advance(store: &mut Store, second: u32) {
    while store.advance(second) {}
}

fn measured(store: &mut Store, from: u32, to: u32) -> Measured {
    MeasureEdges::new(store, Period { from, to }).run(store).finish(store)
}

/// `caller>callee count/errors/propagated/cancelled`.
fn edges(store: &mut Store, from: u32, to: u32) -> Vec<String> {
    measured(store, from, to).edges.iter().map(line).collect()
}

fn line(edge: &Edge) -> String {
    let Edge { caller, callee, count, errors, propagated, cancelled, .. } = edge;
    format!("{caller}>{callee} {count}/{errors}/{propagated}/{cancelled}")
}

const ALL: u32 = 1_000_000;

fn span(trace: u64, id: u64, parent: u64, kind: &str, local: &str, rest: &str) -> String {
    let parent = if parent == 0 { String::new() } else { format!(r#","parentId":"{parent:016x}""#) };
    let kind = if kind.is_empty() { String::new() } else { format!(r#","kind":"{kind}""#) };
    format!(
        r#"{{"traceId":"{trace:016x}","id":"{id:016x}"{parent}{kind},"timestamp":{},"duration":1000,"localEndpoint":{{"serviceName":"{local}"}}{rest}}}"#,
        1_000_000 + id * 10
    )
}

fn remote(name: &str) -> String {
    format!(r#","remoteEndpoint":{{"serviceName":"{name}"}}"#)
}

fn failed(code: &str) -> String {
    format!(r#","tags":{{"error":"x","rpc.grpc.status_code":"{code}"}}"#)
}

#[test]
fn a_call_counts_once_however_its_spans_arrive() {
    let client = span(7, 1, 0, "CLIENT", "a", &remote("x"));
    let server = span(7, 2, 1, "SERVER", "b", "");
    let shared = span(7, 1, 0, "SERVER", "b", r#","shared":true"#);
    let unmarked = span(7, 1, 0, "SERVER", "b", "");
    for other in [server, shared, unmarked] {
        for spans in [[&client, &other], [&other, &client]] {
            let mut store = store();
            for round in 0..3 {
                // Each in a report of its own, and all of them repeatedly.
                for (delay, span) in spans.into_iter().enumerate() {
                    keep(&mut store, std::slice::from_ref(span));
                    advance(&mut store, round * 20 + u32::try_from(delay).unwrap() * 10);
                }
            }
            assert_eq!(edges(&mut store, 0, ALL), ["a>b 1/0/0/0"], "{spans:?}");
            // In the second of the first arrival.
            assert_eq!(edges(&mut store, 0, 1).len(), 1, "{spans:?}");
        }
    }
}

#[test]
fn a_call_is_counted_before_its_server_reports_and_corrected_after_that() {
    let mut store = store();
    keep(&mut store, &[span(7, 1, 0, "CLIENT", "a", &remote("b"))]);
    assert_eq!(edges(&mut store, 0, ALL), ["a>b 1/0/0/0"]);
    advance(&mut store, 5);
    keep(&mut store, &[span(7, 2, 1, "SERVER", "b", &failed("14"))]);
    let edge = measured(&mut store, 0, ALL).edges.remove(0);
    assert_eq!((edge.count, edge.errors, edge.codes.get("14")), (1, 1, Some(&1)));
    assert_eq!(edges(&mut store, 1, ALL), [""; 0], "it stays in its second");
}

#[test]
fn a_span_in_pieces_is_one_call_with_all_that_they_say() {
    let pieces = [
        span(7, 1, 0, "", "a", ""),
        span(7, 1, 0, "CLIENT", "a", &remote("b")),
        span(7, 1, 0, "", "a", &failed("4")),
        span(7, 2, 1, "", "b", ""),
        span(7, 2, 1, "SERVER", "b", ""),
    ];
    for rotation in 0..pieces.len() {
        let mut store = store();
        let mut pieces = pieces.clone();
        pieces.rotate_left(rotation);
        for piece in pieces {
            keep(&mut store, &[piece]);
        }
        let edge = measured(&mut store, 0, ALL).edges.remove(0);
        assert_eq!(line(&edge), "a>b 1/1/0/0", "{rotation}");
        assert_eq!(edge.codes, BTreeMap::from([("4".into(), 1)]));
    }
}

#[test]
fn a_server_without_a_client_counts_by_itself_after_a_while() {
    let mut store = store();
    keep(&mut store, &[span(7, 2, 1, "SERVER", "b", &remote("edge"))]);
    keep(&mut store, &[span(8, 2, 1, "SERVER", "b", "")]);
    assert_eq!(edges(&mut store, 0, ALL), [""; 0]);
    advance(&mut store, SETTLED);
    assert_eq!(edges(&mut store, 0, ALL), ["edge>b 1/0/0/0"]);
    // Its client arrives after all.
    keep(&mut store, &[span(7, 1, 0, "CLIENT", "proxy", "")]);
    assert_eq!(edges(&mut store, 0, ALL), ["proxy>b 1/0/0/0"]);
}

#[test]
fn a_message_counts_where_it_is_consumed_even_long_after_its_trace() {
    let mut store = store();
    keep(&mut store, &[span(7, 1, 0, "PRODUCER", "d", &remote("queue"))]);
    advance(&mut store, 600);
    assert_eq!(store.mesh().traces.len(), 0);
    keep(&mut store, &[span(7, 2, 1, "CONSUMER", "f", &remote("queue"))]);
    let edge = measured(&mut store, 0, ALL).edges.remove(0);
    assert_eq!(line(&edge), "d>f 1/0/0/0");
    assert!(edge.queue_wait.is_some_and(|wait| wait.p50.is_some()));

    // Whichever arrives first.
    for spans in [["PRODUCER", "CONSUMER"], ["CONSUMER", "PRODUCER"]] {
        let mut store = self::store();
        for kind in spans {
            let (id, parent, local) = if kind == "PRODUCER" { (1, 0, "d") } else { (2, 1, "f") };
            keep(&mut store, &[span(7, id, parent, kind, local, &remote("queue"))]);
        }
        assert_eq!(edges(&mut store, 0, ALL), ["d>f 1/0/0/0"]);
    }

    // Publishing failed; another message's publisher never reports.
    keep(&mut store, &[span(8, 1, 0, "PRODUCER", "d", &format!("{}{}", remote("queue"), failed("14")))]);
    keep(&mut store, &[span(9, 2, 1, "CONSUMER", "f", &remote("queue"))]);
    advance(&mut store, 700);
    assert_eq!(edges(&mut store, 0, ALL), ["d>f 1/0/0/0", "d>queue 1/1/0/0", "queue>f 1/0/0/0"]);
}

#[test]
fn a_cancelled_call_is_neither_an_error_nor_a_success() {
    let mut store = store();
    let cancelled = r#","tags":{"error":"the caller cancelled the call","rpc.grpc.status_code":"1"}"#;
    keep(&mut store, &[span(7, 1, 0, "CLIENT", "a", &format!("{}{cancelled}", remote("b")))]);
    // The server failed, but nobody waited for that.
    keep(&mut store, &[span(7, 2, 1, "SERVER", "b", &failed("14"))]);
    let edge = measured(&mut store, 0, ALL).edges.remove(0);
    assert_eq!(line(&edge), "a>b 1/0/0/1");
    assert!(edge.codes.is_empty());
}

#[test]
fn an_error_that_is_passed_on_is_told_from_its_cause_in_any_order() {
    let spans = [
        span(7, 1, 0, "CLIENT", "a", &format!("{}{}", remote("b"), failed("14"))),
        span(7, 2, 1, "SERVER", "b", &failed("14")),
        span(7, 3, 2, "", "b", ""),
        span(7, 4, 3, "CLIENT", "b", &format!("{}{}", remote("c"), failed("14"))),
        span(7, 5, 4, "SERVER", "c", ""),
    ];
    for first in 0..spans.len() {
        for second in 0..spans.len() {
            let mut spans = spans.clone();
            spans.rotate_left(first);
            spans.swap(0, second);
            let mut store = store();
            for span in &spans {
                keep(&mut store, std::slice::from_ref(span));
            }
            assert_eq!(edges(&mut store, 0, ALL), ["a>b 1/1/1/0", "b>c 1/1/0/0"], "{spans:?}");
        }
    }
}

#[test]
fn evicting_traces_changes_no_count_and_a_long_lookback_counts_by_the_minute() {
    let mut store = Store::new(Memory::of(2 << 20));
    let calls = 10_000_u32;
    let long = "x".repeat(200);
    for call in 0..calls {
        let second = call / 10;
        advance(&mut store, second);
        let trace = u64::from(call) + 1;
        let tags = if call % 400 == 0 {
            failed("4")
        } else {
            format!(r#","tags":{{"x":"{long}{call}","rpc.grpc.status_code":"0"}}"#)
        };
        let spans = [
            span(trace, 1, 0, "CLIENT", "a", &format!("{}{tags}", remote("b"))),
            span(trace, 2, 1, "SERVER", "b", ""),
        ];
        keep(&mut store, &spans);
    }
    assert!(store.usage().traces < 4_000, "{:?}", store.usage());
    assert_eq!(edges(&mut store, 0, ALL), ["a>b 10000/25/0/0"]);
    // The last minute by the second.
    assert_eq!(edges(&mut store, 940, 1_000), ["a>b 600/1/0/0"]);
    let all = measured(&mut store, 0, ALL);
    assert_eq!((all.traces, all.dropped_spans, all.uncounted_calls, all.complete_since), (calls, 0, 0, 0));
    assert_eq!(all.edges[0].codes, BTreeMap::from([("4".into(), 25)]));

    // A day later everything is forgotten, and the counts say so.
    advance(&mut store, 1_000 + KEPT + 2 * MINUTE);
    assert_eq!(edges(&mut store, 0, ALL), [""; 0]);
    assert!(measured(&mut store, 0, ALL).complete_since > 1_000);
}

#[test]
fn invented_names_cannot_exceed_the_memory_nor_displace_known_edges() {
    let mut store = Store::new(Memory::of(8 << 20));
    let known = |trace: u64| [span(trace, 1, 0, "CLIENT", "a", &remote("b"))];
    keep(&mut store, &known(1));
    for round in 0..60 {
        advance(&mut store, round);
        let invented: Vec<String> = (0..1_000)
            .map(|number| {
                let id = 2 + u64::from(round) * 1_000 + number;
                let tags = format!(r#","tags":{{"error":"","rpc.grpc.status_code":"{id}"}}"#);
                span(
                    id,
                    id,
                    0,
                    "CLIENT",
                    &format!("caller {id}"),
                    &format!("{}{tags}", remote(&format!("callee {id}"))),
                )
            })
            .collect();
        keep(&mut store, &invented);
        let Usage { bytes, count_bytes, .. } = store.usage();
        assert!(count_bytes <= 2 << 20 && bytes + count_bytes <= 8 << 20, "{round}: {:?}", store.usage());
        keep(&mut store, &known(1_000_000 + u64::from(round)));
    }
    let all = measured(&mut store, 0, ALL);
    assert!(all.edges.len() <= 2_000, "{}", all.edges.len());
    let counted: u64 = all.edges.iter().map(|edge| edge.count).sum();
    assert_eq!(counted + u64::from(all.uncounted_calls), 60_061, "what is not counted is stated");
    let known = all.edges.iter().find(|edge| &*edge.caller == "a").expect("known");
    assert_eq!((known.count, known.errors), (61, 0));
}

#[test]
fn under_pressure_the_oldest_counts_go_first_and_the_rest_is_complete() {
    // A mesh of many edges, whose counts need more memory than their share.
    let mut store = Store::new(Memory::of(4 << 20));
    let mut id = 0;
    for minute in 0..200 {
        advance(&mut store, minute * MINUTE);
        let spans: Vec<String> = (0..100)
            .map(|number| {
                id += 1;
                span(id, id, 0, "CLIENT", "a", &remote(&format!("b{number}")))
            })
            .collect();
        keep(&mut store, &spans);
        assert!(store.usage().count_bytes <= 1 << 20, "{:?}", store.usage());
    }
    let all = measured(&mut store, 0, ALL);
    let since = all.complete_since / MINUTE;
    assert!(since > 0 && since < 190, "{since}");
    let counted = |measured: &Measured| measured.edges.iter().map(|edge| edge.count).sum::<u64>();
    assert_eq!(counted(&all), u64::from(200 - since) * 100);
    assert_eq!(counted(&measured(&mut store, 198 * MINUTE, 200 * MINUTE)), 200);
}

#[test]
fn a_flood_of_short_traces_leaves_nothing_behind_of_those_that_are_forgotten() {
    let mut store = Store::new(Memory::of(1 << 20));
    for flood in 0..40 {
        let spans: Vec<_> = (1..=500).map(|number| span(flood * 500 + number, 1, 0, "", "a", "")).collect();
        keep(&mut store, &spans);
        // Once for each report, as the collector does.
        store.advance(0);
        let mesh = store.mesh();
        let most = 2 * mesh.traces.len() + SETTLED_AT_ONCE;
        assert!(mesh.due.len() <= most && mesh.order.len() <= most, "{} due", mesh.due.len());
    }
    assert!(store.mesh().traces.len() < 5_000, "most of 20,000 were forgotten");
}

#[test]
fn a_trace_of_very_many_spans_is_counted_quickly_up_to_its_limit() {
    let mut store = store();
    let started = std::time::Instant::now();
    for batch in 0..20 {
        let spans: Vec<String> = (1..=1_000)
            .map(|number| span(7, 1 + batch * 1_000 + number, 1, "SERVER", "b", &remote("edge")))
            .collect();
        keep(&mut store, &spans);
        // The parent of all again and again, each time a little different.
        let parent = span(7, 1, 0, "", "a", "").replace("1000}", &format!("{}}}", 1_000 + batch));
        keep(
            &mut store,
            &[parent.replace(r#""duration":1000"#, &format!(r#""duration":{}"#, 1_000 + batch))],
        );
    }
    advance(&mut store, SETTLED);
    let all = measured(&mut store, 0, ALL);
    let counted = all.edges.iter().map(|edge| edge.count).sum::<u64>();
    // The parent's pieces beyond the limit are among the uncounted.
    assert!((20_000..=20_020).contains(&(counted + u64::from(all.uncounted_calls))), "{all:?}");
    assert!(counted > 16_000, "{counted}");
    // Generous: in quadratic time it would take minutes.
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}

#[test]
fn spans_that_are_each_others_parents_end_somewhere() {
    let mut store = store();
    let loop_of =
        |kind: &str| [span(7, 1, 2, kind, "a", &failed("2")), span(7, 2, 1, kind, "b", &failed("2"))];
    for kind in ["", "SERVER", "CONSUMER", "CLIENT", "PRODUCER"] {
        keep(&mut store, &loop_of(kind));
    }
    advance(&mut store, 100);
    assert!(measured(&mut store, 0, ALL).edges.len() < 10);
}

#[test]
fn the_cause_of_a_failure_is_recognized_in_any_order_of_arrival() {
    let spans = [
        span(7, 1, 0, "CLIENT", "a", ""),
        span(7, 1, 0, "SERVER", "b", r#","shared":true,"tags":{"error":""}"#),
        span(7, 2, 1, "CLIENT", "b", &format!("{}{}", remote("c"), failed("14"))),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut store = store();
        for index in order {
            keep(&mut store, &spans[index..=index]);
        }
        advance(&mut store, SETTLED);
        assert_eq!(edges(&mut store, 0, ALL), ["a>b 1/1/1/0", "b>c 1/1/0/0"], "{order:?}");
    }
}

/// A span of a random tree, by the index of its parent.
#[derive(Debug, Clone)]
struct Node {
    parent: usize,
    kind: Option<Kind>,
    service: u8,
    remote: Option<u8>,
    tags: u8,
    is_reported: bool,
    shares_id: bool,
}

fn node() -> impl Strategy<Value = Node> {
    let kinds = prop_oneof![
        3 => Just(Some(Kind::Client)),
        3 => Just(Some(Kind::Server)),
        1 => Just(Some(Kind::Producer)),
        1 => Just(Some(Kind::Consumer)),
        1 => Just(None),
    ];
    (
        0..1_000_usize,
        kinds,
        0..4_u8,
        prop::option::of(0..4_u8),
        0..8_u8,
        prop::bool::weighted(0.9),
        prop::bool::weighted(0.3),
    )
        .prop_map(|(parent, kind, service, remote, tags, is_reported, shares_id)| Node {
            parent,
            kind,
            service,
            remote,
            tags,
            is_reported,
            shares_id,
        })
}

/// Whether two kinds are the sides of one call or message.
fn pairs(starter: Option<Kind>, receiver: Option<Kind>) -> bool {
    let sides = (starter, receiver);
    matches!(sides, (Some(Kind::Client), Some(Kind::Server)) | (Some(Kind::Producer), Some(Kind::Consumer)))
}

/// The JSON of a tree's spans: each node's parent comes before it. As in real traces a client has at most one server, a
/// span that receives nothing is of its parent's service, and a receiver can share the id of its starter.
fn tree(trace: u64, nodes: &[Node]) -> Vec<String> {
    let mut nodes = nodes.to_vec();
    let mut has_receiver = vec![false; nodes.len()];
    for index in 1..nodes.len() {
        let above = nodes[index].parent % index;
        let pairs = pairs(nodes[above].kind, nodes[index].kind);
        if pairs && std::mem::replace(&mut has_receiver[above], true) {
            nodes[index].kind = None;
        }
        if !matches!(nodes[index].kind, Some(Kind::Server | Kind::Consumer)) {
            nodes[index].service = nodes[above].service;
        }
    }
    let mut ids: Vec<u64> = Vec::new();
    let mut spans = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let own = 10 + index as u64;
        let above = (index > 0).then(|| node.parent % index);
        let kind = node.kind;
        let pairs = pairs(above.and_then(|above| nodes[above].kind), kind);
        let starter = &nodes[above.unwrap_or_default()];
        // Without its client, the server would be one more of the span above.
        let shares = pairs && node.shares_id && starter.is_reported && starter.service != node.service;
        let (id, parent) = match above {
            Some(above) if shares => {
                let grandparent = (above > 0).then(|| ids[nodes[above].parent % above]);
                (ids[above], grandparent.unwrap_or_default())
            }
            Some(above) => (own, ids[above]),
            None => (own, 0),
        };
        ids.push(id);
        if !node.is_reported || (parent == id) {
            continue;
        }
        let tags = [
            "",
            "",
            "",
            "",
            &failed("14"),
            &failed("1"),
            r#","tags":{"error":""}"#,
            r#","tags":{"db.system":"x"}"#,
        ][usize::from(node.tags)]
        .to_owned();
        let remote = node.remote.map(|name| remote(&format!("s{name}"))).unwrap_or_default();
        let shared = if shares { r#","shared":true"# } else { "" };
        spans.push(span(
            trace,
            id,
            parent,
            kind.map_or("", Kind::name),
            &format!("s{}", node.service),
            &format!("{remote}{tags}{shared}"),
        ));
    }
    spans
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever arrives, in any order, twice, over any time: the counts equal those of the whole traces.
    #[test]
    fn the_counts_equal_those_of_whole_traces(
        trees in prop::collection::vec(prop::collection::vec(node(), 1..14), 1..6),
        order in prop::collection::vec(any::<u32>(), 100),
        repeats in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        gap in 0..3_u32,
    ) {
        let mut reference = Reference::default();
        let mut sent = Vec::new();
        for (trace, nodes) in trees.iter().enumerate() {
            let spans = tree(trace as u64 + 1, nodes);
            let batch = Batch::read(format!("[{}]", spans.join(",")).as_bytes());
            prop_assert!(batch.is_whole(), "{:?}", batch);
            reference.add(&batch.spans);
            sent.extend(spans);
        }
        let mut shuffled: Vec<(u32, String)> = order.iter().cycle().copied().zip(sent).collect();
        shuffled.sort_by_key(|(key, _)| *key);
        for repeat in repeats {
            if !shuffled.is_empty() {
                let (_, span) = shuffled[repeat.index(shuffled.len())].clone();
                shuffled.push((0, span));
            }
        }
        let mut store = store();
        for (number, (_, span)) in shuffled.iter().enumerate() {
            keep(&mut store, std::slice::from_ref(span));
            advance(&mut store, u32::try_from(number).unwrap() * gap / 2);
        }
        advance(&mut store, 10_000);
        let key = |edge: Edge| (line(&edge), edge.kind, edge.codes, edge.duration.p50, edge.queue_wait.map(|wait| wait.p50.is_some()));
        let found: Vec<_> = measured(&mut store, 0, ALL).edges.into_iter().map(key).collect();
        let expected: Vec<_> = reference.list().into_iter().map(key).collect();
        prop_assert_eq!(found, expected, "{:#?}", shuffled);
        prop_assert_eq!(store.mesh().trace_bytes, 0);
    }
}
