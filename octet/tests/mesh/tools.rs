//! The tools that a gRPC user has: grpcurl over reflection, and health by name.

use std::{path::Path, process::Command};

use tonic::transport::Endpoint;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::platform::{Mesh, PROCESSES};

/// grpcurl, as `make tools` installs it, or the one on the PATH.
fn grpcurl(arguments: &[&str]) -> String {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/bin/grpcurl");
    let program = if installed.exists() { installed } else { "grpcurl".into() };
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("grpcurl is missing ({error}): run `make tools`, which installs it"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "grpcurl {arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[tokio::test]
async fn grpcurl_lists_describes_and_calls_every_service() {
    let mesh = Mesh::start().await;
    for service in &PROCESSES[..8] {
        let address = mesh.address(service);
        let listed = grpcurl(&["-plaintext", &address, "list"]);
        for name in ["greeting.v3.GreetingService", "grpc.health.v1.Health"] {
            assert!(listed.contains(name), "{service}: {listed}");
        }
        let described = grpcurl(&["-plaintext", &address, "describe", "greeting.v3.GreetingService"]);
        assert!(described.contains("rpc Greeting ( .greeting.v3.GreetingRequest )"), "{described}");
        let called = grpcurl(&["-plaintext", &address, "greeting.v3.GreetingService/Greeting"]);
        assert!(called.contains(&format!("\"service\": \"{service}\"")), "{called}");
    }
    mesh.end().await;
}

#[tokio::test]
async fn health_answers_overall_and_by_each_name() {
    let mesh = Mesh::start().await;
    for service in &PROCESSES[..8] {
        let endpoint =
            Endpoint::from_shared(format!("http://{}", mesh.address(service))).expect("an address");
        let mut health = HealthClient::new(endpoint.connect_lazy());
        for name in ["", "greeting.v3.GreetingService", service, "liveness"] {
            let begun = std::time::Instant::now();
            // The first look at readiness follows the start by a moment.
            loop {
                let request = HealthCheckRequest { service: name.to_owned() };
                let status = health.check(request).await.expect("known").into_inner().status();
                if status.as_str_name() == "SERVING" {
                    break;
                }
                assert!(begun.elapsed() < crate::platform::PATIENCE, "{service} {name:?}: {status:?}");
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
        let unknown = HealthCheckRequest { service: "service-z".to_owned() };
        let status = health.check(unknown).await.expect_err("unknown");
        assert_eq!(status.code(), tonic::Code::NotFound);
    }
    mesh.end().await;
}

/// Kubernetes restarts what is not alive. A restart would not bring the store back.
#[tokio::test]
async fn a_service_without_its_store_is_alive_and_not_ready() {
    let mesh = Mesh::builder().with("MONGO_CONN", "mongodb://127.0.0.1:9/").start().await;
    for (name, expected) in [("", "NOT_SERVING"), ("service-c", "NOT_SERVING"), ("liveness", "SERVING")] {
        let endpoint =
            Endpoint::from_shared(format!("http://{}", mesh.address("service-c"))).expect("an address");
        let request = HealthCheckRequest { service: name.to_owned() };
        let answer = HealthClient::new(endpoint.connect_lazy()).check(request).await.expect("known");
        assert_eq!(answer.into_inner().status().as_str_name(), expected, "{name:?}");
    }
    mesh.end().await;
}
