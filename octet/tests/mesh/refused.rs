//! What a web page could send to a port of the platform without being asked: plain HTTP to a gRPC port, and requests
//! under a name of its own.

use http_body_util::Full;
use hyper::{Request, StatusCode, body::Bytes};
use hyper_util::{client::legacy::Client as HttpClient, rt::TokioExecutor};

use crate::{client::Client, platform::Mesh};

const GREETING: &str = "/greeting.v3.GreetingService/Greeting";

#[tokio::test]
async fn a_post_that_is_not_grpc_stores_nothing() {
    let mesh = Mesh::start().await;
    assert_eq!(Client::new().get(&mesh.url("/api/greeting")).await.status, StatusCode::OK);
    let documents = mesh.documents("service-c").await;
    assert_eq!(documents.count().await, 1);
    // An empty message: as a call, it would store a greeting.
    let message: &'static [u8] = &[0; 5];
    let url = format!("http://{}{GREETING}", mesh.address("service-c"));
    for (is_http2, content_type) in [
        (false, "text/plain"),
        (false, "application/grpc"),
        (true, "text/plain"),
        (true, "application/grpc-web"),
    ] {
        let client = HttpClient::builder(TokioExecutor::new()).http2_only(is_http2).build_http();
        let request = Request::post(&url).header("content-type", content_type);
        let request = request.body(Full::new(Bytes::from_static(message))).expect("a request");
        let response = client.request(request).await.expect("a response");
        assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{is_http2} {content_type}");
    }
    assert_eq!(documents.count().await, 1);
    mesh.end().await;
}

#[tokio::test]
async fn the_admin_server_refuses_hosts_of_others() {
    let mesh = Mesh::builder().with("ALLOWED_HOSTS", "admin.example.com").start().await;
    let client = Client::new();
    let url = mesh.admin("service-a", "/metrics");
    for (host, status) in [
        ("attacker.example", StatusCode::FORBIDDEN),
        ("localhost", StatusCode::OK),
        ("admin.example.com", StatusCode::OK),
    ] {
        let request = Request::get(&url).header("host", host).body(Full::default()).expect("a request");
        let reply = client.send(request).await.expect("a response");
        assert_eq!(reply.status, status, "{host}: {}", reply.text());
    }
    mesh.end().await;
}
