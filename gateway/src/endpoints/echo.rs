//! `/api/request-echo`: the request as it arrived here, whatever its method, to see what stands between makes of it.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::any,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use octet_runtime::{
    admission::{Admission, Admitted},
    deadline::Deadline,
};
use prost_reflect::DescriptorPool;
use serde::Serialize;

use crate::{
    edge::{self, ClientAddress},
    held,
    limits::Limits,
    rest::{Failure, collect},
    transcode::percent::{Part, decode},
};

/// Bytes of a body that are shown: an answer can be six times as long as what it shows.
const SHOWN: usize = 64 * 1024;

/// What a masked value is replaced by.
const MASK: &str = "***";

/// A header or a key of the query whose name holds one of these is nobody's business, not even its sender's: an answer is
/// kept in places where a credential must not be.
const SENSITIVE: [&str; 14] = [
    "-key",
    "apikey",
    "auth",
    "client-cert",
    "cookie",
    "credential",
    "jwt",
    "oidc",
    "passwd",
    "password",
    "secret",
    "session",
    "signature",
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
    query: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    headers: BTreeMap<&'a str, Vec<String>>,
    #[serde(flatten)]
    body: EchoedBody<'a>,
    /// Of the body as it came.
    #[serde(rename = "bodyBytes")]
    body_bytes: usize,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

/// Text where it is text.
#[derive(Serialize)]
enum EchoedBody<'a> {
    #[serde(rename = "body")]
    Text(&'a str),
    #[serde(rename = "bodyBase64")]
    Binary(String),
}

pub(crate) fn router(admission: Admission, limits: Limits) -> Router {
    let state = Echo { admission, limits, pool: Arc::default() };
    Router::new().route("/api/request-echo", any(echo)).with_state(state)
}

async fn echo(State(echo): State<Echo>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (body, admitted) = match echo.collected(body).await {
        Ok(collected) => collected,
        Err(failure) => return failure.into_response(&echo.pool),
    };
    let echoed = Echoed {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: masked_query(parts.uri.query().unwrap_or_default()),
        version: format!("{:?}", parts.version),
        client: parts.extensions.get().map(|ClientAddress(address)| address.to_string()),
        headers: masked(&parts.headers),
        body: EchoedBody::of(&body),
        body_bytes: body.len(),
        truncated: body.len() > SHOWN,
    };
    let written = serde_json::to_vec(&echoed).unwrap_or_default();
    let answer = held::whole(written.into(), admitted, echo.limits.body_timeout);
    ([(header::CACHE_CONTROL, "no-store")], edge::json(answer)).into_response()
}

impl Echo {
    async fn collected(&self, body: Body) -> Result<(Bytes, Admitted), Failure> {
        let admitted = self.admission.admit().map_err(Failure::overloaded)?;
        let deadline = Deadline::after(self.limits.body_timeout);
        Ok((collect(body, &self.limits, deadline).await?, admitted))
    }
}

impl<'a> EchoedBody<'a> {
    fn of(body: &'a [u8]) -> Self {
        let shown = body.get(..SHOWN).unwrap_or(body);
        let text = str::from_utf8(shown).or_else(|error| {
            // A character of several bytes may be cut in two.
            let whole = shown.get(..error.valid_up_to()).unwrap_or_default();
            let is_cut = error.error_len().is_none() && shown.len() < body.len();
            if is_cut { str::from_utf8(whole) } else { Err(error) }
        });
        text.map_or_else(|_| Self::Binary(STANDARD.encode(shown)), Self::Text)
    }
}

fn masked(headers: &HeaderMap) -> BTreeMap<&str, Vec<String>> {
    let mut told: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let value = if is_sensitive(name.as_str()) {
            MASK.to_owned()
        } else {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        told.entry(name.as_str()).or_default().push(value);
    }
    told
}

/// As it was sent, but for values that are masked: of credentials, and of keys that nobody can read.
fn masked_query(query: &str) -> String {
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((key, _)) if decode(key, Part::Query).map_or(true, |key| is_sensitive(&key)) => {
            format!("{key}={MASK}")
        }
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

fn is_sensitive(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    SENSITIVE.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_shown_but_for_its_credentials() {
        for (query, shown) in [
            ("", ""),
            ("q=1&flag&a=b=c", "q=1&flag&a=b=c"),
            ("q=1&access_token=s3cret&x=", "q=1&access_token=***&x="),
            ("access%5Ftoken=s3cret&X-Amz-Signature=ab", "access%5Ftoken=***&X-Amz-Signature=***"),
            ("%zz=1&%ff=2", "%zz=***&%ff=***"),
        ] {
            assert_eq!(masked_query(query), shown, "{query}");
        }
    }

    #[test]
    fn text_that_is_cut_stays_text_and_bytes_stay_bytes() {
        let text = format!("{}é", "x".repeat(SHOWN - 1));
        assert!(
            matches!(EchoedBody::of(text.as_bytes()), EchoedBody::Text(shown) if shown.len() == SHOWN - 1)
        );
        let bytes = [b"x".repeat(SHOWN - 1), vec![0xff; 9]].concat();
        assert!(matches!(EchoedBody::of(&bytes), EchoedBody::Binary(_)));
        assert!(
            matches!(EchoedBody::of(&"é".as_bytes()[..1]), EchoedBody::Binary(_)),
            "nobody cut it but its sender"
        );
    }

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
            "x-amzn-oidc-data",
            "x-functions-key",
            "x-passwd",
            "x-hub-signature-256",
            "access_token",
            "API_KEY",
        ] {
            assert!(is_sensitive(name), "{name}");
        }
        for name in ["accept", "x-request-id", "traceparent", "x-b3-traceid", "user-agent", "host", "keyword"]
        {
            assert!(!is_sensitive(name), "{name}");
        }
    }
}
