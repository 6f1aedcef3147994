//! Random valid topologies.

use std::{fmt::Write, time::Duration};

use fastrand::Rng;
use octet_fault::Effect;
use octet_topology::Topology;
use tonic::Code;

/// Greetings of the largest answer: a debug build makes each in milliseconds.
const MAX_GREETINGS: usize = 120;

/// A topology and its file.
pub struct Generated {
    pub text: String,
    pub topology: Topology,
}

impl Generated {
    /// The deadline of calls: long enough for the largest mesh, and short where a fault leaves calls without an answer.
    pub(super) fn deadline(&self) -> Duration {
        let drops = self.topology.faults().iter().any(|fault| fault.effect() == &Effect::Drop);
        Duration::from_secs(if drops { 3 } else { 30 })
    }

    /// Whether a call can fail with this code.
    pub(super) fn may_fail(&self, code: Code) -> bool {
        self.topology.faults().iter().any(|fault| match fault.effect() {
            Effect::Abort(injected) | Effect::Lose(injected) => Code::from(injected.number()) == code,
            // A stream that is reset on its way has the code of its reset.
            Effect::Reset => matches!(code, Code::Unavailable | Code::Internal),
            Effect::Drop => matches!(code, Code::DeadlineExceeded | Code::Cancelled),
            _ => false,
        })
    }
}

/// The topology of this seed.
pub(super) fn topology(seed: u64) -> Generated {
    let mut random = Rng::with_seed(seed);
    loop {
        let text = text(&mut random);
        let Ok(topology) = Topology::parse(&text, "random") else { continue };
        if topology.greeting_order().len() <= MAX_GREETINGS {
            return Generated { text, topology };
        }
    }
}

fn chance(random: &mut Rng, percent: u32) -> bool {
    random.u32(0..100) < percent
}

fn one<'a>(random: &mut Rng, values: &[&'a str]) -> &'a str {
    values[random.usize(..values.len())]
}

/// Often valid: a graph of any shape can have too many greetings, or a call twice in its tables.
fn text(random: &mut Rng) -> String {
    let count = if chance(random, 30) { random.usize(1..=64) } else { random.usize(1..=16) };
    let calls = graph(random, count);
    let mut text = format!("entry = \"s0\"\nseed = {}\n", random.u32(..));
    let consumer = (count > 2 && chance(random, 50)).then_some(count - 1);
    for (service, called) in calls.iter().enumerate() {
        write_service(random, service, called, consumer, &mut text);
    }
    for (caller, called) in calls.iter().enumerate() {
        for callee in called {
            if chance(random, 25) {
                write_edge(random, caller, *callee, &mut text);
            }
        }
    }
    if chance(random, 60) {
        for _ in 0..random.usize(1..=4) {
            write_fault(random, &calls, consumer, &mut text);
        }
    }
    text
}

/// Each service's upstreams, all with a greater number.
fn graph(random: &mut Rng, count: usize) -> Vec<Vec<usize>> {
    let mut calls = vec![Vec::new(); count];
    let shape = random.u32(0..4);
    for callee in 1..count {
        // A chain, a fan-out, a tree, or a tree with more edges.
        let caller = match shape {
            0 => callee - 1,
            1 => 0,
            _ => random.usize(callee.saturating_sub(8)..callee),
        };
        calls[caller].push(callee);
        if shape == 3 && callee > 1 && chance(random, 20) {
            let other = random.usize(0..callee);
            if other != caller {
                calls[other].push(callee);
            }
        }
    }
    for called in &mut calls {
        random.shuffle(called);
    }
    calls
}

fn write_service(
    random: &mut Rng,
    service: usize,
    called: &[usize],
    consumer: Option<usize>,
    text: &mut String,
) {
    let names: Vec<_> = called.iter().map(|callee| format!("\"s{callee}\"")).collect();
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    line(format!("[[service]]\nname = \"s{service}\""));
    if names.len() > 1 && chance(random, 40) {
        let split = random.usize(1..names.len());
        line(format!("calls = [[{}], [{}]]", names[..split].join(", "), names[split..].join(", ")));
    } else {
        line(format!("calls = [{}]", names.join(", ")));
    }
    if consumer == Some(service) || chance(random, 25) {
        line(format!("store = {{ database = \"s{service}\", collection = \"greetings\" }}"));
    }
    match consumer {
        Some(consumer) if consumer == service => line("consumes = \"mail\"".to_owned()),
        // The entry publishes, so that the queue has a publisher.
        Some(_) if service == 0 || chance(random, 15) => line("publishes = \"mail\"".to_owned()),
        _ => {}
    }
    let work = one(random, &["work = \"0ms..3ms\"", "work = \"p50=1ms p90=2ms p99=5ms\""]);
    for (percent, field) in [
        (20, "policy = \"partial\""),
        (10, "replicas = 2"),
        (25, work),
        (5, "cpu = \"1ms\""),
        (5, "memory = \"64KiB\""),
        (10, "payload = \"0B..2KiB\""),
        (10, "limit = { concurrent = 2, queue = 1000 }"),
        (10, "when_left = \"finish\""),
    ] {
        if chance(random, percent) {
            line(field.to_owned());
        }
    }
}

fn write_edge(random: &mut Rng, caller: usize, callee: usize, text: &mut String) {
    writeln!(text, "[[edge]]\nat = \"s{caller}>s{callee}\"").expect("a string grows");
    for (percent, field) in [
        (30, "share = \"60%\""),
        (20, "times = 2"),
        (20, "payload = \"1KiB..4KiB\""),
        (20, "deadline = \"20s\""),
        (20, "balance = \"least_request\""),
        (
            30,
            "retry = { attempts = 3, on = [\"UNAVAILABLE\", \"ABORTED\"], budget = \"20%\", backoff = \"1ms\" }",
        ),
    ] {
        if chance(random, percent) {
            writeln!(text, "{field}").expect("a string grows");
        }
    }
}

fn write_fault(random: &mut Rng, calls: &[Vec<usize>], consumer: Option<usize>, text: &mut String) {
    let service = random.usize(..calls.len());
    let callee = (!calls[service].is_empty()).then(|| calls[service][random.usize(..calls[service].len())]);
    let share = one(random, &["3%", "10%", "40%"]);
    let (at, effect) = match (random.u32(0..4), callee) {
        (0, Some(callee)) => (
            format!("s{service}>s{callee}"),
            one(
                random,
                &[
                    "abort = \"ABORTED\"",
                    "delay = \"1ms..20ms\"",
                    "lose = \"UNAVAILABLE\"",
                    "reset = true",
                    "drop = true",
                ],
            ),
        ),
        (1, _) if consumer.is_some() => {
            ("s0>queue".to_owned(), one(random, &["duplicate = true", "delay = \"5ms\""]))
        }
        (2, _) => (
            format!("s{service}"),
            one(
                random,
                &["stall = \"2ms\"", "cpu = \"1ms\"", "memory = \"1MiB\"", "throttle = \"100KiB/s\""],
            ),
        ),
        _ => (
            format!("s{service}"),
            one(
                random,
                &[
                    "abort = \"UNAVAILABLE\"",
                    "lose = \"INTERNAL\"",
                    "reset = true",
                    "drop = true",
                    "delay = \"5ms\"",
                ],
            ),
        ),
    };
    writeln!(text, "[[fault]]\nat = \"{at}\"\n{effect}\nshare = \"{share}\"").expect("a string grows");
}
