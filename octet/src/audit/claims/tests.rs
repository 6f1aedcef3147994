//! The claims of answers as text: `c holds a0` means that the greeting of A, at position 0, is a document of C.

use octet_topology::Topology;

use super::{
    super::{answers::Greeting, graph::Overrides},
    *,
};

const DIAMOND: &str = r#"
    entry = "a"
    [[service]]
    name = "a"
    greeting = "Hi"
    calls = ["b", "c"]
    policy = "partial"
    store = { database = "a", collection = "x" }
    [[service]]
    name = "b"
    greeting = "Hi"
    calls = ["d"]
    policy = "partial"
    publishes = "trail"
    [[service]]
    name = "c"
    greeting = "Hi"
    calls = ["d"]
    policy = "partial"
    [[service]]
    name = "d"
    greeting = "Hi"
    publishes = "news"
    store = { database = "d", collection = "x" }
    [[service]]
    name = "reader"
    greeting = "Hi"
    consumes = "news"
    store = { database = "reader", collection = "x" }
    [[service]]
    name = "archive"
    greeting = "Hi"
    consumes = "news"
    store = { database = "archive", collection = "x" }
"#;

fn built_in() -> Topology {
    Topology::built_in().unwrap()
}

/// An answer whose ids are the positions of its greetings.
fn answer(services: &[&str]) -> Answer {
    let greetings = (0..=u8::MAX).cycle().zip(services).map(|(position, service)| Greeting {
        id: GreetingId::from_bytes([position; 16]).to_string(),
        service: (*service).to_owned(),
        message: None,
        created: Some("2026".to_owned()),
        hostname: None,
    });
    Answer { line: 1, greetings: greetings.collect(), is_stream: false, trace: None }
}

fn claimed(topology: &Topology, overrides: &Overrides, services: &[&str]) -> Result<Vec<String>, String> {
    let graph = Graph::new(topology, overrides);
    let mut claims = Claims::new(&graph);
    let first = claims.of(&answer(services))?;
    // The second time, from the cache.
    assert_eq!(claims.of(&answer(services))?, first);
    let name = |id: &GreetingId| {
        let position = id.to_bytes()[0];
        format!("{}{position}", services[usize::from(position)].trim_start_matches("service-"))
    };
    let word = |claim: &Claim| {
        let greetings: Vec<_> =
            std::iter::once(&claim.id).chain(claim.others.iter().map(|(id, _)| id)).map(name).collect();
        let owner = graph.owner(claim.place).replace("service-", "");
        format!("{owner} holds {}", greetings.join("|"))
    };
    Ok(first.iter().map(word).collect())
}

#[test]
fn claims_follow_from_the_topology() {
    let all = ["service-a", "service-b", "service-d", "service-e", "service-g", "service-h", "service-c"];
    let none = Overrides::default();
    for (services, claims) in [
        (&all[..], vec!["f holds d2", "g holds e3", "h holds e3", "c holds a0"]),
        // Called directly.
        (&all[3..6], vec!["g holds e0", "h holds e0"]),
        (&["service-d"], vec!["f holds d0"]),
        (&["service-g"], vec!["g holds g0"]),
        (&["service-f"], vec!["f holds f0"]),
    ] {
        assert_eq!(claimed(&built_in(), &none, services).unwrap(), claims, "{services:?}");
    }
}

#[test]
fn a_partial_answer_claims_only_what_it_contains() {
    let partial = Overrides { policy: Some(octet_topology::Policy::Partial), ..Overrides::default() };
    for (services, claims) in [
        (&["service-a"][..], &[][..]),
        (&["service-a", "service-c"], &["c holds a0"]),
        (&["service-a", "service-b", "service-e", "service-h", "service-c"], &["h holds e2", "c holds a0"]),
    ] {
        assert_eq!(claimed(&built_in(), &partial, services).unwrap(), claims, "{services:?}");
    }
    let strict = claimed(&built_in(), &Overrides::default(), &["service-a", "service-c"]);
    let why = strict.expect_err("strict");
    assert!(why.contains("FAILURE_POLICY=partial"), "{why}");
}

