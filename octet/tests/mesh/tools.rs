//! grpcurl over reflection, and health by service name.

use octet_proto::grpc::health::v1::{HealthCheckRequest, health_client::HealthClient};
use octet_testbed::eventually;
use tonic::transport::Endpoint;

use crate::{
    https::run,
    platform::{Mesh, PROCESSES},
};

#[tokio::test]
async fn grpcurl_lists_describes_and_calls_every_service() {
    let mesh = Mesh::start().await;
    for service in &PROCESSES[..8] {
        let address = mesh.address(service);
        let listed = run("grpcurl", &["-plaintext", &address, "list"]).await;
        for name in ["greeting.v3.GreetingService", "grpc.health.v1.Health"] {
            assert!(listed.contains(name), "{service}: {listed}");
        }
        let described =
            run("grpcurl", &["-plaintext", &address, "describe", "greeting.v3.GreetingService"]).await;
        assert!(described.contains("rpc Greeting ( .greeting.v3.GreetingRequest )"), "{described}");
        let called = run("grpcurl", &["-plaintext", &address, "greeting.v3.GreetingService/Greeting"]).await;
        assert!(called.contains(&format!("\"service\": \"{service}\"")), "{called}");
    }
    mesh.end().await;
}

#[tokio::test]
async fn health_is_reported_overall_and_by_each_name() {
    let mesh = Mesh::start().await;
    for service in &PROCESSES[..8] {
        let endpoint =
            Endpoint::from_shared(format!("http://{}", mesh.address(service))).expect("an address");
        let mut health = HealthClient::new(endpoint.connect_lazy());
        for name in ["", "greeting.v3.GreetingService", service, "liveness"] {
            // Readiness is checked for the first time shortly after the start.
            eventually(&format!("{service} {name:?} is SERVING"), async || {
                let request = HealthCheckRequest { service: name.to_owned() };
                let status = health.check(request).await.expect("known").into_inner().status();
                if status.as_str_name() == "SERVING" { Ok(()) } else { Err(status.as_str_name()) }
            })
            .await;
        }
        let unknown = HealthCheckRequest { service: "service-z".to_owned() };
        let status = health.check(unknown).await.expect_err("unknown");
        assert_eq!(status.code(), tonic::Code::NotFound);
    }
    mesh.end().await;
}

/// Kubernetes restarts a process that is not alive, which would not bring the store back.
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
