//! Traces as the platform makes them, from which spans are taken, doubled, or put elsewhere.

use std::fmt::Write as _;

use octet_topology::Topology;
use octet_zipkin::Batch;

use super::*;
use crate::audit::{Answer, Greeting, Overrides, telemetry::label::name};

/// The root of every trace here.
const ROOT: u64 = 1;

/// One span of a trace, as text.
#[derive(Debug, Clone)]
struct Made {
    id: u64,
    parent: u64,
    text: String,
    /// As findings name it.
    label: String,
}

/// Makes the trace of one request.
struct Tracer<'a> {
    topology: &'a Topology,
    spans: Vec<Made>,
    greetings: Vec<Greeting>,
}

impl Tracer<'_> {
    fn span(
        &mut self,
        (service, kind): (&str, &str),
        parent: u64,
        (remote, tags): (&str, &str),
        label: &str,
    ) -> u64 {
        let id = u64::try_from(self.spans.len()).unwrap() + ROOT;
        let text = format!(
            r#"{{"traceId":"a","id":"{id:x}","PARENT":0,"kind":"{kind}","name":"x","timestamp":{},"duration":5,
            "localEndpoint":{{"serviceName":"{service}"}},"remoteEndpoint":{{"serviceName":"{remote}"}},
            "tags":{{{tags}}}}}"#,
            1000 + id
        );
        self.spans.push(Made { id, parent, text, label: format!("{kind} {label}") });
        id
    }

    /// A call from `caller`, whose span is `parent`.
    fn call(&mut self, caller: &str, service: &str, parent: u64) {
        const OK: &str = r#""rpc.response.status_code":"OK""#;
        let edge = format!("{caller} > {service}");
        let client = self.span((caller, "CLIENT"), parent, (service, OK), &edge);
        let server = self.span((service, "SERVER"), client, (caller, OK), &edge);
        self.greetings.push(Greeting {
            id: String::new(),
            service: service.to_owned(),
            message: None,
            created: None,
            hostname: None,
        });
        let topology = self.topology;
        let node = topology.service(&service.parse().unwrap()).unwrap();
        if node.store.is_some() {
            self.store(service, server);
        }
        if let Some(queue) = &node.publishes {
            let producer = self.span(
                (service, "PRODUCER"),
                server,
                (queue.as_str(), r#""messaging.system":"sqlite""#),
                &format!("{service} > {queue}"),
            );
            let consumer = topology.services().iter().find(|other| other.consumes.as_ref() == Some(queue));
            if let Some(consumer) = consumer {
                let name = consumer.name.as_str();
                let label = format!("{queue} > {name}");
                let consumed = self.span((name, "CONSUMER"), producer, (queue.as_str(), ""), &label);
                self.store(name, consumed);
            }
        }
        for callee in &node.calls {
            for _ in 0..topology.edge(service, callee.as_str()).times {
                self.call(service, callee.as_str(), server);
            }
        }
    }

    fn store(&mut self, service: &str, parent: u64) {
        let store =
            self.topology.service(&service.parse().unwrap()).unwrap().store.as_ref().unwrap().to_string();
        let label = format!("{service} > {store}");
        self.span((service, "CLIENT"), parent, (&store, r#""db.system.name":"sqlite""#), &label);
    }
}

/// A topology's graph, an answer and its trace.
struct Case {
    graph: Graph,
    expected: Expected,
    spans: Vec<Made>,
}

impl Case {
    fn of(topology: &Topology) -> Self {
        let mut tracer = Tracer { topology, spans: Vec::new(), greetings: Vec::new() };
        let root = tracer.span(("gateway", "SERVER"), 0, ("", ""), "client > gateway");
        tracer.call("gateway", topology.entry().name.as_str(), root);
        let graph = Graph::new(topology, &Overrides::default());
        let mut answer = Answer { line: 1, greetings: tracer.greetings, is_stream: false, trace: None };
        let expected = Expected::of(&graph, &mut answer).unwrap();
        Self { graph, expected, spans: tracer.spans }
    }

    fn judge(&self, spans: &[Made]) -> Judged {
        let mut list = String::from("[");
        for Made { parent, text, .. } in spans {
            let parent = if *parent == 0 { String::new() } else { format!("\"parentId\":\"{parent:x}\",") };
            let comma = if list.len() > 1 { "," } else { "" };
            write!(list, "{comma}{}", text.replace("\"PARENT\":0,", &parent)).unwrap();
        }
        let batch = Batch::read(format!("{list}]").as_bytes());
        assert!(batch.is_whole(), "{batch:?}");
        let root = SpanId::from_number(ROOT).unwrap();
        judge(&self.graph, &self.expected, root, &batch.spans).expect("one request")
    }

    /// The findings as `lost CLIENT a > b`, sorted.
    fn findings(&self, spans: &[Made]) -> Vec<String> {
        let judged = self.judge(spans);
        let shown = judged.faults.iter().map(|(label, fault)| {
            let what = match fault {
                Fault::Lost(_) => "lost",
                Fault::Doubled(..) => "doubled",
                Fault::WrongParent(..) => "wrong",
            };
            let (from, to) = (name(&self.graph, label.from), name(&self.graph, label.to));
            format!("{what} {} {from} > {to}", label.side.name())
        });
        let mut shown: Vec<_> = shown.collect();
        shown.sort();
        shown
    }
}

const DIAMOND: &str = r#"
    entry = "a"
    [[service]]
    name = "a"
    calls = [["b", "c"], ["d"]]
    [[service]]
    name = "b"
    calls = ["d"]
    publishes = "News"
    [[service]]
    name = "c"
    calls = ["d"]
    [[service]]
    name = "d"
    store = { database = "d", collection = "x" }
    publishes = "trail"
    [[service]]
    name = "reader"
    consumes = "News"
    store = { database = "reader", collection = "X" }
    [[edge]]
    at = "a>d"
    times = 3
"#;

fn topologies() -> [Topology; 2] {
    [Topology::built_in().unwrap(), Topology::parse(DIAMOND, "diamond").unwrap()]
}

#[test]
fn a_whole_trace_has_no_findings_in_any_order() {
    for topology in topologies() {
        let case = Case::of(&topology);
        let reversed: Vec<_> = case.spans.iter().rev().cloned().collect();
        for spans in [&case.spans, &reversed] {
            let judged = case.judge(spans);
            assert_eq!(judged.faults, []);
            assert_eq!(judged.spans, case.expected.spans);
        }
    }
}

#[test]
fn what_is_lost_and_doubled_is_what_was_taken_and_repeated() {
    for topology in topologies() {
        let case = Case::of(&topology);
        for seed in 0..2_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let share = random.f64();
            let (mut spans, mut expected) = (Vec::new(), Vec::new());
            for span in &case.spans {
                if random.f64() < share {
                    expected.push(format!("lost {}", span.label));
                } else if random.f64() < 0.2 {
                    expected.push(format!("doubled {}", span.label));
                    spans.extend([span.clone(), span.clone()]);
                } else {
                    spans.push(span.clone());
                }
            }
            random.shuffle(&mut spans);
            expected.sort();
            assert_eq!(case.findings(&spans), expected, "seed {seed}");
        }
    }
}

#[test]
fn a_span_below_an_unknown_or_another_parent_is_found() {
    for topology in topologies() {
        let case = Case::of(&topology);
        for index in 1..case.spans.len() {
            let span = &case.spans[index];
            // An unknown one, none, and the root, below which only the first call is.
            for parent in [0xffff, 0, ROOT] {
                if span.parent == parent {
                    continue;
                }
                let mut spans = case.spans.clone();
                spans[index].parent = parent;
                assert_eq!(case.findings(&spans), [format!("wrong {}", span.label)], "{parent:x}");
            }
        }
    }
}

/// The trace of the built-in topology in which E called G twice, since the first answer was lost.
fn retried() -> (Case, Vec<Made>) {
    let case = Case::of(&Topology::built_in().unwrap());
    let mut spans = case.spans.clone();
    let at = |label: &str| case.spans.iter().position(|span| span.label == label).unwrap();
    let (client, server) = (at("CLIENT service-e > service-g"), at("SERVER service-e > service-g"));
    let store = at("CLIENT service-g > service-g.greetings");
    let retry =
        r#""annotations":[{"timestamp":1,"value":"failed; retrying wait=25ms reason=injected"}],"PARENT":0"#;
    spans[client].text = spans[client].text.replace("\"PARENT\":0", retry);
    let mut again = spans[server].clone();
    again.text = again.text.replace(&format!("\"id\":\"{:x}\"", again.id), "\"id\":\"f0\"");
    again.text = again.text.replace("\"OK\"", "\"UNAVAILABLE\"");
    again.id = 0xf0;
    let mut stored = spans[store].clone();
    stored.text = stored.text.replace(&format!("\"id\":\"{:x}\"", stored.id), "\"id\":\"f1\"");
    stored.parent = 0xf0;
    spans.extend([again, stored]);
    (case, spans)
}

#[test]
fn a_repeated_call_is_no_finding_and_its_lost_server_is_found_by_its_children() {
    let (case, mut spans) = retried();
    let judged = case.judge(&spans);
    assert_eq!((judged.faults, judged.retried), (vec![], 1));
    let failed = spans.len() - 2;
    spans.remove(failed);
    assert_eq!(case.findings(&spans), ["lost SERVER service-e > service-g"]);
    // Without its children nobody knows that the attempt was served.
    spans.pop();
    assert_eq!(case.findings(&spans), [""; 0]);
}

#[test]
fn the_spans_of_sidecars_are_passed_over() {
    let case = Case::of(&Topology::built_in().unwrap());
    // A sidecar with the name of its service before each server.
    let mut spans = Vec::new();
    for (number, span) in (0x100..).zip(&case.spans) {
        let mut span = span.clone();
        if span.label.starts_with("SERVER service") {
            let text =
                span.text.replace(&format!("\"id\":\"{:x}\"", span.id), &format!("\"id\":\"{number:x}\""));
            let text = text.replace("\"tags\":{", "\"tags\":{\"component\":\"proxy\",");
            spans.push(Made { id: number, parent: span.parent, text, label: "proxy".to_owned() });
            span.parent = number;
        }
        spans.push(span);
    }
    let judged = case.judge(&spans);
    assert_eq!((judged.faults, judged.others), (vec![], 6));
    // A sidecar's span that is lost is not one of Octet's.
    let without = |label: &str| -> Vec<Made> {
        let lost = spans.iter().position(|span| span.label == label).unwrap();
        spans.iter().enumerate().filter(|(index, _)| *index != lost).map(|(_, span)| span.clone()).collect()
    };
    assert_eq!(case.findings(&without("proxy")), [""; 0]);
    for label in [
        "CLIENT service-e > service-g",
        "SERVER service-b > service-e",
        "CONSUMER service-d.greeting > service-f",
    ] {
        assert_eq!(case.findings(&without(label)), [format!("lost {label}")]);
    }
}

#[test]
fn a_trace_with_two_requests_is_not_judged() {
    let case = Case::of(&Topology::built_in().unwrap());
    let text = r#"[{"traceId":"a","id":"77","kind":"SERVER","localEndpoint":{"serviceName":"gateway"}}]"#;
    let spans = Batch::read(text.as_bytes()).spans;
    let root = SpanId::from_number(ROOT).unwrap();
    assert_eq!(judge(&case.graph, &case.expected, root, &spans), Err(SharedTrace));
}
