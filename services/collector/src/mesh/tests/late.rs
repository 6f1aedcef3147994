//! Halves of calls and messages that arrive when the rest of their trace is forgotten.

use super::*;

const AFTER: u32 = FORGOTTEN + 1;

/// The edges when the spans arrive one by one, each after the trace so far was forgotten.
fn one_by_one(spans: &[&String]) -> Vec<String> {
    let mut store = store();
    for (span, second) in spans.iter().zip((0..).step_by(usize::try_from(AFTER).unwrap())) {
        advance(&mut store, second);
        assert_eq!(store.mesh().traces.len(), 0, "forgotten");
        keep(&mut store, &[(*span).clone()]);
    }
    advance(&mut store, 1_000);
    // All of a call counts in the second in which its first span arrived.
    let first = edges(&mut store, 0, 1);
    assert_eq!(first, edges(&mut store, 0, ALL), "{spans:?}");
    first
}

#[test]
fn a_call_counts_once_though_its_trace_was_forgotten_in_between() {
    let client = span(7, 1, 0, "CLIENT", "a", &remote("b"));
    for server in [
        span(7, 2, 1, "SERVER", "b", &remote("a")),
        span(7, 2, 1, "SERVER", "b", ""),
        span(7, 1, 0, "SERVER", "b", &format!(r#"{},"shared":true"#, remote("a"))),
    ] {
        assert_eq!(one_by_one(&[&client, &server]), ["a>b 1/0/0/0"], "{server}");
    }
    let server = span(7, 2, 1, "SERVER", "b", &remote("a"));
    assert_eq!(one_by_one(&[&server, &client]), ["a>b 1/0/0/0"]);
    let shared = span(7, 1, 9, "SERVER", "b", &format!(r#"{},"shared":true"#, remote("a")));
    assert_eq!(one_by_one(&[&shared, &client]), ["a>b 1/0/0/0"]);
    let failed = span(7, 1, 0, "CLIENT", "a", &format!("{}{}", remote("b"), failed("14")));
    assert_eq!(one_by_one(&[&server, &failed]), ["a>b 1/1/0/0"], "by what the client saw");
}

#[test]
fn a_server_counts_for_the_caller_whose_spans_are_lost() {
    let mut store = store();
    for trace in 1..=100 {
        keep(&mut store, &[span(trace, 2, 1, "SERVER", "b", &remote("a"))]);
        if trace % 2 == 0 {
            keep(&mut store, &[span(trace, 1, 0, "CLIENT", "a", &remote("b"))]);
        }
    }
    advance(&mut store, SETTLED + 1);
    assert_eq!(edges(&mut store, 0, ALL), ["a>b 100/0/0/0"]);
}

#[test]
fn a_call_through_a_proxy_that_reports_no_spans_counts_once() {
    let client = span(7, 1, 0, "CLIENT", "a", &remote("b"));
    let server = span(7, 3, 2, "SERVER", "b", &remote("a"));
    for spans in [[&client, &server], [&server, &client]] {
        for gap in [0, SETTLED + 1] {
            let mut store = store();
            for (span, second) in spans.into_iter().zip([0, gap]) {
                advance(&mut store, second);
                keep(&mut store, std::slice::from_ref(span));
            }
            advance(&mut store, 2 * (SETTLED + 1));
            assert_eq!(edges(&mut store, 0, ALL), ["a>b 1/0/0/0"], "{spans:?} {gap}");
        }
    }
}

#[test]
fn a_server_without_a_caller_and_a_client_elsewhere_in_the_trace_count_once_in_any_order() {
    let root = span(7, 1, 0, "", "edge", "");
    let client = span(7, 3, 2, "CLIENT", "a", &remote("b"));
    let server = span(7, 4, 1, "SERVER", "b", &remote("a"));
    for order in [[&root, &client, &server], [&root, &server, &client], [&client, &server, &root]] {
        for gap in [0, SETTLED + 1] {
            let mut store = store();
            for (span, second) in order.into_iter().zip((0..).step_by(usize::try_from(gap).unwrap().max(1))) {
                advance(&mut store, second);
                keep(&mut store, std::slice::from_ref(span));
            }
            advance(&mut store, 4 * (SETTLED + 1));
            assert_eq!(edges(&mut store, 0, ALL), ["a>b 1/0/0/0"], "{order:?} {gap}");
        }
    }
}

#[test]
fn of_two_servers_below_one_client_the_same_one_counts_in_any_order() {
    let client = span(7, 1, 0, "CLIENT", "a", "");
    let servers = [span(7, 2, 1, "SERVER", "b", ""), span(7, 3, 1, "SERVER", "c", "")];
    for order in [[0, 1], [1, 0]] {
        let mut store = store();
        keep(&mut store, std::slice::from_ref(&client));
        for index in order {
            keep(&mut store, &servers[index..=index]);
        }
        advance(&mut store, SETTLED);
        assert_eq!(edges(&mut store, 0, ALL), ["a>b 1/0/0/0"], "{order:?}");
    }
}

#[test]
fn a_message_counts_from_its_publisher_though_its_consumer_was_forgotten_before() {
    let consumer = span(7, 2, 1, "CONSUMER", "f", &remote("queue"));
    for producer in [
        span(7, 1, 0, "PRODUCER", "d", &remote("queue")),
        // It was consumed, so it was published.
        span(7, 1, 0, "PRODUCER", "d", &format!("{}{}", remote("queue"), failed("x"))),
    ] {
        let mut store = store();
        keep(&mut store, std::slice::from_ref(&consumer));
        advance(&mut store, AFTER);
        assert_eq!(edges(&mut store, 0, ALL), ["queue>f 1/0/0/0"]);
        keep(&mut store, std::slice::from_ref(&producer));
        let edge = measured(&mut store, 0, ALL).edges.remove(0);
        assert_eq!(line(&edge), "d>f 1/0/0/0");
        let wait = edge.queue_wait.and_then(|waits| waits.p50);
        assert!(wait.is_some(), "the wait is known: {wait:?}");
        advance(&mut store, 3 * AFTER);
        assert_eq!(edges(&mut store, 0, ALL), ["d>f 1/0/0/0"]);
    }
}

#[test]
fn under_pressure_calls_and_messages_of_split_traces_count_once() {
    let mut store = Store::new(Memory::of(4 << 20));
    let (starters, receivers): (Vec<_>, Vec<_>) = (1..=700)
        .map(|trace| {
            let starters = [
                span(trace, 1, 0, "CLIENT", "a", &remote("b")),
                span(trace, 3, 2, "PRODUCER", "b", &remote("queue")),
            ];
            let receivers = [
                span(trace, 2, 1, "SERVER", "b", &remote("a")),
                span(trace, 4, 3, "CONSUMER", "f", &remote("queue")),
            ];
            (starters, receivers)
        })
        .unzip();
    let (early, late) = starters.split_at(350);
    let (late_receivers, early_receivers) = receivers.split_at(350);
    for spans in early.iter().chain(early_receivers).chain(late_receivers).chain(late) {
        keep(&mut store, spans);
    }
    assert!(store.mesh().traces.len() < 500, "traces were forgotten");
    advance(&mut store, 10);
    assert_eq!(edges(&mut store, 0, ALL), ["a>b 700/0/0/0", "b>f 700/0/0/0"]);
}

#[test]
fn halves_are_bounded_and_forgotten() {
    let mut store = Store::new(Memory::of(2 << 20));
    let max = store.mesh().max_trace_bytes / 4;
    for trace in 1..20_000 {
        keep(&mut store, &[span(trace, 2, 1, "SERVER", "b", &remote("a"))]);
        assert!(store.mesh().counts.halves.bytes() <= max, "{trace}");
    }
    assert!(store.mesh().counts.halves.bytes() > max * 9 / 10);
    advance(&mut store, AFTER);
    advance(&mut store, 2 * AFTER + 1);
    advance(&mut store, 3 * AFTER + 2);
    assert_eq!(store.mesh().counts.halves.bytes(), 0);
    assert_eq!(edges(&mut store, 0, ALL), ["a>b 19999/0/0/0"]);
}
