//! The browser UI: its files, which are part of the binary, and its configuration.

mod encoding;
mod files;

use axum::{
    Router,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use octet_runtime::http_url::HttpUrl;

use self::files::{File, Form};
use crate::edge;

/// Nothing inline and nothing from elsewhere, except requests to the gateway whose address the user types.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     connect-src 'self' http: https:; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// For files with their content's hash in their name: their content never changes.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// For everything else: cached, and revalidated each time.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// A route for each file, and `/ui-config.json` with the API's address if it is on another host.
pub(crate) fn router(api: Option<&HttpUrl>) -> Router {
    let config = serde_json::json!({ "apiUrl": api.map(HttpUrl::to_string) }).to_string();
    let config = move || async move { ([(header::CACHE_CONTROL, REVALIDATE)], edge::json(config)) };
    let mut router = Router::new()
        .route("/", get(async |headers: HeaderMap| answer(files::index(), &headers)))
        .route("/ui-config.json", get(config));
    for file in files::all() {
        router = router.route(file.path, get(async move |headers: HeaderMap| answer(file, &headers)));
    }
    router
}

/// Whether the build has this file.
pub(crate) fn holds(path: &str) -> bool {
    files::all().iter().any(|file| file.path == path)
}

fn answer(file: &'static File, request: &HeaderMap) -> Response {
    let Form { encoding, content } = file.form(encoding::accepted(request));
    let tag = format!("\"{}{}\"", file.tag, encoding.suffix());
    let mut response = if is_known(request, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = content.into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, file.content_type());
        if let Some(name) = encoding.name() {
            response.headers_mut().insert(header::CONTENT_ENCODING, name);
        }
        response
    };

    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, if file.is_hashed() { FOREVER } else { REVALIDATE });
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    // Hexadecimal digits and quotes are a valid header value.
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Headers that isolate the page in a browser.
const SECURITY_HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Whether the client has this form cached (RFC 9110, 13.1.2, by weak comparison).
fn is_known(request: &HeaderMap, tag: &str) -> bool {
    let known = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests;
