//! The built-in topology, and its output as a table and as JSON.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by its panic")]

use octet_topology::{Policy, Service, ServiceName, Topology, table};

fn built_in() -> Topology {
    Topology::built_in().unwrap_or_else(|findings| panic!("{findings}"))
}

fn service(topology: &Topology, name: &str) -> Service {
    topology.service(&name.parse().unwrap()).unwrap().clone()
}

#[test]
fn the_built_in_topology_is_valid_and_declares_a_to_h() {
    let topology = built_in();
    let names: Vec<_> = topology.services().iter().map(|service| service.name.as_str()).collect();
    let expected: Vec<_> = ('a'..='h').map(|letter| format!("service-{letter}")).collect();
    assert_eq!(names, expected);
    assert_eq!(topology.entry().name.as_str(), "service-a");
    assert!(topology.services().iter().all(|service| service.policy == Policy::Strict));
}

#[test]
fn an_answer_has_seven_greetings_in_declared_depth_first_order() {
    let topology = built_in();
    let order: Vec<_> = topology.greeting_order().into_iter().map(ServiceName::as_str).collect();
    let expected = ["a", "b", "d", "e", "g", "h", "c"].map(|letter| format!("service-{letter}"));
    assert_eq!(order, expected);
}

#[test]
fn the_built_in_topology_has_the_edges_of_the_design() {
    let topology = built_in();
    let edges: Vec<_> = topology.edges().map(|(from, to)| format!("{from} {to}")).collect();
    let expected = ["a b", "a c", "b d", "b e", "e g", "e h"]
        .map(|edge| edge.split(' ').map(|letter| format!("service-{letter}")).collect::<Vec<_>>().join(" "));
    assert_eq!(edges, expected);
}

#[test]
fn service_f_consumes_what_service_d_publishes() {
    let topology = built_in();
    let (publisher, consumer) = (service(&topology, "service-d"), service(&topology, "service-f"));
    assert_eq!(publisher.publishes.as_ref().unwrap().as_str(), "service-d.greeting");
    assert_eq!(publisher.publishes, consumer.consumes);
    assert_eq!(consumer.store.unwrap().to_string(), "service-f.messages");
}

#[test]
fn a_name_outside_the_topology_has_no_service() {
    assert_eq!(built_in().service(&"service-x".parse().unwrap()), None);
}

#[test]
fn a_service_reached_along_two_paths_greets_twice() {
    let text = r#"
        entry = "a"
        service = [
            { name = "d", greeting = "D" },
            { name = "c", greeting = "C", calls = ["d"] },
            { name = "b", greeting = "B", calls = ["d"], policy = "partial" },
            { name = "a", greeting = "A", calls = ["b", "c"] },
        ]
    "#;
    let topology = Topology::parse(text, "test").unwrap();
    let order: Vec<_> = topology.greeting_order().into_iter().map(ServiceName::as_str).collect();
    assert_eq!(order, ["a", "b", "d", "c", "d"]);
    assert_eq!(service(&topology, "b").policy, Policy::Partial);
}

#[test]
fn a_topology_serializes_to_json() {
    let json = serde_json::to_value(built_in()).unwrap();
    assert_eq!(json["entry"], "service-a");
    assert_eq!(json["order"].as_array().unwrap().len(), 7);
    assert_eq!(
        json["services"][0],
        serde_json::json!({
            "name": "service-a",
            "greeting": "Hello, from Service A!",
            "calls": ["service-b", "service-c"],
            "store": null,
            "publishes": null,
            "consumes": null,
            "policy": "strict",
        })
    );
    assert_eq!(
        json["services"][5],
        serde_json::json!({
            "name": "service-f",
            "greeting": "Hola, from Service F!",
            "calls": [],
            "store": { "database": "service-f", "collection": "messages" },
            "publishes": null,
            "consumes": "service-d.greeting",
            "policy": "strict",
        })
    );
}

