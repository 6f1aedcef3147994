//! What a topology says beside its graph.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by its panic")]

use std::time::Duration;

use octet_fault::{Code, Seed, Share};
use octet_topology::{Balance, EdgeSettings, Limit, Policy, Topology, WhenLeft, table};

/// The example of the reference.
fn example() -> Topology {
    let reference = include_str!("../../../docs/topology.md");
    let text = reference.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    Topology::parse(text, "t").unwrap_or_else(|findings| panic!("{findings}"))
}

#[test]
fn a_service_has_its_own_fields_and_otherwise_the_defaults() {
    let text = "entry = 'a'\n[defaults]\npolicy = 'partial'\nreplicas = 2\ncpu = '1ms'\nlimit = { concurrent = 1 }\n\
        greeting = 'Hi'\nwhen_left = 'finish'\n[[service]]\nname = 'a'\n[[service]]\nname = 'b'\npolicy = 'strict'\n\
        replicas = 3\ngreeting = 'Ho'\nwhen_left = 'stop'\nlimit = { concurrent = 2, queue = 1 }";
    let topology = Topology::parse(text, "t").unwrap();
    let [a, b] = topology.services() else { panic!("two services") };
    assert_eq!((a.policy, a.replicas, a.greeting.as_str()), (Policy::Partial, 2, "Hi"));
    assert_eq!((b.policy, b.replicas, b.greeting.as_str()), (Policy::Strict, 3, "Ho"));
    assert_eq!(a.behaviour.cpu, b.behaviour.cpu);
    assert_eq!(a.behaviour.limit, Some(Limit { concurrent: 1, queue: 0 }));
    assert_eq!(b.behaviour.limit, Some(Limit { concurrent: 2, queue: 1 }));
    assert_eq!((a.behaviour.when_left, b.behaviour.when_left), (WhenLeft::Finish, WhenLeft::Stop));
    assert_eq!(topology.replicas(), 5);
}

#[test]
fn steps_keep_the_order_of_the_calls() {
    let topology = example();
    let edge = topology.entry();
    let steps: Vec<Vec<_>> = edge.steps.iter().map(|step| step.iter().map(AsRef::as_ref).collect()).collect();
    assert_eq!(steps, [vec!["auth"], vec!["cart", "stock"]]);
    let calls: Vec<&str> = edge.calls.iter().map(AsRef::as_ref).collect();
    assert_eq!(calls, ["auth", "cart", "stock"]);
    let order: Vec<_> = topology.greeting_order().iter().map(ToString::to_string).collect();
    assert_eq!(order, ["edge", "auth", "cart", "stock", "stock"]);
    assert_eq!(edge.greeting.as_str(), "Hello, from edge!");
}

#[test]
fn each_field_of_a_call_comes_from_the_most_specific_table_that_has_it() {
    let topology = example();
    let of_cart = topology.edge("cart", "stock");
    assert_eq!(of_cart.share, Share::parse("50%").unwrap());
    assert_eq!(of_cart.deadline, Some(Duration::from_millis(300)));
    assert_eq!(of_cart.balance, Some(Balance::LeastRequest));
    let retry = of_cart.retry.unwrap();
    assert_eq!((retry.attempts, retry.on, retry.budget), (3, vec![Code::UNAVAILABLE], Share::parse("20%")));
    assert_eq!(topology.edge("edge", "stock").share, Share::WHOLE);
    assert_eq!(topology.edge("edge", "auth"), EdgeSettings::default());
    assert_eq!(topology.edge("gateway", "edge"), EdgeSettings::default());

    let text = "entry = 'a'\n[[service]]\nname = 'a'\ncalls = ['b']\n[[service]]\nname = 'b'\n\
        [[edge]]\nat = '*>*'\ntimes = 2\n[[edge]]\nat = 'a>*'\ntimes = 3\n[[edge]]\nat = '*>b'\ntimes = 4";
    let topology = Topology::parse(text, "t").unwrap();
    assert_eq!(topology.edge("a", "b").times, 4);
    assert_eq!(topology.edge("gateway", "a").times, 2);
}

#[test]
fn every_format_shows_the_whole_language() {
    let topology = example();
    assert_eq!((topology.seed(), topology.faults().len()), (Some(Seed(7)), 1));
    assert!(topology.has_draws() && !Topology::built_in().unwrap().has_draws());

    let toml = topology.to_toml();
    assert_eq!(Topology::parse(&toml, "t"), Ok(topology.clone()), "{toml}");

    let shown = table(&topology);
    for part in [
        "auth; then cart, stock",
        "3 replicas, work p50=5ms p90=20ms p99=80ms, limit 4 queue 256, when_left finish, ready_after 5s",
        "cart>stock  50%, payload 10KiB, within 300ms, least_request, 3 attempts on UNAVAILABLE budget 20%",
        "at=edge>stock abort=UNAVAILABLE share=10%",
        "seed 7",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    let json = serde_json::to_value(&topology).unwrap();
    assert_eq!(json["seed"], 7);
    assert_eq!(json["services"][0]["steps"], serde_json::json!([["auth"], ["cart", "stock"]]));
    assert_eq!(json["services"][3]["replicas"], 3);
    assert_eq!(json["services"][3]["limit"], serde_json::json!({ "concurrent": 4, "queue": 256 }));
    assert_eq!(json["edges"][1]["to"], "stock");
    assert_eq!(json["edges"][1]["retry"]["on"], serde_json::json!(["UNAVAILABLE"]));
    assert_eq!(json["faults"][0]["abort"], "UNAVAILABLE");

    let dot = topology.to_dot();
    for part in ["label = \"step 1\"", "fault: abort UNAVAILABLE 10%", "stock\\n3 replicas, work"] {
        assert!(dot.contains(part), "{part}\n{dot}");
    }
    let mermaid = topology.to_mermaid();
    for part in ["-->|\"step 1\"|", "<br>fault: abort UNAVAILABLE 10%", "stock<br>3 replicas, work"] {
        assert!(mermaid.contains(part), "{part}\n{mermaid}");
    }
}
