//! Which pages of other origins may call the gateway. `octet/tests/mesh/browser.rs` tests it with Chromium.

use crate::{
    client::{Reply, ask},
    gateway::Gateway,
};

const ORIGIN: (&str, &str) = ("Origin", "https://app.example");

async fn preflight(gateway: &Gateway, origin: &str) -> Reply {
    let headers = [
        ("Origin", origin),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type,x-grpc-web"),
    ];
    ask(gateway, "OPTIONS", "/v1/shelves/one", &headers, "").await
}

fn has_cors(reply: &Reply) -> bool {
    reply.headers.keys().any(|name| name.as_str().starts_with("access-control-"))
}

#[tokio::test]
async fn a_listed_origin_may_call_with_credentials_and_read_all_headers() {
    let gateway = Gateway::with(&[("ALLOWED_ORIGINS", "https://app.example,http://localhost:3000")]).await;
    let allowed = preflight(&gateway, "http://localhost:3000").await;
    assert_eq!(allowed.status, 204);
    assert_eq!(allowed.header("access-control-allow-origin"), "http://localhost:3000");
    assert_eq!(allowed.header("access-control-allow-credentials"), "true");
    assert_eq!(allowed.header("access-control-allow-headers"), "content-type,x-grpc-web");
    assert!(allowed.header("access-control-allow-methods").contains("POST"));
    assert_eq!(allowed.header("vary"), "origin");

    let reply = ask(&gateway, "GET", "/v1/shelves/one", &[ORIGIN], "").await;
    assert_eq!(reply.header("access-control-allow-origin"), "https://app.example");
    let exposed = reply.header("access-control-expose-headers");
    for name in ["x-request-id", "grpc-metadata-x-answered-by", "grpc-trailer-x-checksum"] {
        assert!(exposed.contains(name), "{name}: {exposed}");
    }
    let failed = ask(&gateway, "GET", "/v1/nothing", &[ORIGIN], "").await;
    assert_eq!(failed.header("access-control-allow-origin"), "https://app.example", "errors can be read too");
}

#[tokio::test]
async fn an_unlisted_origin_gets_no_cors_headers() {
    let gateway = Gateway::with(&[("ALLOWED_ORIGINS", "https://app.example")]).await;
    for origin in ["https://evil.example", "https://app.example.evil.example", "http://app.example", "null"] {
        let refused = preflight(&gateway, origin).await;
        assert_eq!(refused.status, 403, "{origin}");
        assert!(!has_cors(&refused), "{origin}: {:?}", refused.headers);
        let reply = ask(&gateway, "GET", "/v1/shelves/one", &[("Origin", origin)], "").await;
        assert!(!has_cors(&reply), "{origin}: {:?}", reply.headers);
        assert_eq!(reply.header("vary"), "origin", "a cache must not serve it to others");
    }
}

#[tokio::test]
async fn a_response_without_an_origin_varies_by_origin() {
    let gateway = Gateway::with(&[("ALLOWED_ORIGINS", "https://app.example")]).await;
    for path in ["/v1/shelves/one", "/v1/nothing", "/api/topology"] {
        let reply = ask(&gateway, "GET", path, &[], "").await;
        assert!(!has_cors(&reply), "{path}: {:?}", reply.headers);
        assert_eq!(reply.header("vary"), "origin", "{path}");
    }
}

#[tokio::test]
async fn any_origin_excludes_credentials() {
    let gateway = Gateway::with(&[("ALLOWED_ORIGINS", "*")]).await;
    for reply in [
        preflight(&gateway, "https://app.example").await,
        ask(&gateway, "GET", "/v1/shelves/one", &[ORIGIN], "").await,
        // A cache may give it to a page.
        ask(&gateway, "GET", "/v1/shelves/one", &[], "").await,
    ] {
        assert_eq!(reply.header("access-control-allow-origin"), "*");
        assert!(!reply.headers.contains_key("access-control-allow-credentials"));
    }
}

#[tokio::test]
async fn without_allowed_origins_there_is_no_cors_and_options_is_an_ordinary_method() {
    let gateway = Gateway::start().await;
    let reply = preflight(&gateway, "https://app.example").await;
    assert_eq!(reply.status, 405);
    assert!(!has_cors(&reply));
    assert!(!has_cors(&ask(&gateway, "GET", "/v1/shelves/one", &[ORIGIN], "").await));
}
