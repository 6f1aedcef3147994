//! A real Prometheus with the shipped configuration and rules scrapes a running mesh, and its alerts reach a webhook.

use std::{
    collections::BTreeSet,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Bytes, service::service_fn};
use hyper_util::rt::TokioIo;
use octet_backends::queue::Message;
use octet_testbed::{Alertmanager, Prometheus, eventually};
use serde_json::Value;
use tokio::{net::TcpListener, sync::mpsc};

use crate::{
    client::Client,
    platform::{Mesh, PATIENCE, PROCESSES},
};

const CONFIGURATION: &str = include_str!("../../../compose/prometheus-octet-up.yaml");
pub(crate) const RULES: &str = include_str!("../../../helm/octet/alerts/octet.rules.yaml");
const ALERTMANAGER: &str = include_str!("../../../helm/octet/alerts/alertmanager.yaml");

/// The prefixes of Octet's own series.
const OWN: [&str; 4] = ["octet_", "grpc_", "http_server_", "process_"];

/// The text with `from`, which it must contain, replaced.
pub(crate) fn with(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "no {from:?} in {text}");
    text.replace(from, to)
}

/// The shipped configuration with the ports of this platform and short intervals.
async fn watching(mesh: &Mesh, alertmanager: &str) -> Prometheus {
    watching_with(mesh.data(), alertmanager, RULES).await
}

/// As [`watching`] for the `octet up` in `data`, with other rules.
pub(crate) async fn watching_with(data: &Path, alertmanager: &str, rules: &str) -> Prometheus {
    let mut text = with(CONFIGURATION, "scrape_interval: 15s", "scrape_interval: 500ms");
    text = with(&text, "scrape_timeout: 5s", "scrape_timeout: 500ms");
    text = with(&text, "evaluation_interval: 15s", "evaluation_interval: 500ms");
    text = with(&text, "../helm/octet/alerts/octet.rules.yaml", "octet.rules.yaml");
    text = with(&text, "127.0.0.1:9093", alertmanager);
    let targets = data.join("run/prometheus-targets.json");
    text = with(&text, "../.octet/run/prometheus-targets.json", targets.to_str().expect("UTF-8"));
    Prometheus::start(&text, &[("octet.rules.yaml", rules)]).await
}

/// Calls the API of Prometheus.
async fn api(client: &Client, url: &str) -> Value {
    let reply = client.get(url).await;
    let value: Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!(value["status"], "success", "{url}: {value}");
    value["data"].clone()
}

/// The samples of an expression.
async fn query(client: &Client, prometheus: &Prometheus, expression: &str) -> Vec<Value> {
    let url = format!("/api/v1/query?query={}", encoded(expression));
    let answer = api(client, &prometheus.url(&url)).await;
    answer["result"].as_array().expect("a vector").clone()
}

/// Percent-encoded.
fn encoded(expression: &str) -> String {
    expression.bytes().fold(String::new(), |encoded, byte| encoded + &format!("%{byte:02X}"))
}

/// What `promtool check metrics` finds.
fn check_metrics(text: &str) -> String {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is not installed: run `make tools`");
    promtool.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("promtool reads");
    let output = promtool.wait_with_output().expect("promtool ends");
    let found = [output.stdout, output.stderr].concat();
    assert_eq!(output.status.success(), found.is_empty());
    String::from_utf8(found).expect("UTF-8")
}

/// Sends requests until the expression has samples, all of them positive.
async fn becomes_positive(client: &Client, prometheus: &Prometheus, mesh: &Mesh, expression: &str) {
    eventually(&format!("positive samples of {expression}"), async || {
        let samples = query(client, prometheus, expression).await;
        let number = |sample: &Value| sample["value"][1].as_str().and_then(|text| text.parse::<f64>().ok());
        if !samples.is_empty() && samples.iter().all(|sample| number(sample) > Some(0.0)) {
            return Ok(());
        }
        client.get(&mesh.url("/api/greeting")).await.answer().expect("a valid answer");
        Err(format!("{samples:?}"))
    })
    .await;
}

