use octet_zipkin::Batch;
use serde_json::{Value, json};

use super::*;

/// A span of a made trace: times in milliseconds.
fn span(kind: &str, service: &str, id: u64, parent: u64, times: (u64, u64), more: &Value) -> Value {
    let mut span = json!({
        "traceId": "0af7651916cd43dd8448eb211c80319c", "id": format!("{id:016x}"), "kind": kind,
        "timestamp": 1_700_000_000_000_000_u64 + times.0 * 1_000, "duration": (times.1 - times.0) * 1_000,
        "localEndpoint": { "serviceName": service },
    });
    if parent > 0 {
        span["parentId"] = json!(format!("{parent:016x}"));
    }
    for (key, value) in more.as_object().into_iter().flatten() {
        span[key] = value.clone();
    }
    span
}

fn trace(spans: &[Value]) -> Vec<Span> {
    let batch = Batch::read(json!(spans).to_string().as_bytes());
    assert!(batch.malformed.is_empty() && batch.broken.is_none(), "{batch:?}");
    batch.spans
}

/// `shop` calls `auth`, then `cart_items` and `stock` together; `stock` fails where `fails`.
fn shop(fails: bool) -> Vec<Span> {
    let error = json!({ "tags": { "error": "", "rpc.grpc.status_code": "14" } });
    let none = json!({});
    let stock = if fails { &error } else { &none };
    let remote = |name: &str| json!({ "remoteEndpoint": { "serviceName": name } });
    let mut to_stock = remote("stock");
    to_stock["tags"] = stock["tags"].clone();
    if !fails {
        to_stock = remote("stock");
    }
    trace(&[
        span("SERVER", "shop", 1, 0, (0, 100), stock),
        span("CLIENT", "shop", 2, 1, (20, 40), &remote("auth")),
        span("SERVER", "auth", 3, 2, (21, 39), &none),
        span("CLIENT", "shop", 4, 1, (40, 80), &remote("cart_items")),
        span("SERVER", "cart_items", 5, 4, (41, 79), &none),
        span("CLIENT", "shop", 6, 1, (41, 70), &to_stock),
        span("SERVER", "stock", 7, 6, (42, 69), stock),
        span(
            "CLIENT",
            "stock",
            8,
            7,
            (45, 50),
            &json!({ "tags": { "db.system": "mongodb", "db.name": "goods" } }),
        ),
        // Back to the first: a cycle.
        span("CLIENT", "auth", 9, 3, (22, 23), &remote("shop")),
    ])
}

#[test]
fn order_times_stores_names_and_failures_are_learned_and_a_cycle_is_left_out() {
    let traces: Vec<_> = (0..100).map(|number| shop(number < 10)).collect();
    let Learned { toml, notes } = learn(&traces).expect("a mesh");
    for part in [
        "entry = \"shop\"\n",
        "calls = [[\"auth\"], [\"cart-items\", \"stock\"]]\n",
        // 100 ms without those from 20 to 80 ms.
        "name = \"shop\"\ncalls = [[\"auth\"], [\"cart-items\", \"stock\"]]\nwork = \"40ms\"\n",
        "name = \"cart-items\"\nwork = \"38ms\"\n",
        "store = { database = \"goods\", collection = \"documents\" }\nwork = \"22ms\"\n",
        "[[fault]]\nat = \"stock\"\nabort = \"UNAVAILABLE\"\nshare = \"10%\"\n",
    ] {
        assert!(toml.contains(part), "{part}\n{toml}");
    }
    assert!(!toml.contains("policy") && !toml.contains("[[edge]]"), "{toml}");
    assert_eq!(
        notes,
        ["\"cart_items\" is called cart-items", "auth>shop: 100 calls, which close a cycle, are left out"]
    );
}

#[test]
fn shares_and_times_are_learned() {
    let none = json!({});
    let remote = json!({ "remoteEndpoint": { "serviceName": "b" } });
    let with = |calls: u64| {
        let mut spans = vec![span("SERVER", "a", 1, 0, (0, 100), &none)];
        for number in 0..calls {
            let (start, end) = (10 + 20 * number, 20 + 20 * number);
            spans.push(span("CLIENT", "a", 10 + number, 1, (start, end), &remote));
            spans.push(span("SERVER", "b", 20 + number, 10 + number, (start, end), &none));
        }
        trace(&spans)
    };
    let traces: Vec<_> = (0..200).map(|number| with(if number % 4 == 0 { 2 } else { 0 })).collect();
    let toml = learn(&traces).expect("a mesh").toml;
    assert!(toml.contains("[[edge]]\nat = \"a>b\"\nshare = \"25%\"\ntimes = 2\n"), "{toml}");
}

#[test]
fn a_failure_that_is_left_out_of_the_answer_is_a_partial_policy() {
    let error = json!({ "tags": { "error": "" }, "remoteEndpoint": { "serviceName": "b" } });
    let failed = trace(&[
        span("SERVER", "a", 1, 0, (0, 100), &json!({})),
        span("CLIENT", "a", 2, 1, (10, 20), &error),
    ]);
    let fine = trace(&[
        span("SERVER", "a", 1, 0, (0, 100), &json!({})),
        span("CLIENT", "a", 2, 1, (10, 20), &json!({})),
        span("SERVER", "b", 3, 2, (11, 19), &json!({})),
    ]);
    let toml = learn(&[failed, fine.clone(), fine.clone(), fine]).expect("a mesh").toml;
    assert!(toml.contains("policy = \"partial\"\n"), "{toml}");
    assert!(toml.contains("[[fault]]\nat = \"a>b\"\nabort = \"UNKNOWN\"\nshare = \"25%\"\n"), "{toml}");
}

#[test]
fn traces_without_a_server_are_no_mesh() {
    assert_eq!(learn(&[]).unwrap_err(), "there are no traces");
    // Where no trace has a beginning, the caller is one that reports nothing.
    let headless = trace(&[span("SERVER", "a", 2, 1, (0, 50), &json!({}))]);
    assert!(learn(&[headless]).expect("a mesh").toml.starts_with("entry = \"a\"\n"));
    let client = trace(&[span("CLIENT", "a", 1, 0, (0, 1), &json!({}))]);
    assert!(learn(&[client]).unwrap_err().contains("no trace has a call from outside"));
}

#[test]
fn a_spread_has_the_form_that_fits() {
    let of = |times: Vec<u64>| spread::spread(times).map(|spread| spread.to_string());
    let all = |time: fn(u64) -> u64| (0..1_000).map(time).collect();
    assert_eq!(of(all(|_| 20_000)).as_deref(), Some("20ms"));
    assert_eq!(of(all(|number| 10_000 + number * 20)).as_deref(), Some("10ms200us..29ms800us"));
    assert_eq!(of(all(|_| 900)), None, "a service of Octet takes as long without work");
    let tail = of(all(|number| if number < 900 { 10_000 } else { number * 100 }));
    assert_eq!(tail.as_deref(), Some("p50=10ms p90=10ms p99=98ms900us"));
    assert_eq!(of(Vec::new()), None);
}
