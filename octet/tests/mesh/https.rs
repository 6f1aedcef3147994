//! One port for REST and gRPC, in plain text and over TLS, called with hey and grpcurl.

use std::{path::Path, process::Command};

use octet_testbed::Authority;

use crate::platform::Mesh;

/// A tool that `make tools` has installed, or the one in PATH.
fn tool(name: &str) -> Command {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/bin").join(name);
    if installed.exists() { Command::new(installed) } else { Command::new(name) }
}

/// Runs a tool until it exits, and returns its output.
pub async fn run(name: &str, arguments: &[&str]) -> String {
    let mut command = tokio::process::Command::from(tool(name));
    let output = command.args(arguments).output().await;
    let output = output
        .unwrap_or_else(|error| panic!("{name} is missing ({error}): run `make tools`, which installs it"));
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {arguments:?}: {stdout} {stderr}");
    stdout
}

async fn all_answered(arguments: &[&str], url: &str) {
    let report = run("hey", &[&["-n", "1000", "-c", "25"], arguments, &[url]].concat()).await;
    let statuses: Vec<_> = report.lines().filter(|line| line.trim_start().starts_with('[')).collect();
    assert_eq!(statuses.len(), 1, "{report}");
    assert!(statuses[0].contains("[200]\t1000 responses"), "{report}");
}

async fn grpcurl(trust: &[&str], address: &str) {
    let listed = run("grpcurl", &[trust, &[address, "list"]].concat()).await;
    for name in ["greeting.v3.GreetingService", "grpc.health.v1.Health"] {
        assert!(listed.contains(name), "{listed}");
    }
    let described =
        run("grpcurl", &[trust, &[address, "describe", "greeting.v3.GreetingService"]].concat()).await;
    assert!(described.contains("rpc Greeting ( .greeting.v3.GreetingRequest )"), "{described}");
    let called = run("grpcurl", &[trust, &[address, "greeting.v3.GreetingService/Greeting"]].concat()).await;
    assert_eq!(called.matches("\"service\": \"service-").count(), 7, "{called}");
    let health = run("grpcurl", &[trust, &[address, "grpc.health.v1.Health/Check"]].concat()).await;
    assert!(health.contains("SERVING"), "{health}");
}

#[tokio::test]
async fn a_thousand_requests_and_grpcurl_over_plain_http() {
    let mesh = Mesh::start().await;
    all_answered(&[], &mesh.url("/api/greeting")).await;
    grpcurl(&["-plaintext"], mesh.url("").trim_start_matches("http://")).await;
    mesh.end().await;
}

#[tokio::test]
async fn a_thousand_requests_and_grpcurl_over_https_with_http2_and_without() {
    let authority = Authority::new();
    let file = |path: std::path::PathBuf| path.to_str().expect("text").to_owned();
    let mut mesh = Mesh::builder()
        .with("TLS_CERT", file(authority.certificate()))
        .with("TLS_KEY", file(authority.key()))
        .start()
        .await;
    mesh.prints("curl -s https://localhost:").await;
    let url = mesh.url("/api/greeting").replace("http://", "https://");
    // hey puts the port into the server name of TLS, which RFC 6066 (3) does not allow and rustls refuses.
    all_answered(&["-h2", "-host", "localhost"], &url).await;
    all_answered(&["-host", "localhost"], &url).await;
    let address = url.trim_start_matches("https://").trim_end_matches("/api/greeting");
    grpcurl(&["-cacert", &file(authority.ca())], address).await;

    let client = crate::client::Client::new();
    let refused = client.get(&mesh.url("/api/greeting")).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("this port speaks HTTPS"), "{}", refused.text());
    mesh.end().await;
}
