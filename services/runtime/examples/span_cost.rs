//! The cost of a span, from its start to its export: Octet's Zipkin exporter and the OpenTelemetry SDK's OTLP exporter, with
//! the same attributes, in turns. `make bench-spans` runs it.
//!
//! Measures CPU time of this process with all its threads. The receiver is another process, so that neither figure includes
//! it. The SDK's exporter posts by a minimal client, which favours it.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot run panics with the reason"
)]

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use octet_runtime::{
    deadline::Deadline,
    drain::Drain,
    environment::Environment,
    metrics::Metrics,
    telemetry::{GrpcSpan, Telemetry, TelemetrySettings},
};
use opentelemetry::{
    KeyValue,
    trace::{Span as _, SpanBuilder, SpanKind, Tracer as _, TracerProvider as _},
};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 7;
/// Bursts of one round; each is exported before the next one starts.
const BURSTS: usize = 20;
const BURST: usize = 5_000;

const SERVICE: &str = "greeting.v3.GreetingService";
const METHOD: &str = "Greeting";
const PEER: &str = "127.0.0.1";
const PORT: u16 = 50_051;

fn main() {
    if env::args().nth(1).as_deref() == Some("sink") {
        return sink();
    }
    let mut sink = Sink::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut ratios = Vec::new();
    println!("| round | octet to Zipkin, µs a span | SDK to OTLP, µs a span | ratio |\n|---|---|---|---|");
    for round in 1..=ROUNDS {
        let ours = runtime.block_on(octet(sink.address));
        let theirs = sdk(sink.address);
        println!("| {round} | {ours:.2} | {theirs:.2} | {:.2} |", ours / theirs);
        ratios.push(ours / theirs);
    }
    ratios.sort_by(f64::total_cmp);
    let at = |index: usize| ratios.get(index).copied().unwrap_or_default();
    println!("\noctet / SDK: {:.2} ({:.2}–{:.2})", at(ROUNDS / 2), at(0), at(ROUNDS - 1));
    sink.process.kill().expect("it runs");
    sink.process.wait().expect("it ends");
}

/// Microseconds of CPU per span.
async fn octet(sink: SocketAddr) -> f64 {
    let variables: BTreeMap<String, String> = [
        ("OTEL_TRACES_EXPORTER", "zipkin".to_owned()),
        ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", format!("http://{sink}/api/v2/spans")),
        ("OTEL_BSP_MAX_QUEUE_SIZE", BURST.to_string()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    let mut environment = Environment::new(&variables);
    let settings = TelemetrySettings::from_environment(&mut environment);
    let settings = environment.finish(settings).expect("valid");
    let before = cpu();
    for _ in 0..BURSTS {
        let metrics = Metrics::new("bench").expect("metrics");
        let telemetry = Telemetry::start(&settings, "bench", None, &metrics).expect("starts");
        let tracer = telemetry.tracer();
        let deadline = Deadline::after(Duration::from_secs(5));
        let caller = Arc::from("service-a");
        for _ in 0..BURST {
            let extracted = tracer.extract(&HeaderMap::new());
            let peer = Some(SocketAddr::new(PEER.parse().expect("an address"), PORT));
            let mut span = GrpcSpan::server(
                &tracer,
                &extracted,
                "/greeting.v3.GreetingService/Greeting",
                Some(&caller),
                peer,
            );
            span.set_deadline(deadline);
            span.end(Ok(()));
        }
        telemetry.flush(Duration::from_secs(10), &Drain::never()).await;
        let text = metrics.text().expect("text");
        let exported = format!(r#"octet_trace_spans_total{{exporter="zipkin",result="exported"}} {BURST}"#);
        assert!(text.contains(&exported), "every span is exported");
    }
    (cpu() - before) / f64::from(u32::try_from(BURSTS * BURST).expect("few")) * 1e6
}

/// Microseconds of CPU per span.
fn sdk(sink: SocketAddr) -> f64 {
    let before = cpu();
    for _ in 0..BURSTS {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(MinimalClient(Mutex::new(TcpStream::connect(sink).expect("a sink"))))
            .with_endpoint(format!("http://{sink}/v1/traces"))
            .with_retry_policy(RetryPolicy::disabled())
            .build()
            .expect("an exporter");
        let batches = BatchConfigBuilder::default().with_max_queue_size(BURST).build();
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
        let tracer = provider.tracer("bench");
        for _ in 0..BURST {
            let name = format!("{SERVICE}/{METHOD}");
            let attributes = vec![
                KeyValue::new("rpc.system.name", "grpc"),
                KeyValue::new("rpc.method", name.clone()),
                KeyValue::new("network.peer.address", PEER.to_owned()),
                KeyValue::new("network.peer.port", i64::from(PORT)),
            ];
            let builder =
                SpanBuilder::from_name(name).with_kind(SpanKind::Server).with_attributes(attributes);
            let mut span = tracer.build(builder);
            span.set_attribute(KeyValue::new("octet.deadline.remaining_ms", 4_999.5));
            span.set_attribute(KeyValue::new("rpc.response.status_code", "OK"));
            span.end();
        }
        provider.shutdown().expect("every span is exported");
    }
    (cpu() - before) / f64::from(u32::try_from(BURSTS * BURST).expect("few")) * 1e6
}

/// Seconds of CPU that this process has used.
#[expect(clippy::cast_precision_loss, reason = "of some seconds")]
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// A minimal HTTP client for the SDK's exporter.
#[derive(Debug)]
struct MinimalClient(Mutex<TcpStream>);

#[async_trait]
impl HttpClient for MinimalClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut stream = self.0.lock().expect("whole");
        let head =
            format!("POST / HTTP/1.1\r\nhost: sink\r\ncontent-length: {}\r\n\r\n", request.body().len());
        stream.write_all(head.as_bytes())?;
        stream.write_all(request.body())?;
        let mut response = [0; RESPONSE.len()];
        stream.read_exact(&mut response)?;
        Ok(Response::new(Bytes::new()))
    }
}

/// The receiver of both exporters' posts.
struct Sink {
    process: Child,
    address: SocketAddr,
}

const RESPONSE: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";

impl Sink {
    fn start() -> Self {
        let program = env::current_exe().expect("this program");
        let mut process =
            Command::new(program).arg("sink").stdout(Stdio::piped()).spawn().expect("it starts again");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("an address");
        Self { address: line.trim().parse().expect("an address"), process }
    }
}

/// Accepts posts until it is killed.
fn sink() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    for stream in listener.incoming() {
        let stream = stream.expect("a connection");
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stream.try_clone().expect("a clone"));
            let mut writer = stream;
            while let Some(length) = length(&mut reader) {
                let mut body = vec![0; length];
                if reader.read_exact(&mut body).is_err() || writer.write_all(RESPONSE).is_err() {
                    return;
                }
            }
        });
    }
}

/// Reads a head, and returns the content's length; `None` once the client has left.
fn length(reader: &mut impl BufRead) -> Option<usize> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            return Some(length);
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
}
