//! The collector's CPU per span at peak load: reports as the mesh's processes send them, parsed, counted and stored; in
//! protobuf, which they send, and the same spans in JSON, which other clients send.
//! `make bench-collector` runs it; `--traces N` sets the length of a round.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot run panics with the reason"
)]

use std::{collections::BTreeMap, env, fmt::Write as _};

use octet_collector::{
    Store,
    store::{Format, Memory},
};
use octet_wire::put;
use octet_zipkin::Batch;
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 5;
/// Spans of one report, the exporters' default.
const BATCH: usize = 512;

/// service, kind, id, parent, remote service, database.
type Shape = (&'static str, &'static str, u64, u64, &'static str);

/// One greeting.
const SHAPES: [Shape; 21] = [
    ("service-g", "CLIENT", 13, 12, "service-g.greetings"),
    ("service-g", "SERVER", 12, 11, ""),
    ("service-h", "CLIENT", 16, 15, "service-h.greetings"),
    ("service-h", "SERVER", 15, 14, ""),
    ("service-c", "CLIENT", 21, 20, "service-c.greetings"),
    ("service-c", "SERVER", 20, 19, ""),
    ("service-d", "PRODUCER", 7, 6, "service-d.greeting"),
    ("service-d", "SERVER", 6, 5, ""),
    ("service-f", "CLIENT", 9, 8, "service-f.messages"),
    ("service-f", "CONSUMER", 8, 7, "service-d.greeting"),
    ("service-e", "CLIENT", 11, 10, "service-g"),
    ("service-e", "CLIENT", 14, 10, "service-h"),
    ("service-e", "SERVER", 10, 18, ""),
    ("service-b", "CLIENT", 5, 4, "service-d"),
    ("service-b", "CLIENT", 18, 4, "service-e"),
    ("service-b", "SERVER", 4, 3, ""),
    ("service-a", "CLIENT", 3, 2, "service-b"),
    ("service-a", "CLIENT", 19, 2, "service-c"),
    ("service-a", "SERVER", 2, 17, ""),
    ("gateway", "CLIENT", 17, 1, "service-a"),
    ("gateway", "SERVER", 1, 0, ""),
];

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let traces = arguments.iter().position(|argument| argument == "--traces");
    let traces = traces.and_then(|index| arguments.get(index + 1)?.parse().ok()).unwrap_or(20_000);
    let json: Vec<Vec<u8>> = reports(traces).into_iter().map(String::into_bytes).collect();
    let protobuf: Vec<Vec<u8>> = json.iter().map(|report| in_protobuf(report)).collect();
    for (name, format, reports) in
        [("protobuf", Format::ZipkinProto, protobuf), ("JSON", Format::Zipkin, json)]
    {
        let [median, least] = cost(format, &reports, traces * 21);
        println!("{name}: {median:.3} µs of CPU per span (least {least:.3})");
    }
}

/// Microseconds of CPU per span: the median and the least of all rounds.
fn cost(format: Format, reports: &[Vec<u8>], spans: usize) -> [f64; 2] {
    let mut store = Store::new(Memory::of(64 * 1024 * 1024));
    let mut costs = Vec::new();
    for _ in 0..ROUNDS {
        let before = cpu();
        for report in reports {
            store.keep_as(format, report);
        }
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        costs.push((cpu() - before) * 1e6 / spans as f64);
        // The same ids again must be new traces.
        store = Store::new(Memory::of(64 * 1024 * 1024));
    }
    costs.sort_by(f64::total_cmp);
    [ROUNDS / 2, 0].map(|index| costs.get(index).copied().unwrap_or_default())
}

/// The same spans as a `zipkin.proto3.ListOfSpans`.
fn in_protobuf(report: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for span in Batch::read(report).spans {
        put::message::<2>(&mut out, 1, |out| span.pack(out));
    }
    out
}

