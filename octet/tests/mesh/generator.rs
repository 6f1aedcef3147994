//! `octet load`: its counts, its exit statuses, and its end.

use std::{process::Stdio, time::Duration};

use octet_load::Report;
use octet_testbed::free_port;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::timeout,
};

use crate::{
    client::Client,
    platform::{Mesh, PATIENCE, octet},
};

/// Runs `octet load` to its end: status, stdout, stderr.
async fn load(arguments: &[&str]) -> (Option<i32>, String, String) {
    let run = octet().arg("load").args(arguments).stdin(Stdio::null()).output();
    let output = timeout(PATIENCE * 4, run).await.expect("it ends").expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code(), stdout, stderr)
}

async fn report(arguments: &[&str]) -> Report {
    let (status, stdout, stderr) = load(&[arguments, &["--format", "json"]].concat()).await;
    assert_eq!((status, stderr.as_str()), (Some(0), ""), "{stdout}");
    serde_json::from_str(&stdout).expect("a report")
}

/// The values of all series that start with `name` and contain `label`.
async fn metric(client: &Client, mesh: &Mesh, name: &str, label: &str) -> u64 {
    let metrics = client.get(&mesh.admin("gateway", "/metrics")).await;
    let series = metrics.text().lines().filter(|line| line.starts_with(name) && line.contains(label));
    series.map(|line| line.rsplit(' ').next().expect("a value").parse::<u64>().expect("a count")).sum()
}

