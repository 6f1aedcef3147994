//! `octet audit --traces` of a running platform, through a proxy that loses reports and sends others twice.

use std::{fs, process::Output};

use serde_json::{Value, json};

use crate::{
    client::Client,
    platform::{Mesh, PROCESSES, octet},
    span_proxy::SpanProxy,
};

/// Requests of each part.
const REQUESTS: usize = 60;

/// Greets, and returns the answers as they are saved.
async fn greet(mesh: &Mesh) -> String {
    let client = Client::new();
    let mut saved = Vec::new();
    for number in 0..REQUESTS {
        let reply = client.get(&mesh.url("/api/greeting")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let trace = reply.header("traceresponse");
        // Either way to name the trace.
        if number % 2 == 0 {
            saved.push(format!("{}\ntraceresponse: {trace}\n", reply.text()));
        } else {
            let mut answer: Value = serde_json::from_slice(&reply.body).expect("JSON");
            answer["traceresponse"] = json!(trace);
            saved.push(format!("{answer}\n"));
        }
    }
    saved.concat()
}

async fn audit(saved: &str, arguments: &[&str]) -> Output {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), saved).expect("written");
    let mut command = octet();
    command.args(["audit", "--answered"]).arg(file.path()).args(arguments);
    command.output().await.expect("octet starts")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

/// A span as a finding names it: its trace, side and service, and for a client whom it calls. In lower case, as the
/// collector returns names.
fn named(span: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_lowercase();
    let service = text(&span["localEndpoint"]["serviceName"]);
    let remote = text(&span["remoteEndpoint"]["serviceName"]);
    let ends = match text(&span["kind"]).as_str() {
        "client" | "producer" => format!("{service} > {remote}"),
        _ => service,
    };
    format!("{} {} {ends}", text(&span["traceId"]), text(&span["kind"]))
}

/// The findings of one kind, in the same words, sorted.
fn findings(output: &Output, kind: &str) -> Vec<String> {
    let lines = stdout(output).lines().map_while(|line| serde_json::from_str::<Value>(line).ok());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_lowercase();
    let of_kind = lines.filter(|finding| finding["kind"] == kind).map(|finding| {
        let (from, to, side) = (text(&finding["from"]), text(&finding["to"]), text(&finding["side"]));
        let ends = if matches!(side.as_str(), "client" | "producer") { format!("{from} > {to}") } else { to };
        format!("{} {side} {ends}", text(&finding["traceId"]))
    });
    let mut found: Vec<_> = of_kind.collect();
    found.sort();
    found
}

fn sorted(spans: &[Value]) -> Vec<String> {
    let mut names: Vec<_> = spans.iter().map(named).collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_report_is_the_list_of_what_a_proxy_lost_and_sent_twice() {
    let proxy = SpanProxy::start().await;
    let mesh = Mesh::builder()
        .with("OTEL_TRACES_EXPORTER", "zipkin")
        .with("OTEL_EXPORTER_ZIPKIN_ENDPOINT", format!("http://{}/api/v2/spans", proxy.address))
        // The proxy reads JSON.
        .with("OTEL_EXPORTER_ZIPKIN_PROTOCOL", "http/json")
        .with("OTEL_BSP_SCHEDULE_DELAY", "100")
        .start()
        .await;
    proxy.done.lock().expect("unpoisoned").collector = Some(mesh.collector("/api/v2/spans"));
    let collector = mesh.collector("");
    let pages: Vec<_> = PROCESSES.iter().map(|process| mesh.admin(process, "/metrics")).collect();
    let mut with_pages = vec!["--traces", &collector];
    with_pages.extend(pages.iter().flat_map(|page| ["--metrics", page]));
    let waiting = [&with_pages[..], &["--wait", "20s"]].concat();

    // A clean run reports nothing, and every counter agrees.
    let clean = greet(&mesh).await;
    let output = audit(&clean, &waiting).await;
    let verdict = "telemetry complete: 60 traces with all 1,260 spans that the answers claim";
    assert_eq!(stdout(&output).lines().last(), Some(verdict), "{}", stdout(&output));
    assert!(output.status.success() && !stdout(&output).contains("OFF"), "{}", stdout(&output));
    for counter in
        ["calls from service-e to service-g", "messages settled by service-f", "inserts of service-h"]
    {
        let row = stdout(&output).lines().find(|line| line.contains(counter)).expect("a row");
        assert!(row.ends_with("60       60"), "{row}");
    }

    proxy.done.lock().expect("unpoisoned").is_hostile = true;
    let hostile = greet(&mesh).await;
    // Longer than the delay of reports: what is missing then is lost.
    let arguments = ["--wait", "4s", "--ids", "--format", "json", "--traces"];
    let own = format!("http://{}", proxy.address);
    let (of_collector, of_keeper) =
        ([&arguments[..], &[&collector]].concat(), [&arguments[..], &[&own]].concat());
    let (from_collector, from_keeper) =
        tokio::join!(audit(&hostile, &of_collector), audit(&hostile, &of_keeper));
    let (lost, doubled) = {
        let done = proxy.done.lock().expect("unpoisoned");
        (sorted(&done.lost), sorted(&done.doubled))
    };
    assert!(lost.len() > 20 && doubled.len() > 20, "{} lost, {} doubled", lost.len(), doubled.len());
    for output in [&from_collector, &from_keeper] {
        assert_eq!(findings(output, "lost"), lost);
        assert_eq!(findings(output, "wrong parent"), [""; 0]);
        assert_eq!(output.status.code(), Some(1));
    }
    assert_eq!(findings(&from_keeper, "doubled"), doubled);
    // Octet's collector keeps a repeated span once, and counts it.
    assert_eq!(findings(&from_collector, "doubled"), [""; 0]);

    // With both parts the answers are everything that happened: a span that was received again counts.
    let output = audit(&(clean + &hostile), &with_pages).await;
    let row = stdout(&output).lines().find(|line| line.contains("spans received again")).expect("a row");
    let counted = row.split_whitespace().rev().nth(1).and_then(|count| count.parse().ok());
    assert_eq!(counted, Some(doubled.len()), "{}", stdout(&output));
    assert!(row.ends_with("OFF"), "{row}");
    mesh.end().await;
}

#[tokio::test]
async fn answers_without_traces_are_nothing_to_judge() {
    let mesh = Mesh::start().await;
    let reply = Client::new().get(&mesh.url("/api/greeting")).await;
    let output = audit(reply.text(), &["--traces", &mesh.collector("")]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).ends_with("nothing to judge: 1 answer\n"), "{}", stdout(&output));
    for (arguments, why) in [
        (["--traces", "ftp://x"], "is not a URL of a trace backend"),
        (["--traces", "http://127.0.0.1:9"], "cannot read http://127.0.0.1:9/api/v2/trace/"),
    ] {
        let trace = reply.header("traceresponse");
        let output = audit(&format!("{}\ntraceresponse: {trace}", reply.text()), &arguments).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && errors.contains(why), "{errors}");
    }
    mesh.end().await;
}
