//! Metrics and log lines by OTLP: an independent receiver gets what `/metrics` and the logs show.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use octet_testbed::{OtlpReceiver, eventually};
use serde_json::{Value, json};

use crate::{
    client::Client,
    platform::{Builder, Mesh, PROCESSES},
};

/// The protocols, with and without compression.
const WAYS: [(&str, &str); 3] = [("http/protobuf", "none"), ("http/json", "gzip"), ("grpc", "gzip")];

/// Series whose values depend on requests only, so that both sides can be compared at rest.
const COMPARED: [&str; 4] =
    ["grpc_", "http_server_", "octet_store_inserts_total", "octet_queue_settled_total"];

fn exporting(otlp: &OtlpReceiver, (protocol, compression): (&str, &str)) -> Builder {
    let receiver = if protocol == "grpc" { otlp.grpc() } else { otlp.http() };
    Mesh::builder()
        .with("OTEL_METRICS_EXPORTER", "otlp,prometheus")
        .with("OTEL_LOGS_EXPORTER", "otlp")
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{receiver}"))
        .with("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        .with("OTEL_EXPORTER_OTLP_COMPRESSION", compression)
}

async fn greet(mesh: &Mesh) {
    Client::new().get(&mesh.url("/api/greeting")).await.answer().expect("a valid answer");
}

async fn received(otlp: &OtlpReceiver, path: &str) -> Value {
    let reply = Client::new().get(&otlp.url(path)).await;
    serde_json::from_slice(&reply.body).expect("JSON")
}

/// The samples of one process in the receiver, as `/metrics` shows them.
fn samples_received(series: &Value, process: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    for (name, series) in series.as_object().expect("series") {
        let Some(name) = name.strip_prefix(&format!("{process} ")) else { continue };
        let number = |value: &Value| value.as_f64().expect("a number");
        if series["kind"] != "histogram" {
            samples.insert(name.to_owned(), number(&series["value"]));
            continue;
        }
        let (family, labels) = name.split_once('{').unwrap_or((name, "}"));
        let labels = labels.trim_end_matches('}');
        let all = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        samples.insert(format!("{family}_count{all}"), number(&series["count"]));
        samples.insert(format!("{family}_sum{all}"), number(&series["sum"]));
        let comma = if labels.is_empty() { "" } else { "," };
        let bounds =
            series["bounds"].as_array().expect("bounds").iter().map(|bound| number(bound).to_string());
        let counts = series["buckets"].as_array().expect("counts");
        let mut below = 0.0;
        for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(counts) {
            below += number(count);
            samples.insert(format!("{family}_bucket{{{labels}{comma}le=\"{bound}\"}}"), below);
        }
    }
    samples
}

/// The samples of `/metrics`.
fn samples_shown(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').expect("a value");
        (name.to_owned(), value.parse().expect("a number"))
    };
    lines.map(sample).collect()
}

fn compared(samples: BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    let is_compared = |name: &String| COMPARED.iter().any(|prefix| name.starts_with(prefix));
    samples.into_iter().filter(|(name, _)| is_compared(name)).collect()
}

