use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;

/// Its three forms have different content.
static HASHED: File = File {
    path: "/assets/index-Bq3.js",
    tag: "0123",
    identity: b"plain",
    brotli: Some(b"br"),
    gzip: Some(b"gz"),
};
static PICTURE: File =
    File { path: "/picture.png", tag: "4567", identity: b"plain", brotli: None, gzip: None };

fn request(headers: &[(HeaderName, &'static str)]) -> HeaderMap {
    headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
}

async fn body(response: Response) -> Vec<u8> {
    response.into_body().collect().await.expect("a body").to_bytes().to_vec()
}

#[tokio::test]
async fn a_hashed_file_is_compressed_and_cached_forever() {
    let response = answer(&HASHED, &request(&[(header::ACCEPT_ENCODING, "gzip, deflate, br")]));
    assert_eq!(response.status(), StatusCode::OK);
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    assert_eq!(header("content-encoding"), Some("br"));
    assert_eq!(header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(header("vary"), Some("accept-encoding"));
    assert_eq!(header("etag"), Some("\"0123-br\""));
    assert_eq!(header("x-content-type-options"), Some("nosniff"));
    assert_eq!(body(response).await, b"br");
}

#[tokio::test]
async fn a_client_gets_the_smallest_form_that_it_accepts() {
    for (accepts, expected) in
        [("gzip", "gz"), ("br;q=0, gzip", "gz"), ("identity", "plain"), ("zstd", "plain")]
    {
        let response = answer(&HASHED, &request(&[(header::ACCEPT_ENCODING, accepts)]));
        assert_eq!(body(response).await, expected.as_bytes(), "{accepts}");
    }
    let response = answer(&PICTURE, &request(&[(header::ACCEPT_ENCODING, "br")]));
    assert_eq!(response.headers().get(header::CONTENT_ENCODING), None);
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
    assert_eq!(body(response).await, b"plain");
}

#[tokio::test]
async fn a_cached_file_is_not_sent_again() {
    for known in ["\"0123\"", "W/\"0123\"", "\"x\", \"0123\"", "*"] {
        let response = answer(&HASHED, &request(&[(header::IF_NONE_MATCH, known)]));
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known}");
        assert!(response.headers().contains_key(header::ETAG));
        assert!(body(response).await.is_empty());
    }
    // Another form of the same file is another representation.
    let response = answer(&HASHED, &request(&[(header::IF_NONE_MATCH, "\"0123-br\"")]));
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_page_is_served_even_if_the_ui_was_not_built() {
    let ask = async |path: &str| {
        let request = http::Request::get(path).body(axum::body::Body::empty()).expect("a request");
        router(None).oneshot(request).await.expect("an answer")
    };
    let page = ask("/").await;
    assert_eq!(page.headers()[header::CACHE_CONTROL], "no-cache");
    let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let text = String::from_utf8(body(page).await).expect("text");
    assert!(text.contains("<title>Octet</title>"), "{text}");
    for file in files::all() {
        assert_eq!(ask(file.path).await.status(), StatusCode::OK, "{}", file.path);
    }
}

#[tokio::test]
async fn the_configuration_names_the_apis_address() {
    let ask = async |router: Router| {
        let request =
            http::Request::get("/ui-config.json").body(axum::body::Body::empty()).expect("a request");
        String::from_utf8(body(router.oneshot(request).await.expect("an answer")).await).expect("text")
    };
    assert_eq!(ask(router(None)).await, r#"{"apiUrl":null}"#);
    let api = HttpUrl::parse("https://api.example.com/");
    assert_eq!(ask(router(api.as_ref())).await, r#"{"apiUrl":"https://api.example.com"}"#);
}
