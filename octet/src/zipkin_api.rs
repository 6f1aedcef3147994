//! Reads traces from Zipkin's v2 API.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use http::{StatusCode, Uri};
use octet_runtime::{backoff::Backoff, http_url::HttpUrl};
use octet_zipkin::{Batch, Span, TraceId};
use tokio::time::timeout;

use crate::{failure::Failure, http_client::Getter};

/// Bytes of the largest response: a trace has at most 8 MiB in Octet's collector.
const RESPONSE_LIMIT: usize = 16 * 1024 * 1024;

/// The longest time for one response.
const LIMIT: Duration = Duration::from_secs(15);

/// Attempts while the server says that it is busy.
const ATTEMPTS: u32 = 5;

/// A server with Zipkin's v2 API.
#[derive(Debug, Clone)]
pub struct ZipkinApi {
    base: HttpUrl,
    getter: Getter,
}

impl ZipkinApi {
    /// The server at `url`, such as `http://localhost:9411`, or the gateway's `http://localhost:8080/zipkin`.
    ///
    /// # Errors
    /// [`Failure::Configuration`] if the URL is invalid.
    pub fn at(url: &str) -> Result<Self, Failure> {
        let url = url.trim_end_matches('/').trim_end_matches("/api/v2");
        let base = HttpUrl::parse_http(url).ok_or_else(|| {
            Failure::Configuration(format!(
                "{url:?} is not a URL of a trace backend: it must be such as http://localhost:9411"
            ))
        })?;
        Ok(Self { base, getter: Getter::new(RESPONSE_LIMIT) })
    }

    /// The spans of a trace; none if it is unknown.
    ///
    /// # Errors
    /// If the server does not answer with spans.
    pub async fn trace(&self, id: TraceId) -> anyhow::Result<Vec<Span>> {
        let Some(body) = self.get(&format!("trace/{id}")).await? else { return Ok(Vec::new()) };
        let batch = Batch::read(&body);
        match batch.broken {
            Some(broken) => {
                Err(anyhow!("{}: trace {id} is not a list of spans: {}", self.base, broken.problem))
            }
            None => Ok(batch.spans),
        }
    }

    /// The body of a response below `/api/v2/`; `None` where the server has nothing.
    async fn get(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let url = format!("{}/api/v2/{path}", self.base);
        let uri: Uri = url.parse().with_context(|| format!("invalid URL {url}"))?;
        let mut backoff = Backoff::new(Duration::from_millis(200), LIMIT);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let response = timeout(LIMIT, self.getter.get(uri.clone())).await;
            let response = response
                .unwrap_or_else(|_| Err(anyhow!("no response within {}", humantime::format_duration(LIMIT))));
            let (status, body) = response.with_context(|| format!("cannot read {url}"))?;
            match status {
                StatusCode::OK => return Ok(Some(body)),
                StatusCode::NOT_FOUND => return Ok(None),
                StatusCode::SERVICE_UNAVAILABLE if attempts < ATTEMPTS => {
                    tokio::time::sleep(backoff.pause()).await;
                }
                status => return Err(anyhow!("cannot read {url}: the server returned {status}")),
            }
        }
    }
}
