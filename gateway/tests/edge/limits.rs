//! What one request and all together may take.

use std::time::{Duration, Instant};

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
        assert_eq!(reply.json()["message"], "the body is larger than 2048 bytes");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_the_services_fault() {
    let gateway = Gateway::start().await;
    let reply = get(&gateway, "/v1/shelves/large").await;
    let told = json!({
        "code": 13,
        "message": "service-a: upstream response: message of 5242885 bytes exceeds the limit of 4194304 bytes",
        "details": [],
    });
    assert_eq!((reply.status.as_u16(), reply.json()), (500, told));
}

#[tokio::test]
async fn a_body_that_no_decoder_would_take_is_refused_here() {
    let gateway = Gateway::start().await;
    let body = |levels: usize| {
        let open = r#"{"below":"#.repeat(levels);
        format!(r#"{{"nested":{open}{{"text":"deep"}}{}}}"#, "}".repeat(levels))
    };
    // `nested` itself is a level.
    assert_eq!(ask(&gateway, "POST", "/v1/everything", &[], &body(99)).await.status, 200);
    let reply = ask(&gateway, "POST", "/v1/everything", &[], &body(100)).await;
    assert_eq!((reply.status.as_u16(), reply.json()["code"].clone()), (400, json!(3)), "{}", reply.text());
}

#[tokio::test]
async fn without_a_deadline_of_its_own_a_request_has_the_usual_one_and_none_has_more_than_the_longest() {
    let gateway = Gateway::with(&[("REQUEST_TIMEOUT", "150ms"), ("MAX_REQUEST_TIMEOUT", "300ms")]).await;
    for (headers, at_least) in
        [(&[][..], Duration::from_millis(150)), (&[("Grpc-Timeout", "5S")][..], Duration::from_millis(300))]
    {
        let begun = Instant::now();
        let reply = ask(&gateway, "GET", "/v1/shelves/slow", headers, "").await;
        assert_eq!(reply.status, 504);
        let took = begun.elapsed();
        assert!(took >= at_least && took < Duration::from_secs(4), "{took:?}");
    }
}

#[tokio::test]
async fn what_is_more_than_the_gateway_takes_on_is_refused_at_once() {
    let gateway = Gateway::with(&[("MAX_CONCURRENT", "2")]).await;
    let slow = || ask(&gateway, "GET", "/v1/shelves/slow", &[("Grpc-Timeout", "2S")], "");
    let refused = async {
        while gateway.library.calls() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let begun = Instant::now();
        let reply = get(&gateway, "/v1/shelves/one").await;
        assert!(begun.elapsed() < Duration::from_secs(1), "it queued");
        // What the edge answers itself goes on.
        assert_eq!(get(&gateway, "/api/topology").await.status, 200);
        reply
    };
    let (_, _, reply) = tokio::join!(slow(), slow(), refused);
    assert_eq!(reply.status, 503);
    assert_eq!(reply.header("retry-after"), "1");
    assert_eq!(reply.json()["code"], 14);
}
