//! The responses of gateway and services to invalid requests.

use http_body_util::Full;
use hyper::{Method, Request};
use octet_proto::greeting::v3::{Greeting, GreetingRequest};
use tonic::Code;

use crate::{
    client::{self, Client},
    platform::Mesh,
};

#[tokio::test]
async fn every_error_of_the_gateway_has_the_same_form() {
    let mesh = Mesh::start().await;
    let client = Client::new();
    let send = async |method: Method, path: &str| {
        let request = Request::builder().method(method).uri(mesh.url(path)).body(Full::default());
        client.send(request.expect("a request")).await.expect("a response")
    };

    let reply = send(Method::GET, "/api/nothing").await;
    assert_eq!((reply.status.as_u16(), reply.error().code), (404, 5), "{}", reply.text());
    for path in ["/api/greeting", "/api/topology"] {
        let reply = send(Method::POST, path).await;
        assert_eq!((reply.status.as_u16(), reply.error().code), (405, 12), "{path}: {}", reply.text());
        assert_eq!(reply.header("allow").replace(", ", ",").replace(' ', ""), "GET,HEAD", "{path}");
    }
    let reply = send(Method::GET, "/api/greeting?greeting.id=1&greeting.id=2").await;
    assert_eq!((reply.status.as_u16(), reply.error().code), (400, 3), "{}", reply.text());
    assert!(reply.error().message.contains("greeting.id"), "{}", reply.text());

    let head = send(Method::HEAD, "/api/greeting").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    let page = send(Method::GET, "/").await;
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    let topology = send(Method::GET, "/api/topology").await;
    assert!(topology.text().contains(r#""entry":"service-a""#), "{}", topology.text());
    let health = send(Method::GET, "/api/health").await;
    assert!(health.text().contains(r#""status":"SERVING""#), "{}", health.text());
    mesh.end().await;
}

#[tokio::test]
async fn oversized_metadata_and_messages_are_refused_with_their_codes() {
    let mesh = Mesh::start().await;
    let mut service = client::grpc(&mesh.address("service-c"));
    for size in [20_000, 70_000, 500_000] {
        let mut request = tonic::Request::new(GreetingRequest::default());
        request.metadata_mut().insert("x-large", "x".repeat(size).parse().expect("ASCII"));
        let status = service.greeting(request).await.expect_err("refused");
        // Up to the limit of HTTP/2 the service itself responds. Beyond, HTTP/2 does: with 431, which clients report as
        // UNKNOWN, or by closing the connection (ENHANCE_YOUR_CALM).
        let expected: &[Code] = match size {
            20_000 => &[Code::ResourceExhausted],
            _ => &[Code::Unknown, Code::Internal, Code::Unavailable, Code::ResourceExhausted],
        };
        assert!(expected.contains(&status.code()), "{size}: {status:?}");
    }

    let mut request = tonic::Request::new(GreetingRequest::default());
    let odd = tonic::metadata::MetadataValue::try_from(&b"caf\xe9"[..]).expect("opaque bytes");
    request.metadata_mut().insert("x-request-id", odd);
    service.greeting(request).await.expect("an id of opaque bytes is ignored");

    let large = Greeting { message: "x".repeat(65 * 1024), ..Greeting::default() };
    let status = service.greeting(GreetingRequest { greeting: Some(large) }).await.expect_err("refused");
    assert!(matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted), "{status:?}");

    let nameless = Greeting { message: "hi".into(), ..Greeting::default() };
    let status = service.greeting(GreetingRequest { greeting: Some(nameless) }).await.expect_err("refused");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().starts_with("greeting.id must be a UUID"), "{status:?}");
    mesh.end().await;
}

#[tokio::test]
async fn the_largest_metadata_pass_every_hop_and_larger_ones_affect_no_other_request() {
    let mesh = Mesh::start().await;
    let greet = async |baggage: String| {
        let request = Request::get(mesh.url("/api/greeting")).header("baggage", baggage);
        Client::new().send(request.body(Full::default()).expect("a request")).await.expect("a response")
    };
    // The printable byte with the longest code in HPACK: 19 bits.
    for (bytes, status) in [(15_000, 200), (60_000, 431), (15_000, 200), (60_000, 431), (0, 200)] {
        let reply = greet("\\".repeat(bytes)).await;
        assert_eq!(reply.status.as_u16(), status, "{bytes}: {}", reply.text());
    }
    mesh.end().await;
}

#[tokio::test]
async fn each_process_serves_probes_and_metrics() {
    let mesh = Mesh::start().await;
    let client = Client::new();
    client.get(&mesh.url("/api/greeting")).await;
    for process in crate::platform::PROCESSES {
        for path in ["/livez", "/readyz"] {
            assert_eq!(client.get(&mesh.admin(process, path)).await.status, 200, "{process}{path}");
        }
        let metrics = client.get(&mesh.admin(process, "/metrics")).await;
        assert!(metrics.text().contains("octet_build_info{"), "{process}");
        assert!(metrics.text().contains("process_resident_memory_bytes"), "{process}");
    }
    let of = async |process| client.get(&mesh.admin(process, "/metrics")).await.text().to_owned();
    assert!(of("service-b").await.contains(
        r#"grpc_server_handled_total{grpc_code="OK",grpc_method="Greeting",grpc_service="greeting.v3.GreetingService",grpc_type="unary"} 1"#
    ));
    assert!(of("service-b").await.contains(
        r#"grpc_client_handled_total{grpc_code="OK",grpc_method="Greeting",grpc_service="greeting.v3.GreetingService",grpc_type="unary",upstream="service-e"} 1"#
    ));
    assert!(of("service-c").await.contains(r#"octet_store_inserts_total{outcome="new"} 1"#));
    assert!(of("service-d").await.contains(r#"octet_queue_published_total{outcome="confirmed"} 1"#));
    assert!(of("gateway").await.contains(
        r#"http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/api/greeting"} 1"#
    ));
    mesh.end().await;
}
