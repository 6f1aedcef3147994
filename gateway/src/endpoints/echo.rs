//! `/api/request-echo`: returns the request as it arrived, with any method, to show what proxies in between change.

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
use octet_runtime::logs::{is_secret, is_url};
use prost_reflect::DescriptorPool;
use serde::Serialize;

use crate::{
    admit::{Admit, Caller, Permit},
    backlog::Backlog,
    edge::{self, ClientAddress},
    limits::Limits,
    rest::{Failure, collect},
    transcode::percent::{Part, decode},
};

/// Bytes of a body that are returned; JSON can make six bytes of each.
const MAX_SHOWN: usize = 64 * 1024;

/// Replaces a secret, even for its sender: responses are stored in places where a credential must not be.
const MASK: &str = "***";

#[derive(Clone)]
struct Echo {
    admit: Admit,
    limits: Limits,
    bodies: Backlog,
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
    /// The length of the whole body.
    #[serde(rename = "bodyBytes")]
    body_bytes: usize,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

/// A body is text if it is valid UTF-8.
#[derive(Serialize)]
enum EchoedBody<'a> {
    #[serde(rename = "body")]
    Text(&'a str),
    #[serde(rename = "bodyBase64")]
    Binary(String),
}

pub(crate) fn router(admit: Admit, limits: Limits, bodies: Backlog) -> Router {
    let state = Echo { admit, limits, bodies, pool: Arc::default() };
    Router::new().route("/api/request-echo", any(echo)).with_state(state)
}

async fn echo(State(echo): State<Echo>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (body, _permit) = match echo.collected(Caller::of(&parts.extensions), body).await {
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
        truncated: body.len() > MAX_SHOWN,
    };
    let written = serde_json::to_vec(&echoed).unwrap_or_default();
    ([(header::CACHE_CONTROL, "no-store")], edge::json(written)).into_response()
}

impl Echo {
    async fn collected(&self, caller: Caller, body: Body) -> Result<(Bytes, Permit), Failure> {
        let body = collect(body, &self.limits, None, &self.bodies).await?;
        Ok((body, self.admit.admit(caller, 0).map_err(Failure::busy)?))
    }
}

impl<'a> EchoedBody<'a> {
    fn of(body: &'a [u8]) -> Self {
        let shown = body.get(..MAX_SHOWN).unwrap_or(body);
        let text = str::from_utf8(shown).or_else(|error| {
            // The limit may have cut a character of several bytes.
            let whole = shown.get(..error.valid_up_to()).unwrap_or_default();
            let is_cut = error.error_len().is_none() && shown.len() < body.len();
            if is_cut { str::from_utf8(whole) } else { Err(error) }
        });
        text.map_or_else(|_| Self::Binary(STANDARD.encode(shown)), Self::Text)
    }
}

fn masked(headers: &HeaderMap) -> BTreeMap<&str, Vec<String>> {
    let mut masked: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let text = String::from_utf8_lossy(value.as_bytes());
        let value = match name.as_str() {
            name if is_secret(name) => MASK.to_owned(),
            name if is_url(name) => masked_url(&text),
            _ => text.into_owned(),
        };
        masked.entry(name.as_str()).or_default().push(value);
    }
    masked
}

/// A URL with its query masked, and without its fragment. One with a user is masked as a whole.
fn masked_url(url: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    match query {
        _ if path.contains('@') => MASK.to_owned(),
        "" => path.to_owned(),
        query => format!("{path}?{}", masked_query(query)),
    }
}

/// The query as it was sent, with the values of secret and of undecodable keys masked.
fn masked_query(query: &str) -> String {
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((key, _)) if decode(key, Part::Query).map_or(true, |key| is_secret(&key)) => {
            format!("{key}={MASK}")
        }
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_a_query_are_masked() {
        for (query, shown) in [
            ("", ""),
            ("q=1&flag&a=b=c", "q=1&flag&a=b=c"),
            ("q=1&access_token=s3cret&x=", "q=1&access_token=***&x="),
            ("access%5Ftoken=s3cret&X-Amz-Signature=ab", "access%5Ftoken=***&X-Amz-Signature=***"),
            ("key=s&sig=s&pwd=s&otp=s", "key=***&sig=***&pwd=***&otp=***"),
            ("%zz=1&%ff=2", "%zz=***&%ff=***"),
        ] {
            assert_eq!(masked_query(query), shown, "{query}");
        }
    }

    #[test]
    fn cut_text_stays_text_and_bytes_stay_bytes() {
        let text = format!("{}é", "x".repeat(MAX_SHOWN - 1));
        assert!(
            matches!(EchoedBody::of(text.as_bytes()), EchoedBody::Text(shown) if shown.len() == MAX_SHOWN - 1)
        );
        let bytes = [b"x".repeat(MAX_SHOWN - 1), vec![0xff; 9]].concat();
        assert!(matches!(EchoedBody::of(&bytes), EchoedBody::Binary(_)));
        assert!(
            matches!(EchoedBody::of(&"é".as_bytes()[..1]), EchoedBody::Binary(_)),
            "the limit did not cut it"
        );
    }

    #[test]
    fn secrets_are_masked_in_headers_and_urls() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-api-key", "hunter2"),
            ("x-hub-signature-256", "hunter2"),
            ("x-otp", "hunter2"),
            ("x-pwd", "hunter2"),
            ("grpc-metadata-authorization", "hunter2"),
            ("referer", "https://a.example/b?q=1&sig=hunter2&id_token=hunter2#hunter2"),
            ("x-original-url", "/b?otp=hunter2"),
            ("location", "https://user:hunter2@a.example/"),
            ("user-agent", "curl"),
        ] {
            headers.insert(name, value.parse().expect("a value"));
        }
        let shown = masked(&headers);
        assert!(!format!("{shown:?}").contains("hunter2"), "{shown:?}");
        assert_eq!(shown["referer"], ["https://a.example/b?q=1&sig=***&id_token=***"]);
        assert_eq!(shown["user-agent"], ["curl"]);
    }
}