#[tokio::test]
async fn an_independent_receiver_gets_the_values_that_metrics_show_by_each_way() {
    for way in WAYS {
        let otlp = OtlpReceiver::start().await;
        let mesh = exporting(&otlp, way)
            .with("OTEL_METRIC_EXPORT_INTERVAL", "200")
            .with("OTEL_BSP_SCHEDULE_DELAY", "50")
            .start()
            .await;
        for _ in 0..3 {
            greet(&mesh).await;
        }
        let client = Client::new();
        for process in PROCESSES {
            let shown = async || client.get(&mesh.admin(process, "/metrics")).await.text().to_owned();
            eventually(&format!("the metrics of {process} by {way:?}"), async || {
                // The collector's own requests go on.
                let is_compared = process != "collector";
                let before = samples_shown(&shown().await);
                let at_otlp = samples_received(&received(&otlp, "/metrics").await, process);
                let names =
                    |samples: &BTreeMap<String, f64>| samples.keys().cloned().collect::<BTreeSet<_>>();
                let (before_names, names) = (names(&before), names(&at_otlp));
                if before_names != names {
                    return Err(format!("names: {:?}", before_names.symmetric_difference(&names)));
                }
                let (before, at_otlp) = (compared(before), compared(at_otlp));
                if is_compared && before != at_otlp { Err(format!("{before:?} {at_otlp:?}")) } else { Ok(()) }
            })
            .await;
        }
        let series = received(&otlp, "/metrics").await;
        let of_a = r#"service-a grpc_server_handled_total{grpc_code="OK",grpc_method="Greeting",grpc_service="greeting.v3.GreetingService",grpc_type="unary"}"#;
        assert_eq!((&series[of_a]["value"], &series[of_a]["kind"]), (&json!(3.0), &json!("sum")));
        assert_eq!(series[of_a]["way"].as_str().expect("a way").split(' ').next(), Some(way.0));
        let seconds = of_a.replace("handled_total{grpc_code=\"OK\",", "handling_seconds{");
        assert_eq!(series[&seconds]["unit"], "s", "{series}");
        // An exemplar's trace is one that the collector has.
        let trace = series[&seconds]["exemplars"][0]["traceId"].as_str().expect("an exemplar").to_owned();
        eventually("the exemplar's trace", async || {
            client.get(&mesh.collector(&format!("/api/v2/trace/{trace}"))).await.status == 200
        })
        .await;
        mesh.end().await;
    }
}

/// What both forms of a line have.
fn line(members: [&Value; 8]) -> String {
    members.map(|member| if *member == json!("") { "null".to_owned() } else { member.to_string() }).join(" ")
}

#[tokio::test]
async fn an_independent_receiver_gets_the_log_lines_of_every_process_by_each_way() {
    for way in WAYS {
        let otlp = OtlpReceiver::start().await;
        let mesh = exporting(&otlp, way).with("LOG_LEVEL", "debug").start().await;
        for _ in 0..3 {
            greet(&mesh).await;
        }
        let logs = mesh.data().join("logs");
        let logs: BTreeMap<_, _> = PROCESSES
            .into_iter()
            .map(|process| (process, fs::File::open(logs.join(format!("{process}.log"))).expect("a log")))
            .collect();
        mesh.end().await;

        let Value::Array(records) = received(&otlp, "/logs").await else { panic!("no list") };
        for (process, file) in logs {
            let text = std::io::read_to_string(file).expect("a log");
            let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
            let exported = lines.filter(|line| {
                let target = line["target"].as_str().expect("a target");
                !target.starts_with("octet_runtime::telemetry")
            });
            let mut expected: Vec<_> = exported
                .map(|shown| {
                    ["level", "message", "target", "module", "line", "request_id", "trace_id", "span_id"]
                        .map(|member| shown[member].clone())
                })
                .map(|members| line(members.each_ref()))
                .collect();
            let of_process = records.iter().filter(|record| record["resource"]["service.name"] == process);
            let mut got: Vec<_> = of_process
                .map(|record| {
                    let of = |name: &str| &record["attributes"][name];
                    let severity = record["severity"].as_str().expect("a severity").to_lowercase();
                    assert_eq!(record["level"], severity.as_str(), "{record}");
                    line([
                        &record["level"],
                        &record["message"],
                        of("target"),
                        of("module"),
                        of("code.line.number"),
                        of("request_id"),
                        &record["traceId"],
                        &record["spanId"],
                    ])
                })
                .collect();
            expected.sort();
            got.sort();
            assert_eq!(got, expected, "{process} by {way:?}");
            assert!(got.iter().any(|line| line.contains(r#""drained""#)), "{got:?}");
            let in_trace = |line: &&String| !line.ends_with("null null");
            assert!(process == "collector" || got.iter().filter(in_trace).count() >= 3, "{got:?}");
        }
        metrics_were_exported(&otlp).await;
    }
}

/// The last export of metrics happened at the exit: the interval is a minute.
async fn metrics_were_exported(otlp: &OtlpReceiver) {
    let series = received(otlp, "/metrics").await;
    for process in PROCESSES {
        let samples = samples_received(&series, process);
        assert!(samples.contains_key("process_cpu_seconds_total"), "{process}: {samples:?}");
    }
}
