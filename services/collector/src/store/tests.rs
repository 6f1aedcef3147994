use octet_zipkin::{Batch, Text};
use proptest::prelude::*;

use super::*;

fn spans(text: &str) -> Vec<Span> {
    let batch = Batch::read(text.as_bytes());
    assert!(batch.is_whole(), "{batch:?}");
    batch.spans
}

fn span(trace: u64, id: u64, tag: &str) -> Span {
    let text = format!(
        r#"[{{"traceId":"{trace:016x}","id":"{id:016x}","name":"n{}","timestamp":{},"duration":5,
            "localEndpoint":{{"serviceName":"s{}"}},"tags":{{"k":"{tag}"}}}}]"#,
        id % 7,
        trace * 1_000,
        trace % 5
    );
    spans(&text).remove(0)
}

fn insert(store: &mut Store, span: &Span) -> Outcome {
    let mut bytes = Vec::new();
    span.pack(&mut bytes);
    store.insert(&Summary::of(&bytes).unwrap())
}

fn insert_all(store: &mut Store, text: &str) {
    let (kept, batch) = store.keep(text.as_bytes());
    assert!(batch.is_whole() && (kept.duplicate, kept.dropped) == (0, 0), "{batch:?} {kept:?}");
}

fn all() -> Window {
    Window::new(u64::MAX, u64::MAX)
}

fn names<'s>(names: impl Iterator<Item = &'s Text>) -> Vec<&'s str> {
    names.map(|name| &**name).collect()
}

#[test]
fn a_duplicate_span_is_stored_once() {
    let mut store = Store::new(Memory::of(1 << 20));
    assert_eq!(insert(&mut store, &span(1, 1, "a")), Outcome::Stored);
    assert_eq!(insert(&mut store, &span(1, 1, "a")), Outcome::Duplicate);
    assert_eq!(insert(&mut store, &span(1, 1, "b")), Outcome::Stored, "another piece of the span");
    assert_eq!(store.usage().spans, 2);

    let bytes = store.usage().bytes;
    assert_eq!(insert(&mut store, &span(1, 1, "b")), Outcome::Duplicate);
    assert_eq!(store.usage().bytes, bytes, "a duplicate's texts are released");
}

#[test]
fn a_trace_that_grows_outlives_idle_ones() {
    let mut store = Store::new(Memory::of(1 << 20));
    for number in 0..20_000 {
        insert(&mut store, &span(1_000 + number, 1, &format!("quiet {number}")));
        if number % 200 == 0 {
            assert_eq!(insert(&mut store, &span(1, 1 + number, "growing")), Outcome::Stored, "{number}");
        }
    }
    assert!(store.usage().evicted > 10_000, "{:?}", store.usage());
    assert_eq!(store.trace(TraceId::first_of(1)).len(), 100);
}

#[test]
fn the_newest_traces_stay_and_all_memory_of_evicted_ones_is_released() {
    let mut store = Store::new(Memory::of(1 << 20));
    for trace in 1..=20_000 {
        insert(&mut store, &span(trace, 1, &format!("value {trace}")));
    }
    let usage = store.usage();
    let used = usage.bytes + usage.count_bytes;
    assert!(used <= 1 << 20 && used > 900_000, "{usage:?}");
    assert_eq!(u64::try_from(usage.traces).unwrap() + usage.evicted, 20_000);
    let newest = 20_000 - u64::try_from(usage.traces / 3).unwrap();
    assert!((newest..=20_000).all(|trace| store.trace(TraceId::first_of(trace)).len() == 1));
    assert_eq!(store.count(all()), usage.traces);
    assert_eq!(ListTags::keys().run(&mut store).found.len(), 1);
    assert_eq!(ListTags::values("k").run(&mut store).found.len(), usage.traces.min(1_000));

    while !store.traces.is_empty() {
        store.evict_one();
    }
    assert_eq!((store.usage().bytes, store.usage().spans), (0, 0), "all texts and names are released");
    assert!(store.by_time.ordered.is_empty() && store.services(None).next().is_none());
}

