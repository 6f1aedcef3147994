//! `/openapi.json`, and `/docs`, which shows it in Swagger UI: from the binary alone, with nothing from elsewhere.
//!
//! Swagger UI's own files come with the browser UI (`ui/dist/docs`). Where that was not built, the page says what to run.

use axum::{
    Router,
    http::{HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use bytes::Bytes;

use crate::{edge, ui};

/// Scripts and styles from here alone. Swagger UI writes `style` attributes, and holds its icons as `data:`: so much it
/// needs, and no `unsafe-eval`.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

const PAGE: &str = include_str!("docs/page.html");
const UNBUILT: &str = include_str!("docs/unbuilt.html");
const START: &str = include_str!("docs/start.js");

/// The document, and the page that shows it.
pub(crate) fn router(document: &serde_json::Value) -> Router {
    let document = Bytes::from(document.to_string());
    let page = if ui::holds("/docs/swagger-ui-bundle.js") { PAGE } else { UNBUILT };
    Router::new()
        .route("/openapi.json", get(async || (NO_CACHE, edge::json(document)).into_response()))
        .route("/docs", get(async || Redirect::permanent("/docs/")))
        .route("/docs/", get(async move || file("text/html; charset=utf-8", page)))
        .route("/docs/start.js", get(async || file("text/javascript; charset=utf-8", START)))
}

/// A new version shows at once.
const NO_CACHE: [(header::HeaderName, HeaderValue); 1] =
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))];

fn file(content_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    ];
    (headers, NO_CACHE, text).into_response()
}
