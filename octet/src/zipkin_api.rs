//! Reads traces from Zipkin's v2 API.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, anyhow};
use http::{StatusCode, Uri};
use octet_runtime::{backoff::Backoff, http_url::HttpUrl};
use octet_zipkin::{Batch, Span, TraceId};
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::{failure::Failure, http_client::Getter};

/// Bytes of the largest response: a trace has at most 8 MiB in Octet's collector.
const RESPONSE_LIMIT: usize = 16 * 1024 * 1024;

/// The longest time for one response.
const LIMIT: Duration = Duration::from_secs(15);

/// Traces of one response, so that it is within the limit of bytes.
const PAGE: usize = 50;

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

    /// The newest traces that started in the last `lookback`: at most `number`, newest first.
    ///
    /// # Errors
    /// If the server does not answer with traces.
    pub async fn traces(&self, number: usize, lookback: Duration) -> anyhow::Result<Vec<Vec<Span>>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut end = u64::try_from(now).unwrap_or(u64::MAX);
        let first = end.saturating_sub(u64::try_from(lookback.as_millis()).unwrap_or(u64::MAX));
        let mut traces = Vec::new();
        let mut known = HashSet::new();
        while traces.len() < number && end > first {
            let left = end - first;
            let path = format!("traces?limit={PAGE}&endTs={end}&lookback={left}");
            let page = self.get(&path).await?.unwrap_or_default();
            let page: Vec<Box<RawValue>> = serde_json::from_slice(&page)
                .with_context(|| format!("{}: the response is not a list of traces", self.base))?;
            let mut oldest = None;
            let mut is_new = false;
            for trace in page {
                let spans = Batch::read(trace.get().as_bytes()).spans;
                let start = spans.iter().map(|span| span.timestamp).filter(|start| *start > 0).min();
                let (Some(start), Some(id)) = (start, spans.first().map(|span| span.trace_id)) else {
                    continue;
                };
                oldest = Some(oldest.map_or(start, |oldest: u64| oldest.min(start)));
                if known.insert(id) && traces.len() < number {
                    is_new = true;
                    traces.push(spans);
                }
            }
            let Some(oldest) = oldest.map(|micros| micros / 1_000) else { break };
            // Traces of the same millisecond may be on the next page. Where all are known, none is.
            end = end.saturating_sub(1).min(if is_new { oldest.saturating_add(1) } else { oldest });
        }
        Ok(traces)
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
