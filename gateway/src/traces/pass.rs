//! `/zipkin/api/v2/*`: reads passed on as they are.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use octet_runtime::propagation::X_REQUEST_ID;
use tonic::Code;

use super::backend::{Answer, Backend};
use crate::edge;

/// Characters of a backend's reason that are passed on.
const REASON: usize = 200;

/// Of the backend's headers, those that say how to use its answer.
const PASSED: [header::HeaderName; 3] = [header::CACHE_CONTROL, header::ETAG, header::LAST_MODIFIED];

pub(super) async fn pass(State(backend): State<Backend>, request: Request) -> Response {
    let path = request.uri().path_and_query().map(http::uri::PathAndQuery::as_str).unwrap_or_default();
    let Some(path) = path.strip_prefix("/zipkin").filter(|path| stays_below(path)) else {
        let message = format!("nothing is served on {}", request.uri().path());
        return edge::error(StatusCode::NOT_FOUND, Code::NotFound, &message);
    };
    match backend.get(path, request.headers().get(X_REQUEST_ID)).await {
        Ok(answer) if answer.status.is_success() => passed(answer),
        Ok(answer) => refused(&answer),
        Err(trouble) => trouble.into_response(),
    }
}

/// No segment that a backend could take for a way out of the API.
fn stays_below(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default().to_ascii_lowercase();
    let plain = path.replace("%2e", ".").replace("%2f", "/").replace("%5c", "/").replace('\\', "/");
    plain.split('/').all(|segment| segment != "." && segment != "..")
}

fn passed(answer: Answer) -> Response {
    // A page of the backend's would be one of the platform's own to a browser: it is text, whatever it says.
    let kind = if answer.is_json() { "application/json" } else { "text/plain; charset=utf-8" };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    for name in PASSED {
        if let Some(value) = answer.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    (answer.status, headers, answer.into_body()).into_response()
}

/// The backend's refusal in the form of the gateway's own, with its reason where it gives one.
fn refused(answer: &Answer) -> Response {
    let code = match answer.status {
        StatusCode::BAD_REQUEST => Code::InvalidArgument,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        status if status.is_client_error() => Code::FailedPrecondition,
        // A redirect leads to where the client need not be able to go.
        _ => return super::Trouble::NotZipkin.into_response(),
    };
    let json: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
    let told = json.as_ref().and_then(|json| json.get("message")?.as_str()).map(str::to_owned);
    let text = String::from_utf8_lossy(&answer.body);
    // Somebody else's page is no reason.
    let plain = || (!text.trim_start().starts_with(['<', '{'])).then(|| text.trim().to_owned());
    let reason = told.or_else(plain).filter(|reason| !reason.is_empty());
    let reason = reason.unwrap_or_else(|| format!("the trace backend answered {}", answer.status));
    let reason: String = reason.replace(char::is_control, " ").chars().take(REASON).collect();
    edge::error(answer.status, code, &reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_api() {
        for path in ["/api/v2/trace/00aa", "/api/v2/traces?a=../b", "/api/v2/spans?serviceName=a..b"] {
            assert!(stays_below(path), "{path}");
        }
        for path in ["/api/v2/../x", "/api/v2/%2E%2e/x", "/api/v2/a%2f..%2fx", "/api/v2/..\\x", "/api/v2/."] {
            assert!(!stays_below(path), "{path}");
        }
    }
}