#[test]
fn a_service_on_two_paths_claims_for_each_and_any_consumer_meets_a_claim() {
    let diamond = Topology::parse(DIAMOND, "test").unwrap_or_else(|faults| panic!("{faults}"));
    let none = Overrides::default();
    assert_eq!(
        claimed(&diamond, &none, &["a", "b", "d", "c", "d"]).unwrap(),
        // A was called from outside and stored its own greeting; `trail` has no consumer.
        [
            "a holds a0",
            "trail holds b1",
            "d holds b1",
            "reader|archive holds d2",
            "d holds c3",
            "reader|archive holds d4"
        ]
    );
    assert_eq!(
        claimed(&diamond, &none, &["a", "c", "d"]).unwrap(),
        ["a holds a0", "d holds c1", "reader|archive holds d2"]
    );
}

#[test]
fn queue_name_replaces_the_name_of_the_topology() {
    let renamed = Overrides { queue: Some("other".parse().unwrap()), policy: None };
    let graph = Graph::new(&built_in(), &renamed);
    let names: Vec<_> = graph.queues().iter().map(|queue| queue.name.to_string()).collect();
    assert_eq!(names, ["other"]);
    assert_eq!(claimed(&built_in(), &renamed, &["service-d"]).unwrap(), ["f holds d0"]);
}

#[test]
fn an_invalid_answer_is_refused_with_the_reason() {
    let none = Overrides::default();
    let many = vec!["service-c"; MAX_GREETINGS + 1];
    for (services, why) in [
        (&[][..], "no greetings"),
        (&["service-x\n"], r#"greeting 1 is from "service-x\n", which is not in the topology"#),
        (
            &["service-e", "service-h", "service-g"],
            "greeting 3, from service-g, is out of place in an answer of service-e",
        ),
        (&many, "more than 1000 greetings"),
    ] {
        assert_eq!(claimed(&built_in(), &none, services).expect_err(why), why);
    }

    let graph = Graph::new(&built_in(), &none);
    let mut twice = answer(&["service-e", "service-g", "service-h"]);
    twice.greetings[2].id = twice.greetings[0].id.clone();
    assert_eq!(
        Claims::new(&graph).of(&twice).expect_err("twice"),
        "two greetings have the id 00000000-0000-0000-0000-000000000000"
    );
    twice.greetings[2].id = "7".repeat(100);
    assert_eq!(
        Claims::new(&graph).of(&twice).expect_err("invalid id"),
        format!("greeting 3, from service-h, has the id \"{}…\", which is not a UUID", "7".repeat(64))
    );
}

#[test]
fn a_message_that_no_document_confirms_must_be_that_of_the_topology() {
    let graph = Graph::new(&built_in(), &Overrides::default());
    let mut claims = Claims::new(&graph);
    let mut answer = answer(&["service-e", "service-g", "service-h"]);
    let messages = |answer: &mut Answer, messages: [&str; 3]| {
        for (greeting, message) in answer.greetings.iter_mut().zip(messages) {
            greeting.message = Some(message.to_owned());
        }
    };
    // The greeting of E is a document of G and H, which confirms or refutes its message.
    messages(&mut answer, ["Salut!", "Ahlan (أهلا), from Service G!", "Nǐ hǎo (你好), from Service H!"]);
    let whole = claims.of(&answer).unwrap();
    assert_eq!(whole.len(), 2);
    messages(&mut answer, ["Salut!", "Ahlan (أهلا), from Service G!", "Hello!"]);
    for _ in 0..2 {
        assert_eq!(
            claims.of(&answer).expect_err("altered"),
            "greeting 3, from service-h, has the message \"Hello!\", but \"Nǐ hǎo (你好), from Service H!\" in the topology"
        );
    }
    // The claims carry what their documents must contain.
    let other = Fingerprint::of([Some(b"service-e"), Some(b"Bonjour"), None, None]);
    assert_eq!(whole[0].content.difference(&other), Some("message"));
}

#[test]
fn a_claim_on_a_queue_is_read_back_from_the_spool() {
    let graph = Graph::new(&built_in(), &Overrides::default());
    let claims = Claims::new(&graph).of(&answer(&["service-d"])).unwrap();
    let mut bytes = Vec::new();
    claims[0].write(&mut bytes).unwrap();
    assert_eq!(bytes.len(), Claim::BYTES);
    assert_eq!(Claim::read(&bytes).as_ref(), Some(&claims[0]));
}

#[test]
fn the_cache_of_shapes_is_bounded() {
    let diamond = Topology::parse(DIAMOND, "test").unwrap();
    let graph = Graph::new(&diamond, &Overrides::default());
    let mut claims = Claims::new(&graph);
    claims.cache(vec![0; MAX_CACHED], Vec::new());
    claims.of(&answer(&["d"])).unwrap();
    assert_eq!((claims.shapes.len(), claims.cached), (1, 3));
}