#[test]
fn a_giant_trace_uses_at_most_its_share() {
    let mut store = Store::new(Memory::of(1 << 20));
    for trace in 1..=100 {
        insert(&mut store, &span(trace, 1, "small"));
    }
    let outcomes: Vec<_> =
        (1..=5_000).map(|id| insert(&mut store, &span(9_999, id, &format!("giant {id}")))).collect();
    assert!(outcomes.contains(&Outcome::Stored) && outcomes.contains(&Outcome::Dropped));
    assert_eq!(store.usage().evicted, 0, "the small traces stay");
    let huge = "x".repeat(1 << 19);
    assert_eq!(insert(&mut store, &span(77_777, 1, &huge)), Outcome::Dropped);
    assert_eq!(store.usage().traces, 101, "no empty trace remains");
}

#[test]
fn a_short_id_finds_the_newest_trace_with_that_low_half() {
    let mut store = Store::new(Memory::of(1 << 20));
    let low = "00000000000000aa";
    for (high, id) in [("000000000000000b", 1), ("000000000000000c", 2), ("000000000000000a", 3)] {
        let text = format!(r#"[{{"traceId":"{high}{low}","id":"{id:016x}"}}]"#);
        insert_all(&mut store, &text);
    }
    let find =
        |text: &str| store.trace(TraceId::parse(text).unwrap()).first().map(|span| span.id.to_string());
    assert_eq!(find(low).as_deref(), Some("0000000000000003"));
    assert_eq!(find("000000000000000c00000000000000aa").as_deref(), Some("0000000000000002"));
    assert_eq!(find("000000000000000d00000000000000aa"), None);
    assert_eq!(find("00000000000000ab"), None);
}

fn search() -> Search {
    Search {
        window: all(),
        limit: 10,
        service: None,
        remote_service: None,
        span_name: None,
        annotations: BTreeMap::new(),
        min_duration: None,
        max_duration: None,
    }
}

#[test]
fn searches_find_the_same_traces_as_zipkin_newest_first() {
    let mut store = Store::new(Memory::of(1 << 20));
    let text = r#"[
      {"traceId":"0000000000000001","id":"0000000000000001","timestamp":1000000,"duration":100,"name":"get",
       "localEndpoint":{"serviceName":"a"},"remoteEndpoint":{"serviceName":"b"},"tags":{"http.method":"GET"}},
      {"traceId":"0000000000000001","id":"0000000000000002","parentId":"0000000000000001","timestamp":900000,
       "duration":50,"name":"put","localEndpoint":{"serviceName":"b"},"tags":{"error":""},
       "annotations":[{"timestamp":1,"value":"retry"}]},
      {"traceId":"0000000000000002","id":"0000000000000001","timestamp":2000000,"duration":10,"name":"get",
       "localEndpoint":{"serviceName":"a"},"tags":{"http.method":"POST","error":"x"}},
      {"traceId":"0000000000000003","id":"0000000000000001","name":"never found by time"}]"#;
    insert_all(&mut store, text);
    let mut found = |search: Search| -> Vec<String> {
        let found = Find::new(search).run(&mut store).found;
        found.iter().map(|id| id.to_string()[15..].to_owned()).collect()
    };
    let some = |text: &str| Some(text.to_owned());
    let tags = |tags: &[(&str, &str)]| {
        tags.iter().map(|(key, value)| (some(key).unwrap(), some(value).unwrap())).collect()
    };

    assert_eq!(found(search()), ["2", "1"]);
    assert_eq!(found(Search { limit: 1, ..search() }), ["2"]);
    assert_eq!(
        found(Search { window: Window::new(1_500, 1_000), ..search() }),
        ["1"],
        "by the root's timestamp"
    );
    assert_eq!(found(Search { window: Window::new(950, 100), ..search() }), [""; 0]);
    assert_eq!(found(Search { service: some("b"), ..search() }), ["1"]);
    assert_eq!(found(Search { service: some("b"), span_name: some("get"), ..search() }), [""; 0]);
    assert_eq!(found(Search { span_name: some("put"), ..search() }), ["1"]);
    assert_eq!(found(Search { remote_service: some("b"), ..search() }), ["1"]);
    assert_eq!(found(Search { annotations: tags(&[("error", "")]), ..search() }), ["2", "1"]);
    assert_eq!(
        found(Search { annotations: tags(&[("error", ""), ("http.method", "GET")]), ..search() }),
        ["1"]
    );
    assert_eq!(found(Search { annotations: tags(&[("retry", "")]), ..search() }), ["1"]);
    assert_eq!(found(Search { annotations: tags(&[("retry", "x")]), ..search() }), [""; 0]);
    assert_eq!(found(Search { min_duration: Some(60), ..search() }), ["1"]);
    assert_eq!(found(Search { min_duration: Some(5), max_duration: Some(20), ..search() }), ["2"]);
    assert_eq!(names(store.remote_services("a", None)), ["b"]);
    assert_eq!(names(store.span_names("a", None)), ["get"]);
    assert_eq!(names(store.services(None)), ["a", "b"]);
    assert_eq!(names(store.services(Some("a"))), ["b"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// In any order of spans, the limit holds and stored spans equal the reported ones.
    #[test]
    fn the_memory_limit_holds_for_any_sequence(sent in prop::collection::vec((1..400_u64, 1..60_u64, 0..4_000_usize), 1..1_500)) {
        let mut store = Store::new(Memory::of(1 << 20));
        for (trace, id, length) in sent {
            let sent = span(trace, id, &"v".repeat(length));
            let outcome = insert(&mut store, &sent);
            let usage = store.usage();
            prop_assert!(usage.bytes + usage.count_bytes <= 1 << 20, "{usage:?}");
            if outcome != Outcome::Dropped {
                prop_assert!(store.trace(sent.trace_id).contains(&sent));
            }
        }
        while !store.traces.is_empty() {
            store.evict_one();
        }
        prop_assert_eq!(store.usage().bytes, 0);
    }
}

#[test]
fn the_estimated_size_of_a_trace_is_close_to_its_json() {
    let mut store = Store::new(Memory::of(1 << 20));
    for id in 1..=20 {
        let text = format!(
            r#"[{{"traceId":"0000000000000001","id":"{id:016x}","parentId":"00000000000000aa","kind":"SERVER",
                "name":"greeting.v3.greetingservice/greeting","timestamp":1502787600000000,"duration":150000,
                "localEndpoint":{{"serviceName":"service-a","ipv4":"127.0.0.1","port":50051}},
                "remoteEndpoint":{{"serviceName":"service-b"}},"annotations":[{{"timestamp":1502787600000001,"value":"x"}}],
                "tags":{{"rpc.system":"grpc","rpc.service":"greeting.v3.GreetingService","rpc.method":"Greeting"}}}}]"#
        );
        insert_all(&mut store, &text);
    }
    let id = TraceId::first_of(1);
    let json = serde_json::to_vec(&store.trace(id)).unwrap().len();
    let estimate = store.json_bytes(id);
    assert!(estimate * 10 > json * 8 && estimate * 10 < json * 13, "estimate {estimate}, JSON {json}");
}