/// The output of `scripts/signals.py`: what dashboards, rules and queries use.
fn signals(verb: &str) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/signals.py");
    let output = Command::new("python3").arg(script).arg(verb).output().expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn prometheus_scrapes_every_process_and_every_series_that_dashboards_alerts_and_queries_use() {
    let mesh = Mesh::start().await;
    let client = Client::new();
    let prometheus = watching(&mesh, "127.0.0.1:9").await;

    for expression in [
        "sum by (http_route) (rate(http_server_request_duration_seconds_count{http_route='/api/greeting'}[1m]))",
        "histogram_quantile(0.99, sum by (service, le) (rate(grpc_server_handling_seconds_bucket[1m])))",
        "sum by (service, upstream) (rate(grpc_client_handled_total[1m]))",
        "sum(rate(octet_queue_settled_total{outcome='stored'}[1m]))",
        "histogram_quantile(0.5, sum by (le) (rate(octet_queue_wait_seconds_bucket[1m])))",
        "sum by (service) (rate(octet_store_inserts_total{outcome='new'}[1m]))",
        "sum by (service) (rate(process_cpu_seconds_total[1m]))",
        "count(octet_store_up == 1) == 4",
        "count(sum by (service, upstream) (grpc_client_handled_total)) == 7",
    ] {
        becomes_positive(&client, &prometheus, &mesh, expression).await;
    }

    let targets = api(&client, &prometheus.url("/api/v1/targets?state=active")).await;
    let targets = targets["activeTargets"].as_array().expect("targets").clone();
    let services: BTreeSet<_> =
        targets.iter().filter_map(|target| target["labels"]["service"].as_str()).collect();
    assert_eq!(services, BTreeSet::from(PROCESSES));
    for target in &targets {
        assert_eq!((&target["health"], &target["lastError"]), (&"up".into(), &"".into()), "{target}");
    }
    let never_failed = query(&client, &prometheus, "min_over_time(up[5m]) == 1").await;
    assert_eq!(never_failed.len(), PROCESSES.len(), "{never_failed:?}");

    let names = api(&client, &prometheus.url("/api/v1/label/__name__/values")).await;
    let names: Vec<_> = names.as_array().expect("names").iter().filter_map(Value::as_str).collect();
    let used = signals("series");
    let missing: Vec<_> = used
        .iter()
        .filter(|name| OWN.iter().any(|own| name.starts_with(own)) && !names.contains(&name.as_str()))
        .collect();
    assert_eq!(missing, [] as [&String; 0], "used but not exported");

    let queries = signals("queries");
    assert!(queries.len() > 100, "{}", queries.len());
    for quoted in queries {
        let expression: String = serde_json::from_str(&quoted).expect("a JSON string");
        query(&client, &prometheus, &expression).await;
    }
    assert_eq!(query(&client, &prometheus, "ALERTS{alertstate='firing'}").await, [] as [Value; 0]);
    mesh.end().await;
}

