//! `/api/request-echo`: the request as it arrived here, whatever its method, to see what stands between makes of it.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, header},
    response::{IntoResponse, Response},
    routing::any,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use octet_runtime::{admission::Admission, deadline::Deadline};
use prost_reflect::DescriptorPool;
use serde::Serialize;

use crate::{
    edge::{self, ClientAddress},
    limits::Limits,
    rest::{Failure, collect},
};

/// What a masked value is replaced by.
const MASK: &str = "***";

/// A header whose name holds one of these is nobody's business, not even its sender's: an answer is kept in places where a
/// credential must not be.
const SENSITIVE: [&str; 11] = [
    "api-key",
    "apikey",
    "auth",
    "client-cert",
    "cookie",
    "credential",
    "jwt",
    "password",
    "secret",
    "session",
    "token",
];

/// What the echo needs: the leave to hold bodies, and how large they may be.
#[derive(Clone)]
struct Echo {
    admission: Admission,
    limits: Limits,
    pool: Arc<DescriptorPool>,
}

#[derive(Serialize)]
struct Echoed<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    headers: BTreeMap<&'a str, Vec<String>>,
    #[serde(flatten)]
    body: EchoedBody,
}

/// Text where it is text.
#[derive(Serialize)]
enum EchoedBody {
    #[serde(rename = "body")]
    Text(String),
    #[serde(rename = "bodyBase64")]
    Binary(String),
}

pub(crate) fn router(admission: Admission, limits: Limits) -> Router {
    let state = Echo { admission, limits, pool: Arc::default() };
    Router::new().route("/api/request-echo", any(echo)).with_state(state)
}

async fn echo(State(echo): State<Echo>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match echo.collected(body).await {
        Err(failure) => failure.into_response(&echo.pool),
        Ok(bytes) => {
            let body = match String::from_utf8(bytes) {
                Ok(text) => EchoedBody::Text(text),
                Err(error) => EchoedBody::Binary(STANDARD.encode(error.as_bytes())),
            };
            let echoed = Echoed {
                method: parts.method.as_str(),
                path: parts.uri.path(),
                query: parts.uri.query().unwrap_or_default(),
                version: format!("{:?}", parts.version),
                client: parts.extensions.get().map(|ClientAddress(address)| address.to_string()),
                headers: masked(&parts.headers),
                body,
            };
            let written = serde_json::to_vec(&echoed).unwrap_or_default();
            ([(header::CACHE_CONTROL, "no-store")], edge::json(written)).into_response()
        }
    }
}

impl Echo {
    async fn collected(&self, body: Body) -> Result<Vec<u8>, Failure> {
        let _admitted = self.admission.admit().map_err(Failure::overloaded)?;
        let deadline = Deadline::after(self.limits.body_timeout);
        Ok(collect(body, &self.limits, deadline).await?.into())
    }
}

fn masked(headers: &HeaderMap) -> BTreeMap<&str, Vec<String>> {
    let mut told: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let value = if is_sensitive(name) {
            MASK.to_owned()
        } else {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        told.entry(name.as_str()).or_default().push(value);
    }
    told
}

fn is_sensitive(name: &HeaderName) -> bool {
    SENSITIVE.iter().any(|part| name.as_str().contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_masked_under_any_name_they_go_by() {
        for name in [
            "authorization",
            "proxy-authorization",
            "grpc-metadata-authorization",
            "cookie",
            "x-api-key",
            "x-auth-token",
            "x-forwarded-client-cert",
            "x-amz-security-token",
            "x-goog-iap-jwt-assertion",
            "x-csrf-token",
        ] {
            assert!(is_sensitive(&HeaderName::from_static(name)), "{name}");
        }
        for name in ["accept", "x-request-id", "traceparent", "x-b3-traceid", "user-agent", "host"] {
            assert!(!is_sensitive(&HeaderName::from_static(name)), "{name}");
        }
    }
}
