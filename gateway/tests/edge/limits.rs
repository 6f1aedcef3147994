//! Limits of one request and of all requests together.

use std::time::{Duration, Instant};

use octet_testbed::eventually;
use serde_json::json;

use crate::{
    client::{ask, get},
    gateway::Gateway,
};

#[tokio::test]
async fn a_body_over_the_limit_is_413_and_one_at_the_limit_is_not() {
    let gateway = Gateway::with(&[("MAX_BODY_BYTES", "2KiB")]).await;
    let fits = format!(r#"{{"stringValue":"{}"}}"#, "x".repeat(2048 - 18));
    assert_eq!(fits.len(), 2048);
    for path in ["/v1/everything", "/api/request-echo"] {
        assert_eq!(ask(&gateway, "POST", path, &[], &fits).await.status, 200, "{path}");
        let reply = ask(&gateway, "POST", path, &[], &format!("{fits} ")).await;
        assert_eq!(reply.status, 413, "{path}");
        assert_eq!(reply.json()["message"], "request body exceeds the limit of 2048 bytes");
    }
}

#[tokio::test]
async fn a_response_that_is_too_large_is_an_internal_error() {
    let gateway = Gateway::start().await;
    let reply = get(&gateway, "/v1/shelves/large").await;
    let expected = json!({
        "code": 13,
        "message": "service-a: upstream response: message of 5242885 bytes exceeds the limit of 4194304 bytes",
        "details": [],
    });
    assert_eq!((reply.status.as_u16(), reply.json()), (500, expected));
}

#[tokio::test]
async fn a_body_that_nests_too_deeply_for_protobuf_is_refused() {
    let gateway = Gateway::start().await;
    let body = |levels: usize| {
        let open = r#"{"below":"#.repeat(levels);
        format!(r#"{{"nested":{open}{{"text":"deep"}}{}}}"#, "}".repeat(levels))
    };
    // `nested` itself is one level.
    assert_eq!(ask(&gateway, "POST", "/v1/everything", &[], &body(99)).await.status, 200);
    let reply = ask(&gateway, "POST", "/v1/everything", &[], &body(100)).await;
    assert_eq!((reply.status.as_u16(), reply.json()["code"].clone()), (400, json!(3)), "{}", reply.text());
}

#[tokio::test]
async fn a_request_has_the_default_deadline_and_never_more_than_the_maximum() {
    let gateway = Gateway::with(&[("REQUEST_TIMEOUT", "150ms"), ("MAX_REQUEST_TIMEOUT", "300ms")]).await;
    for (headers, at_least) in
        [(&[][..], Duration::from_millis(150)), (&[("Grpc-Timeout", "5S")][..], Duration::from_millis(300))]
    {
        let start = Instant::now();
        let reply = ask(&gateway, "GET", "/v1/shelves/slow", headers, "").await;
        assert_eq!(reply.status, 504);
        let took = start.elapsed();
        assert!(took >= at_least && took < Duration::from_secs(4), "{took:?}");
    }
}

#[tokio::test]
async fn requests_over_max_concurrent_are_refused_at_once() {
    let gateway = Gateway::with(&[("MAX_CONCURRENT", "2")]).await;
    // Of two clients: one alone would not get both permits.
    let headers = |client| [("Grpc-Timeout", "2S"), ("X-Forwarded-For", client)];
    let (first, second) = (headers("203.0.113.1"), headers("203.0.113.2"));
    let slow = async |headers| ask(&gateway, "GET", "/v1/shelves/slow", headers, "").await;
    let refused = async {
        eventually("both calls to arrive", async || gateway.library.calls() == 2).await;
        let reply = get(&gateway, "/v1/shelves/one").await;
        // The gateway's own endpoints still answer.
        assert_eq!(get(&gateway, "/api/topology").await.status, 200);
        reply
    };
    let (_, _, reply) = tokio::join!(slow(&first), slow(&second), refused);
    assert_eq!(reply.status, 503);
    assert_eq!(reply.header("retry-after"), "1");
    assert_eq!(reply.json()["code"], 14);
}
