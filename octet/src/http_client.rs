//! Single requests, for commands that ask a server.

use std::{net::SocketAddr, time::Duration};

use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use octet_runtime::http_url::HttpUrl;

/// Bytes of the largest response.
const RESPONSE_LIMIT: usize = 1024 * 1024;

/// The longest time for one admin server.
const ASK_LIMIT: Duration = Duration::from_secs(5);

/// Parses an `http://` URL, whose query may be anything.
pub(crate) fn parse(url: &str) -> Option<Uri> {
    let base = url.split('?').next().unwrap_or_default();
    HttpUrl::parse_http(base)?;
    url.parse().ok()
}

/// Asks servers, over connections that are kept.
#[derive(Debug, Clone)]
pub(crate) struct Getter {
    client: Client<HttpConnector, Empty<&'static [u8]>>,
    limit: usize,
}

impl Getter {
    /// Takes responses of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()), limit }
    }

    /// The status and the body of the response. The caller limits the time.
    pub(crate) async fn get(&self, url: Uri) -> anyhow::Result<(StatusCode, Vec<u8>)> {
        let request = Request::get(url).body(Empty::new())?;
        let response = self.client.request(request).await.map_err(deepest_cause)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), self.limit).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("cannot read the response: {error}"))?;
        Ok((status, body.to_bytes().to_vec()))
    }
}

/// The status and the body of one response. The caller limits the time.
pub(crate) async fn get(url: Uri) -> anyhow::Result<(StatusCode, Vec<u8>)> {
    Getter::new(RESPONSE_LIMIT).get(url).await
}

/// Asks an admin server. Returns the response's body, or the error: the process's own, or that of the connection.
pub(crate) async fn ask(
    admin: SocketAddr,
    method: &Method,
    path: &str,
    body: &str,
    token: Option<&str>,
) -> anyhow::Result<String> {
    let client: Client<HttpConnector, String> =
        Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let mut request = Request::builder().method(method).uri(format!("http://{admin}{path}"));
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(body.to_owned())?;
    let exchange = async {
        let response = client.request(request).await.map_err(deepest_cause)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), RESPONSE_LIMIT).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("cannot read the response: {error}"))?.to_bytes();
        let text = String::from_utf8_lossy(&body).trim().replace('\n', "; ");
        if status == StatusCode::OK { Ok(text) } else { Err(anyhow::anyhow!("{}: {text}", status.as_u16())) }
    };
    match tokio::time::timeout(ASK_LIMIT, exchange).await {
        Ok(outcome) => outcome,
        Err(_) => Err(anyhow::anyhow!("no response within {ASK_LIMIT:?}")),
    }
}

/// The deepest cause is the specific one.
pub(crate) fn deepest_cause(error: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
    let error = anyhow::Error::new(error);
    anyhow::Error::msg(error.root_cause().to_string())
}
