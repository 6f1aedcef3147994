//! Pages of other origins, and host names that are not the collector's.

use axum::body::Body;
use http::request::Builder;
use hyper::Request;

use crate::peer::{Peer, span};

async fn status(peer: &Peer, request: Builder, body: String) -> u16 {
    peer.send(request.body(Body::from(body)).expect("a request")).await.status.as_u16()
}

#[tokio::test]
async fn a_page_of_another_origin_cannot_report_spans() {
    let peer = Peer::start().await;
    let report = format!("[{}]", span(1, 1, ""));
    let own = format!("http://{}", peer.address);
    for (origin, content_type, expected) in [
        // What a page can send without asking first.
        (Some("http://attacker.example"), Some("text/plain"), 403),
        (Some("http://attacker.example"), None, 403),
        (Some("null"), None, 403),
        (Some("http://localhost:1"), None, 403),
        (Some("http://attacker.example"), Some("application/json"), 403),
        (None, Some("text/plain"), 415),
        (None, Some("application/x-www-form-urlencoded"), 415),
        (Some(own.as_str()), Some("application/json"), 202),
        (None, Some("application/json"), 202),
    ] {
        let mut request = Request::post(format!("http://{}/api/v2/spans", peer.address));
        for (name, value) in [("origin", origin), ("content-type", content_type)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let status = status(&peer, request, report.clone()).await;
        assert_eq!(status, expected, "{origin:?} {content_type:?}");
    }
    peer.stop().await;
}

#[tokio::test]
async fn a_name_that_was_made_to_lead_here_cannot_read_traces() {
    let peer = Peer::with(&[("ALLOWED_HOSTS", "traces.example.com")]).await;
    peer.report(format!("[{}]", span(1, 1, ""))).await;
    for (host, expected) in [
        ("attacker.example", 403),
        ("attacker.example:9411", 403),
        ("", 403),
        ("localhost:9411", 200),
        ("127.0.0.1", 200),
        ("[::1]:9411", 200),
        ("collector", 200),
        ("traces.example.com", 200),
    ] {
        for path in ["/api/v2/trace/1", "/api/v2/services", "/health"] {
            let request = Request::get(format!("http://{}{path}", peer.address)).header("host", host);
            assert_eq!(status(&peer, request, String::new()).await, expected, "{host} {path}");
        }
        // Envoy sends the name of its cluster.
        let request = Request::post(format!("http://{}/api/v2/spans", peer.address))
            .header("host", host)
            .header("content-type", "application/json");
        assert_eq!(status(&peer, request, "[]".to_owned()).await, 202, "{host}");
    }
    // With DNS rebinding, the attacker's page has the same origin.
    let request = Request::post(format!("http://{}/api/v2/spans", peer.address))
        .header("host", "attacker.example")
        .header("origin", "http://attacker.example")
        .header("content-type", "application/json");
    assert_eq!(status(&peer, request, "[]".to_owned()).await, 403);
    peer.stop().await;
}
