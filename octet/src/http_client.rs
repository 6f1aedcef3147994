//! Single requests, for commands that ask a server.

use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use octet_runtime::http_url::HttpUrl;

/// Bytes of the largest response.
const RESPONSE_LIMIT: usize = 1024 * 1024;

/// Parses an `http://` URL, whose query may be anything.
pub(crate) fn parse(url: &str) -> Option<Uri> {
    let base = url.split('?').next().unwrap_or_default();
    HttpUrl::parse_http(base)?;
    url.parse().ok()
}

/// Asks servers, over connections that are kept.
#[derive(Debug, Clone)]
pub(crate) struct Getter {
    client: Client<HttpConnector, String>,
    limit: usize,
}

impl Getter {
    /// Takes responses of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build(HttpConnector::new()), limit }
    }

    /// The status and the body of the response. The caller limits the time.
    pub(crate) async fn get(&self, url: Uri) -> anyhow::Result<(StatusCode, Vec<u8>)> {
        self.send(Request::get(url).body(String::new())?).await
    }

    /// The status and the body of the response to any request. The caller limits the time.
    pub(crate) async fn send(&self, request: Request<String>) -> anyhow::Result<(StatusCode, Vec<u8>)> {
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

/// The deepest cause is the specific one.
pub(crate) fn deepest_cause(error: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
    let error = anyhow::Error::new(error);
    anyhow::Error::msg(error.root_cause().to_string())
}
