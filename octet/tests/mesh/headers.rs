//! The headers that are propagated: those of traces and request ids, and no others.

use http_body_util::Full;
use hyper::Request;

use crate::{
    client::Client,
    platform::Mesh,
    stub::{Behaviour, Stub},
};

const PROPAGATED: [(&str, &str); 11] = [
    ("x-request-id", "7f9c-request"),
    ("x-b3-traceid", "463ac35c9f6413ad48485a3953bb6124"),
    ("x-b3-spanid", "a2fb4a1d1a96d312"),
    ("x-b3-parentspanid", "0020000000000001"),
    ("x-b3-sampled", "1"),
    ("x-b3-flags", "0"),
    ("b3", "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-1"),
    ("x-ot-span-context", "span;context"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("tracestate", "congo=t61rcWkgMzE"),
    ("baggage", "user=alice"),
];

async fn greet(mesh: &Mesh) {
    let mut request = Request::get(mesh.url("/api/greeting"))
        .header("authorization", "Bearer secret")
        .header("cookie", "session=secret")
        .header("x-user", "alice")
        .header("x-other", "stays");
    for (name, value) in PROPAGATED {
        request = request.header(name, value);
    }
    Client::new().send(request.body(Full::default()).expect("a request")).await.expect("a response");
}

#[tokio::test]
async fn without_an_exporter_trace_headers_reach_every_leaf_unchanged_and_credentials_do_not() {
    let leaves = [
        ("SERVICE_C_URL", Stub::start(Behaviour::Echoes).await),
        ("SERVICE_D_URL", Stub::start(Behaviour::Echoes).await),
        ("SERVICE_G_URL", Stub::start(Behaviour::Echoes).await),
        ("SERVICE_H_URL", Stub::start(Behaviour::Echoes).await),
    ];
    let mut builder =
        Mesh::builder().with("OTEL_TRACES_EXPORTER", "none").with("PROPAGATE_HEADERS", "x-user");
    for (variable, leaf) in &leaves {
        builder = builder.with(variable, leaf.address.to_string());
    }
    let mesh = builder.start().await;
    greet(&mesh).await;

    for (leaf, stub) in &leaves {
        let metadata = stub.last();
        for (name, value) in PROPAGATED.into_iter().chain([("x-user", "alice")]) {
            assert_eq!(
                metadata.get(name).map(|value| value.to_str().expect("text")),
                Some(value),
                "{leaf} {name}"
            );
        }
        for name in ["authorization", "cookie", "x-other", "x-forwarded-for"] {
            assert_eq!(metadata.get(name), None, "{leaf} {name}");
        }
    }
    mesh.end().await;
}

#[tokio::test]
async fn authorization_reaches_the_entry_and_no_further() {
    let entry = Stub::start(Behaviour::Echoes).await;
    let mesh = Mesh::builder().with("SERVICE_A_URL", entry.address.to_string()).start().await;
    greet(&mesh).await;

    let metadata = entry.last();
    assert_eq!(metadata.get("authorization").expect("passed on"), "Bearer secret");
    assert_eq!(metadata.get("cookie"), None);
    assert_eq!(metadata.get("x-forwarded-for").expect("the peer"), "127.0.0.1");
    mesh.end().await;

    let below = Stub::start(Behaviour::Echoes).await;
    let mesh = Mesh::builder().with("SERVICE_B_URL", below.address.to_string()).start().await;
    greet(&mesh).await;
    assert_eq!(below.last().get("authorization"), None);
    assert_eq!(below.last().get("x-request-id").expect("propagated"), "7f9c-request");
    mesh.end().await;
}

#[tokio::test]
async fn a_request_without_an_id_gets_one_and_every_process_logs_it() {
    let mesh = Mesh::start().await;
    let reply = Client::new().get(&mesh.url("/api/greeting")).await;
    let id = reply.header("x-request-id").to_owned();
    assert!(uuid::Uuid::try_parse(&id).is_ok(), "{id}");
    for process in ["gateway", "service-a", "service-b", "service-c", "service-d", "service-e", "service-g"] {
        mesh.logs(process, &format!(r#""request_id":"{id}""#)).await;
    }
    mesh.end().await;
}
