//! `/openapi.json`, and `/docs`, which shows it in Swagger UI. All files are in the binary.
//!
//! Swagger UI's files are part of the browser UI's build (`ui/dist/docs`). Without that build, the page says what to run.

use axum::{
    Router,
    http::{HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use bytes::Bytes;

use crate::{edge, ui};

/// Scripts and styles come from the gateway only. Swagger UI writes `style` attributes and has its icons as `data:` URLs;
/// it does not need `unsafe-eval`.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

const PAGE: &str = include_str!("docs/page.html");
const UNBUILT: &str = include_str!("docs/unbuilt.html");
const START: &str = include_str!("docs/start.js");

/// Serves the document, and the page that shows it.
pub(crate) fn router(document: &serde_json::Value) -> Router {
    let document = Bytes::from(document.to_string());
    let page = if ui::holds("/docs/swagger-ui-bundle.js") { PAGE } else { UNBUILT };
    Router::new()
        .route("/openapi.json", get(async || (NO_CACHE, edge::json(document)).into_response()))
        .route("/docs", get(async || Redirect::permanent("/docs/")))
        .route("/docs/", get(async move || file("text/html; charset=utf-8", page)))
        .route("/docs/start.js", get(async || file("text/javascript; charset=utf-8", START)))
}

/// Browsers always fetch the current version.
const NO_CACHE: [(header::HeaderName, HeaderValue); 1] =
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))];

fn file(content_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    ];
    (headers, NO_CACHE, text).into_response()
}