#[test]
fn the_tables_columns_are_aligned() {
    let expected = "\
service    calls                 store                queue                         policy  greeting
service-a  service-b, service-c  -                    -                             strict  Hello, from Service A!
service-b  service-d, service-e  -                    -                             strict  Namasté (नमस्ते), from Service B!
service-c  -                     service-c.greetings  -                             strict  Konnichiwa (こんにちは), from Service C!
service-d  -                     -                    publishes service-d.greeting  strict  Shalom (שָׁלוֹם), from Service D!
service-e  service-g, service-h  -                    -                             strict  Bonjour, from Service E!
service-f  -                     service-f.messages   consumes service-d.greeting   strict  Hola, from Service F!
service-g  -                     service-g.greetings  -                             strict  Ahlan (أهلا), from Service G!
service-h  -                     service-h.greetings  -                             strict  Nǐ hǎo (你好), from Service H!
";
    assert_eq!(table(&built_in()), expected);
}

#[test]
fn a_written_file_has_every_field_of_the_topology() {
    let written = built_in().to_toml();
    assert_eq!(Topology::parse(&written, "written"), Ok(built_in()));
    let partial = "entry = 'a'\n[[service]]\nname = 'a'\ngreeting = '\"A\" \\'\npolicy = 'partial'\n";
    let partial = Topology::parse(partial, "t").unwrap();
    assert_eq!(
        partial.to_toml(),
        "entry = \"a\"\n\n[[service]]\nname = \"a\"\ngreeting = \"\\\"A\\\" \\\\\"\npolicy = \"partial\"\n"
    );
    assert_eq!(Topology::parse(&partial.to_toml(), "t"), Ok(partial));
}

#[test]
fn the_starting_topology_is_valid_and_every_service_of_it_is_called_or_consumes() {
    let starting =
        Topology::parse(Topology::STARTING, "starting").unwrap_or_else(|findings| panic!("{findings}"));
    assert_eq!(starting.services().len(), 4);
    assert_eq!(starting.uncalled().count(), 0);
}

#[test]
fn only_a_service_without_caller_and_queue_is_uncalled() {
    assert_eq!(built_in().uncalled().count(), 0, "F consumes");
    let text = r#"
        entry = "a"
        service = [
            { name = "a", greeting = "A", calls = ["b"] },
            { name = "b", greeting = "B" },
            { name = "c", greeting = "C", calls = ["d"] },
            { name = "d", greeting = "D" },
        ]
    "#;
    let topology = Topology::parse(text, "test").unwrap();
    let uncalled: Vec<_> = topology.uncalled().map(|service| service.name.as_str()).collect();
    assert_eq!(uncalled, ["c"]);
}

#[test]
fn a_drawing_has_every_service_store_queue_and_edge() {
    let text = r#"
        entry = "end"
        service = [
            { name = "end", greeting = "E", calls = ["x-y"], publishes = "q.1" },
            { name = "x-y", greeting = "X", consumes = "q.1", store = { database = "d", collection = "c" } },
        ]
    "#;
    let topology = Topology::parse(text, "test").unwrap();
    assert_eq!(
        topology.to_dot(),
        r#"digraph octet {
  rankdir = LR
  node [fontname = "sans-serif"]
  gateway [label = "gateway", shape = hexagon]
  service_1 [label = "end", shape = box]
  service_2 [label = "x-y", shape = box]
  store_of_service_2 [label = "d.c", shape = cylinder]
  queue_1 [label = "q.1", shape = cds]
  gateway -> service_1
  service_1 -> service_2
  service_1 -> queue_1 [style = dashed]
  queue_1 -> service_2 [style = dashed]
  service_2 -> store_of_service_2
}
"#
    );
    assert_eq!(
        topology.to_mermaid(),
        r#"flowchart LR
  gateway{{"gateway"}}
  service_1["end"]
  service_2["x-y"]
  store_of_service_2[("d.c")]
  queue_1>"q.1"]
  gateway --> service_1
  service_1 --> service_2
  service_1 -.-> queue_1
  queue_1 -.-> service_2
  service_2 --> store_of_service_2
"#
    );
}