/// CPU seconds of this process.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "seconds of a measurement")]
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    seconds
}

/// Each process fills its own batches.
fn reports(traces: usize) -> Vec<String> {
    let mut batches: BTreeMap<&str, (String, usize)> = BTreeMap::new();
    let mut reports = Vec::new();
    for trace in 0..traces {
        let id = (trace as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for shape in SHAPES {
            let (batch, spans) = batches.entry(shape.0).or_default();
            batch.push(if batch.is_empty() { '[' } else { ',' });
            span(batch, id, trace as u64, shape);
            *spans += 1;
            if *spans == BATCH {
                batch.push(']');
                reports.push(std::mem::take(batch));
                *spans = 0;
            }
        }
    }
    for (mut batch, _) in batches.into_values().filter(|(_, spans)| *spans > 0) {
        batch.push(']');
        reports.push(batch);
    }
    reports
}

fn span(out: &mut String, trace: u64, number: u64, (service, kind, id, parent, remote): Shape) {
    // Ids of spans are random, too.
    let span = |id: u64| (trace ^ id).wrapping_mul(0xd6e8_feb8_6659_fd93) | 1;
    let at = 1_700_000_000_000_000 + number * 500 + id * 40;
    let duration = 300 + (trace.rotate_left(u32::try_from(id).unwrap_or_default()) % 9_000);
    write!(out, r#"{{"traceId":"{trace:016x}{trace:016x}","id":"{:016x}""#, span(id)).expect("written");
    if parent > 0 {
        write!(out, r#","parentId":"{:016x}""#, span(parent)).expect("written");
    }
    let name = match kind {
        "PRODUCER" => "send service-d.greeting",
        "CONSUMER" => "process service-d.greeting",
        _ if remote.contains('.') => "insert greetings",
        _ if parent == 0 => "GET /api/greeting",
        _ => "greeting.v3.GreetingService/Greeting",
    };
    write!(
        out,
        r#","kind":"{kind}","name":"{name}","timestamp":{at},"duration":{duration},"localEndpoint":{{"serviceName":"{service}","ipv4":"127.0.0.1","port":50051}}"#
    )
    .expect("written");
    if remote.is_empty() {
        write!(out, r#","remoteEndpoint":{{"ipv4":"127.0.0.1","port":{}}}"#, 40_000 + number % 25)
            .expect("written");
    } else {
        write!(out, r#","remoteEndpoint":{{"serviceName":"{remote}"}}"#).expect("written");
    }
    let left = format!("{}.{:03}", 4_900 + number % 97, number % 1_000);
    match kind {
        "CLIENT" if remote.contains('.') => out.push_str(
            r#","tags":{"db.system":"sqlite","db.operation.name":"insert","db.collection.name":"greetings","peer.service":"store"}}"#,
        ),
        "PRODUCER" => out.push_str(r#","tags":{"messaging.system":"sqlite","messaging.destination.name":"service-d.greeting","messaging.operation.type":"send"}}"#),
        "CONSUMER" => write!(out, r#","tags":{{"messaging.system":"sqlite","messaging.destination.name":"service-d.greeting","octet.queue.wait_ms":"{left}","octet.queue.attempt":"1"}}}}"#).expect("written"),
        _ if parent == 0 => out.push_str(
            r#","tags":{"http.request.method":"GET","http.route":"/api/greeting","url.path":"/api/greeting","url.scheme":"http","network.protocol.version":"1.1","server.address":"127.0.0.1","user_agent.original":"hey/0.0.1","http.response.status_code":"200"}}"#,
        ),
        _ => write!(
            out,
            r#","tags":{{"rpc.system":"grpc","rpc.service":"greeting.v3.GreetingService","rpc.method":"Greeting","server.address":"127.0.0.1","server.port":"50051","octet.deadline.remaining_ms":"{left}","rpc.grpc.status_code":"0"}}}}"#
        )
        .expect("written"),
    }
}