#[test]
fn at_most_a_thousand_values_of_a_tag_are_listed() {
    let mut store = Store::new(Memory::of(1 << 24));
    (1..=1_500).for_each(|trace| _ = insert(&mut store, &span(trace, 1, &format!("value {trace}"))));
    assert_eq!(store.usage().traces, 1_500);
    assert_eq!(ListTags::values("k").run(&mut store).found.len(), 1_000);
}

#[test]
fn work_that_is_interrupted_continues_after_changes() {
    let mut store = Store::new(Memory::of(1 << 20));
    (1..=5).for_each(|trace| _ = insert(&mut store, &span(trace, 1, "a")));
    let mut find = Find::new(search());
    while store.index_next() {}
    assert!(find.step(&store) && find.step(&store));
    // A newer trace than those found so far, and a trace that disappears.
    insert(&mut store, &span(9, 1, "a"));
    store.evict_one();
    let is_stored = |trace: &u64| store.version(TraceId::first_of(*trace)).is_some();
    let expected: Vec<String> = (1..=5).rev().filter(is_stored).map(|trace| trace.to_string()).collect();
    assert!(expected.len() == 4 && expected.starts_with(&["5".to_owned(), "4".to_owned()]), "{expected:?}");
    let found: Vec<String> =
        find.run(&mut store).found.iter().map(|id| id.to_string()[15..].to_owned()).collect();
    assert_eq!(found, expected);
}

