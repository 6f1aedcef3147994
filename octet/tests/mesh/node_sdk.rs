//! OpenTelemetry's SDK for Node reports to the collector.

use std::path::Path;

use serde_json::{Value, json};

use crate::{client::Client, platform::Mesh};

/// A call that failed in its callee, by a protocol to a URL; prints the trace's id.
const CALL: &str = r#"
import { SpanKind, SpanStatusCode, context, trace } from "@opentelemetry/api";
import { OTLPTraceExporter as Grpc } from "@opentelemetry/exporter-trace-otlp-grpc";
import { OTLPTraceExporter as Json } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as Protobuf } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";

const [protocol, url] = process.argv.slice(1);
const Exporter = { grpc: Grpc, "http/json": Json, "http/protobuf": Protobuf }[protocol];
const providers = ["js-front", "js-back"].map(
  name =>
    new BasicTracerProvider({
      resource: resourceFromAttributes({ "service.name": name }),
      spanProcessors: [new SimpleSpanProcessor(new Exporter({ url, compression: "gzip" }))],
    }),
);
const [front, back] = providers.map(provider => provider.getTracer("sdk-test", "1.2"));
const call = front.startSpan("GET /", { kind: SpanKind.CLIENT, attributes: { list: ["a", "b"], count: 7, ratio: 0.5 } });
const within = trace.setSpan(context.active(), call);
const answer = back.startSpan("GET /", { kind: SpanKind.SERVER }, within);
answer.addEvent("refused", { reason: "test" });
answer.setStatus({ code: SpanStatusCode.ERROR, message: "refused" });
answer.end();
call.end();
for (const provider of providers) await provider.forceFlush();
console.log(call.spanContext().traceId);
"#;

#[tokio::test]
async fn a_call_reported_by_opentelemetrys_node_sdk_is_found_and_counted() {
    let mesh = Mesh::builder().with("OTEL_TRACES_EXPORTER", "none").start().await;
    let client = Client::new();
    let http = mesh.otlp_http("/v1/traces");
    for (protocol, url) in
        [("http/json", &http), ("http/protobuf", &http), ("grpc", &format!("http://{}", mesh.otlp_grpc()))]
    {
        let output = tokio::process::Command::new("node")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/npm"))
            .args(["--input-type=module", "--eval", CALL, "--", protocol, url])
            .output()
            .await
            .expect("node, and .tools/npm: run `make tools`");
        assert!(output.status.success(), "{protocol}: {}", String::from_utf8_lossy(&output.stderr));
        let id = String::from_utf8(output.stdout).expect("digits").trim().to_owned();
        let reply = client.get(&mesh.collector(&format!("/api/v2/trace/{id}"))).await;
        let trace: Vec<Value> = serde_json::from_slice(&reply.body).expect("spans");
        let span = |kind: &str| trace.iter().find(|span| span["kind"] == kind).expect("a span");
        let (front, back) = (span("CLIENT"), span("SERVER"));
        assert_eq!((&front["name"], &back["parentId"]), (&json!("get /"), &front["id"]));
        assert_eq!(back["annotations"][0]["value"], "refused reason=test");
        assert_eq!(back["tags"]["error"], "refused");
        let tags = json!({"count": "7", "list": r#"["a","b"]"#, "ratio": "0.5", "otel.scope.name": "sdk-test",
                          "otel.scope.version": "1.2"});
        assert_eq!(front["tags"], tags, "{protocol}");
    }
    let mesh_view = client.get(&mesh.url("/api/mesh?lookback=5m")).await;
    let edges: Value = serde_json::from_slice(&mesh_view.body).expect("edges");
    let edge = &edges["edges"][0];
    assert_eq!(
        (&edge["caller"], &edge["callee"], &edge["count"], &edge["errors"]),
        (&json!("js-front"), &json!("js-back"), &json!(3), &json!(3)),
        "{edges}"
    );
    mesh.end().await;
}