#[tokio::test]
async fn every_protocol_counts_what_the_gateway_counts() {
    let mesh = Mesh::start().await;
    let client = Client::new();
    let rest = ("http_server_request_duration_seconds_count", r#"http_route="/api/greeting""#);
    let grpc = ("grpc_server_handled_total", r#"grpc_method="Greeting""#);
    let url = mesh.url("/api/greeting");
    for (protocol, success, (name, label)) in
        [("http1", "HTTP 200", rest), ("http2", "HTTP 200", rest), ("grpc", "gRPC OK", grpc)]
    {
        let before = metric(&client, &mesh, name, label).await;
        let report = report(&[&url, "--protocol", protocol, "-n", "200", "-c", "10"]).await;
        assert_eq!((report.requests, report.succeeded), (200, 200), "{protocol}: {:?}", report.outcomes);
        assert_eq!(report.outcomes[success], 200);
        assert_eq!(metric(&client, &mesh, name, label).await - before, 200, "{protocol}");
        let slowest = report.slowest.first().expect("a slowest one");
        let trace = slowest.trace_id.as_ref().unwrap_or_else(|| panic!("{protocol}: a trace"));
        let trace_url = mesh.collector(&format!("/api/v2/trace/{trace}"));
        client.becomes(&trace_url, hyper::StatusCode::OK).await;
    }

    // While a service is frozen, each request fails at a deadline, and both count the same errors.
    let statuses = [500, 503, 504].map(|status| format!(r#"http_response_status_code="{status}""#));
    mesh.signal("service-g", Signal::STOP);
    let (status, stdout, _) = load(&[&url, "-n", "30", "-c", "10", "--format", "json"]).await;
    mesh.signal("service-g", Signal::CONT);
    let report: Report = serde_json::from_str(&stdout).expect("a report");
    assert_eq!((status, report.requests, report.failed), (Some(1), 30, 30), "{:?}", report.outcomes);
    for (name, label) in ["HTTP 500", "HTTP 503", "HTTP 504"].iter().zip(&statuses) {
        let counted = report.outcomes.get(*name).copied().unwrap_or_default();
        assert_eq!(metric(&client, &mesh, rest.0, label).await, counted, "{name}: {:?}", report.outcomes);
    }
    assert!(report.outcomes["HTTP 504"] >= 10, "{:?}", report.outcomes);
    assert!(report.failures.iter().all(|failure| failure.trace_id.is_some()), "{:?}", report.failures);
    // No request ends before the first deadline.
    let first = report.seconds.first().expect("a second");
    assert_eq!((first.requests, first.p50_ms), (0, None));
    mesh.end().await;
}

#[tokio::test]
async fn invalid_arguments_are_refused_with_status_64() {
    for (arguments, says) in [
        (&["http://192.0.2.1/"][..], "--allow-remote"),
        (&["localhost:8080"], "must be an http:// URL"),
        (&["--users", "5001"], "1..=5000"),
        (&["--rate", "0"], "1..=50000"),
        (&["--requests", "0"], "1..=100000000"),
        (&["--duration", "2h"], "at most 1h"),
        (&["--timeout", "61s"], "at most 1m"),
        (&["--protocol", "quic"], "grpc"),
        (&["--output", "/nowhere/report.json"], "/nowhere/report.json"),
        (&["compare", "/nowhere/a", "/nowhere/b"], "/nowhere/a"),
    ] {
        let (status, _, stderr) = load(arguments).await;
        assert_eq!(status, Some(64), "{arguments:?}: {stderr}");
        assert!(stderr.contains(says), "{arguments:?}: {stderr}");
    }
}

#[tokio::test]
async fn a_load_without_any_success_has_status_1() {
    let url = format!("http://127.0.0.1:{}/", free_port());
    let (status, stdout, stderr) = load(&[&url, "-n", "3", "-c", "1"]).await;
    assert_eq!((status, stderr.as_str()), (Some(1), ""));
    assert!(stdout.contains("3 × connection refused") && stdout.contains("3 failed"), "{stdout}");
}

#[tokio::test]
async fn a_first_signal_ends_a_load_early_with_a_report_and_two_reports_are_compared() {
    let mesh = Mesh::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("first.json");
    let mut child = octet()
        .args([
            "load",
            &mesh.url("/api/greeting"),
            "-z",
            "1h",
            "-q",
            "50",
            "--format",
            "json-lines",
            "--output",
        ])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let first = timeout(PATIENCE, lines.next_line()).await.expect("in time").expect("readable");
    let running: serde_json::Value = serde_json::from_str(&first.expect("a line")).expect("JSON");
    assert_eq!(running["state"], "running");
    let id = Pid::from_raw(child.id().expect("running").try_into().expect("an id")).expect("an id");
    kill_process(id, Signal::INT).expect("signalled");
    let mut last = String::new();
    while let Some(line) = timeout(PATIENCE, lines.next_line()).await.expect("in time").expect("readable") {
        last = line;
    }
    assert!(timeout(PATIENCE, child.wait()).await.expect("in time").expect("a status").success());
    let report: Report = serde_json::from_str(&last).expect("a report");
    assert!(report.succeeded > 0 && report.elapsed_seconds < 120.0, "{last}");
    assert_eq!(serde_json::to_value(report.state).expect("text"), "stopped");
    assert_eq!(report.in_flight, 0);

    let file = file.to_str().expect("UTF-8");
    let (status, stdout, stderr) = load(&["compare", file, file]).await;
    assert_eq!(status, Some(0), "{stderr}");
    assert!(stdout.contains("requests per second") && stdout.contains("1.00"), "{stdout}");
    let (status, _, stderr) = load(&["compare", file, "Cargo.toml"]).await;
    assert_eq!(status, Some(64));
    assert!(stderr.contains("Cargo.toml: not a report"), "{stderr}");
    mesh.end().await;
}

/// The gateway starts a load as its child: without its parent nobody would read the report, or end it.
#[tokio::test]
async fn a_load_ends_when_its_lifeline_closes() {
    let mesh = Mesh::start().await;
    let mut child = octet()
        .args(["load", &mesh.url("/api/greeting"), "-z", "1h", "-q", "5", "--format", "json-lines"])
        .env("OCTET_LIFELINE", "stdin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    timeout(PATIENCE, lines.next_line()).await.expect("in time").expect("readable").expect("a line");
    drop(child.stdin.take());
    timeout(Duration::from_secs(30), child.wait()).await.expect("it ends").expect("a status");
    mesh.end().await;
}