/// A store that keeps the same traces in every run.
fn without_chance(bytes: usize) -> Store {
    Store { hasher: SeedableRandomState::fixed(), ..Store::new(Memory::of(bytes)) }
}

/// A trace of one span with a duration, which can have failed.
fn rooted(trace: u64, duration: u64, tags: &str) -> Span {
    let text = format!(
        r#"[{{"traceId":"{trace:016x}","id":"0000000000000001","name":"get","timestamp":{},"duration":{duration},
            "localEndpoint":{{"serviceName":"gateway"}},"tags":{{"k":"{trace}"{tags}}}}}]"#,
        trace * 1_000
    );
    spans(&text).remove(0)
}

#[test]
fn failed_traces_stay_longest_then_slow_ones_and_the_rest_is_a_fair_sample() {
    let mut store = without_chance(2 << 20);
    let total = 30_000_u64;
    let is_failed = |trace: u64| trace % 1_000 == 7;
    let is_slow = |trace: u64| trace % 150 == 11 && trace > 1_000;
    for trace in 1..=total {
        // 300 a second.
        store.advance(u32::try_from(trace / 300).unwrap());
        let tags = if is_failed(trace) {
            r#","error":"x","rpc.grpc.status_code":"14""#
        } else if trace % 1_000 == 8 {
            // A cancelled call is no failure.
            r#","error":"x","rpc.grpc.status_code":"1""#
        } else {
            ""
        };
        let duration = if is_slow(trace) { 90_000 } else { 1_000 + trace % 500 };
        assert_eq!(insert(&mut store, &rooted(trace, duration, tags)), Outcome::Stored);
    }
    let kept: Vec<u64> =
        (1..=total).filter(|trace| !store.trace(TraceId::first_of(*trace)).is_empty()).collect();
    assert_eq!(kept.len(), store.usage().traces);
    assert!(kept.len() > 1_000 && kept.len() < 5_000, "{}", kept.len());
    let of = |is: &dyn Fn(u64) -> bool| kept.iter().filter(|trace| is(**trace)).count();
    assert_eq!(of(&is_failed), 30, "every failed one");
    // 193 were slow; some of the first may have gone before there were enough to compare.
    assert!(of(&is_slow) >= 190, "{}", of(&is_slow));
    assert!(of(&|trace| trace % 1_000 == 8) < 20);

    // Of the ordinary ones that are older than the newest half: some of each third, since all are of the last two minutes.
    let oldest_of_newest = total - u64::try_from(kept.len()).unwrap() / 2;
    let ordinary: Vec<u64> = kept
        .iter()
        .copied()
        .filter(|trace| *trace < oldest_of_newest && !is_failed(*trace) && !is_slow(*trace))
        .collect();
    let third = oldest_of_newest / 3;
    for part in 0..3 {
        let found = ordinary.iter().filter(|trace| **trace / third == part).count();
        assert!(found * 6 > ordinary.len(), "{found} of {} in part {part}", ordinary.len());
    }
}

#[test]
fn a_trace_that_fails_late_stays_as_a_failed_one() {
    let mut store = without_chance(1 << 20);
    for trace in 1..=20_000 {
        insert(&mut store, &rooted(trace, 1_000, ""));
        // It is among the older half by now, if it was not evicted.
        if trace % 20 == 0 && trace > 2_000 && store.trace(TraceId::first_of(trace - 1_500)).len() == 1 {
            let late = rooted(trace - 1_500, 900, r#","error":"late""#);
            assert_eq!(insert(&mut store, &late), Outcome::Stored);
        }
    }
    let failed = (1..=20_000).filter(|trace| store.trace(TraceId::first_of(*trace)).len() == 2).count();
    assert!(failed > 20, "{failed}");
    while !store.traces.is_empty() {
        store.evict_one();
    }
    assert_eq!((store.newest_spans, store.usage().bytes), (0, 0));
}
