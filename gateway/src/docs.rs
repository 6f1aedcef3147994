//! `/openapi.json`, and `/docs`, which shows it in Swagger UI. All files are in the binary.
//!
//! Swagger UI's files are part of the browser UI's build (`ui/dist/docs`). Without that build, the page says what to run.

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderMap, HeaderName, HeaderValue, header},
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

/// The path at which a trusted proxy serves the gateway. Removed from requests of others.
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// Bytes of the longest path of a proxy.
const MAX_PREFIX: usize = 256;

/// Serves the document, and the page that shows it.
pub(crate) fn router(document: &serde_json::Value) -> Router {
    let document = Arc::new(Document::new(document.clone()));
    let page = if ui::holds("/docs/swagger-ui-bundle.js") { PAGE } else { UNBUILT };
    Router::new()
        .route(
            "/openapi.json",
            get(async move |headers: HeaderMap| {
                (NO_CACHE, edge::json(document.below(prefix(&headers)))).into_response()
            }),
        )
        // Relative: a proxy may serve this below a path.
        .route("/docs", get(async || Redirect::permanent("docs/")))
        .route("/docs/", get(async move || file("text/html; charset=utf-8", page)))
        .route("/docs/start.js", get(async || file("text/javascript; charset=utf-8", START)))
}

/// The document's text, with a place for the server's URL.
struct Document {
    /// With `/` as the server.
    whole: Bytes,
    /// Before and after the server's URL.
    parts: Option<(String, String)>,
}

impl Document {
    fn new(mut document: serde_json::Value) -> Self {
        const PLACE: &str = "the server's URL belongs here";
        let whole = document.to_string().into();
        let url = document.pointer_mut("/servers/0/url");
        let is_placed = url.map(|url| *url = PLACE.into()).is_some();
        let text = document.to_string();
        let parts = text.split_once(&format!("{PLACE:?}")).filter(|_| is_placed);
        let parts = parts.map(|(before, after)| (before.to_owned(), after.to_owned()));
        Self { whole, parts }
    }

    /// The document of a gateway that is served below `prefix`.
    fn below(&self, prefix: Option<&str>) -> Bytes {
        match (prefix, &self.parts) {
            // The prefix has no character that JSON escapes.
            (Some(prefix), Some((before, after))) => format!("{before}\"{prefix}\"{after}").into(),
            _ => self.whole.clone(),
        }
    }
}

/// The path of a trusted proxy, without a slash at its end; `None` for anything else than a plain path.
fn prefix(headers: &HeaderMap) -> Option<&str> {
    let prefix = headers.get(FORWARDED_PREFIX)?.to_str().ok()?.trim_end_matches('/');
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let is_path = prefix.starts_with('/') && !prefix.contains("//") && prefix.bytes().all(is_plain);
    (is_path && prefix.len() <= MAX_PREFIX).then_some(prefix)
}

/// Browsers always fetch the current version.
const NO_CACHE: [(HeaderName, HeaderValue); 1] =
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))];

fn file(content_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    ];
    (headers, NO_CACHE, text).into_response()
}