#[tokio::test]
async fn prometheus_scrapes_an_exemplar_whose_trace_the_collector_has() {
    let mesh = Mesh::builder().with("OTEL_BSP_SCHEDULE_DELAY", "50").start().await;
    let client = Client::new();
    let prometheus = watching(&mesh, "127.0.0.1:9").await;
    client.get(&mesh.url("/api/greeting")).await.answer().expect("a valid answer");
    for (histogram, labels) in [
        ("http_server_request_duration_seconds", r#"service="gateway""#),
        ("grpc_client_handling_seconds", r#"service="gateway""#),
        ("grpc_server_handling_seconds", r#"service="service-e""#),
        ("octet_store_insert_seconds", r#"service="service-c""#),
        ("octet_queue_publish_seconds", r#"service="service-d""#),
        ("octet_queue_wait_seconds", r#"service="service-f""#),
    ] {
        let query = encoded(&format!("{histogram}_bucket{{{labels}}}"));
        let exemplar = eventually(&format!("an exemplar of {histogram}"), async || {
            // The times are required; they are far apart, so that clocks do not matter.
            let url = format!("/api/v1/query_exemplars?query={query}&start=0&end=9999999999");
            let series = api(&client, &prometheus.url(&url)).await;
            let exemplar = series[0]["exemplars"][0].clone();
            if exemplar.is_null() { Err(series) } else { Ok(exemplar) }
        })
        .await;
        let id = |name: &str| exemplar["labels"][name].as_str().expect("an id").to_owned();
        let (trace, span) = (id("trace_id"), id("span_id"));
        let url = mesh.collector(&format!("/api/v2/trace/{trace}"));
        eventually(&format!("the span {span} of the trace {trace}"), async || {
            let reply = client.get(&url).await;
            let spans: Vec<Value> = serde_json::from_slice(&reply.body).unwrap_or_default();
            let found = spans.iter().any(|stored| stored["id"] == span.as_str());
            found.then_some(()).ok_or_else(|| reply.text().to_owned())
        })
        .await;
    }
    mesh.end().await;
}

#[tokio::test]
async fn promtool_finds_no_problem_in_the_metrics_of_any_process() {
    let mesh = Mesh::start().await;
    let client = Client::new();
    client.get(&mesh.url("/api/greeting")).await.answer().expect("a valid answer");
    for process in PROCESSES {
        let text = client.get(&mesh.admin(process, "/metrics")).await.text().to_owned();
        assert_eq!(check_metrics(&text), "", "{process}");
    }
    assert!(check_metrics("# TYPE calls counter\ncalls 1\n").contains("_total"));
    mesh.end().await;
}

/// A stub of Slack: its URL and the messages posted to it.
async fn webhook() -> (String, mpsc::UnboundedReceiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/services/T0/B0/secret", listener.local_addr().expect("bound"));
    let (posts, posted) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let posts = posts.clone();
            let handler = service_fn(move |request: Request<hyper::body::Incoming>| {
                let posts = posts.clone();
                async move {
                    let path = request.uri().path().to_owned();
                    let body = request.into_body().collect().await?.to_bytes();
                    let mut message: Value = serde_json::from_slice(&body).expect("JSON");
                    message["path"] = path.into();
                    // The test may have ended.
                    let _ = posts.send(message);
                    Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from_static(b"ok"))))
                }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), handler),
            );
        }
    });
    (url, posted)
}

#[tokio::test]
async fn a_poison_message_is_reported_to_slack() {
    let mesh = Mesh::start().await;
    let client = Client::new();
    let (slack, mut posted) = webhook().await;
    let secret = "/etc/alertmanager/secrets/octet-slack/webhook-url";
    let configuration = with(&with(ALERTMANAGER, secret, "webhook-url"), "group_wait: 30s", "group_wait: 1s");
    let alertmanager = Alertmanager::start(&configuration, &[("webhook-url", &slack)]).await;
    let prometheus = watching(&mesh, &alertmanager.address().to_string()).await;
    // An increase is seen only after two scrapes.
    let seen = "count_over_time(octet_queue_settled_total{outcome='dead_lettered'}[1m]) >= 2";
    becomes_positive(&client, &prometheus, &mesh, seen).await;

    let body = b"neither JSON nor a greeting".to_vec();
    let poison = Message { id: uuid::Uuid::new_v4().to_string(), headers: Vec::new(), body };
    mesh.publisher().await.publish(poison).await.expect("confirmed");

    let message = tokio::time::timeout(PATIENCE, posted.recv()).await.expect("in time").expect("a message");
    assert_eq!(message["path"], "/services/T0/B0/secret", "the secret's URL");
    let attachment = &message["attachments"][0];
    assert_eq!(attachment["title"], "[FIRING] service-f", "{message}");
    assert_eq!(attachment["color"], "warning", "{message}");
    let text = attachment["text"].as_str().expect("a text");
    let expected = "*OctetDeadLetters* (warning): messages for service-f were dead-lettered";
    assert!(text.starts_with(expected), "{text}");
    mesh.end().await;
}
