//! Posts to a telemetry backend: one kept-alive connection, a few attempts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use percent_encoding::percent_decode_str;
use tokio::time::{sleep, timeout};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::tls;
use crate::{backoff::Backoff, http_url::HttpUrl};

/// Bytes of the largest response.
const RESPONSE_LIMIT: usize = 64 * 1024;

/// Attempts of one post. While the backend is known to be unavailable, there is one.
const ATTEMPTS: u32 = 3;

/// The pause between two attempts.
const RETRY: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_millis(400));

/// The longest pause that a backend may ask for; the timeout of a batch bounds all attempts together.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// Why a post failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("no response within {0:?}")]
    Timeout(Duration),
    #[error("{0}")]
    Transport(String),
    #[error("backend returned HTTP {status}")]
    Status {
        status: StatusCode,
        /// `Retry-After`.
        retry_after: Option<Duration>,
    },
    #[error("backend returned gRPC status {code}: {message}")]
    Grpc { code: i32, message: String },
}

/// The version of HTTP to a backend; gRPC needs the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    Http2,
}

/// Posts with retries.
#[derive(Debug)]
pub(super) struct Sender {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    version: Version,
    /// Of one attempt.
    timeout: Duration,
    is_unavailable: AtomicBool,
}

impl Sender {
    /// `tls` is for `https://` URLs.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn new(
        timeout: Duration,
        version: Version,
        tls: Option<Arc<ClientConfig>>,
    ) -> Result<Self, rustls::Error> {
        let tls = match tls {
            Some(tls) => tls,
            // Not used: the URL is `http://`.
            None => tls::config(RootCertStore::empty(), version)?,
        };
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(timeout));
        connector.enforce_http(false);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_mins(1))
            .pool_max_idle_per_host(1)
            .http2_only(version == Version::Http2)
            .build(HttpsConnector::from((connector, tls)));
        Ok(Self { client, version, timeout, is_unavailable: AtomicBool::new(false) })
    }

    /// Posts, and retries failures that may be temporary. A backend may receive an item twice: spans have ids.
    pub(super) async fn post(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, SendError> {
        let attempts = if self.is_unavailable.load(Ordering::Relaxed) { 1 } else { ATTEMPTS };
        let mut backoff = RETRY;
        let mut attempt = 1;
        let outcome = loop {
            let outcome = match timeout(self.timeout, self.once(request)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(SendError::Timeout(self.timeout)),
            };
            match outcome {
                Err(error) if attempt < attempts && error.is_retryable() => {
                    tracing::debug!(%error, "retrying the export");
                    sleep(backoff.pause().max(error.retry_after().unwrap_or_default())).await;
                    attempt += 1;
                }
                outcome => break outcome,
            }
        };
        self.is_unavailable.store(outcome.is_err(), Ordering::Relaxed);
        outcome
    }

    async fn once(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, SendError> {
        let request = request.clone().map(Full::new);
        let response = self.client.request(request).await.map_err(|error| SendError::transport(&error))?;
        let (parts, body) = response.into_parts();
        // Read to its end, so that the connection is reused.
        let body = Limited::new(body, RESPONSE_LIMIT).collect().await;
        let body = body.map_err(|error| SendError::Transport(error.to_string()))?;
        if !parts.status.is_success() {
            return Err(SendError::Status { status: parts.status, retry_after: retry_after(&parts.headers) });
        }
        if self.version == Version::Http2 {
            // A response without a message has its status in its head.
            check_grpc(body.trailers().filter(|trailers| !trailers.is_empty()).unwrap_or(&parts.headers))?;
        }
        Ok(Response::from_parts(parts, body.to_bytes()))
    }
}

impl SendError {
    /// The deepest cause is the specific one.
    fn transport(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut cause = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        Self::Transport(cause.to_string())
    }

    fn is_retryable(&self) -> bool {
        match self {
            Self::Timeout(_) | Self::Transport(_) => true,
            Self::Status { status, .. } => matches!(status.as_u16(), 408 | 429 | 502 | 503 | 504),
            // By OTLP's specification: CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS.
            Self::Grpc { code, .. } => matches!(code, 1 | 4 | 10 | 11 | 14 | 15),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Timeout(_) | Self::Transport(_) | Self::Grpc { .. } => None,
        }
    }
}

/// Checks that a gRPC call succeeded.
fn check_grpc(headers: &HeaderMap) -> Result<(), SendError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status").and_then(|code| code.parse().ok()) {
        Some(0) => Ok(()),
        Some(code) => {
            let message = text("grpc-message").unwrap_or_default();
            let message = percent_decode_str(message).decode_utf8_lossy().into_owned();
            Err(SendError::Grpc { code, message })
        }
        None => Err(SendError::Transport("the response has no grpc-status".to_owned())),
    }
}

/// `Retry-After` in seconds, up to [`MAX_RETRY_AFTER`]; a date is ignored.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// Parses the URL of a backend.
pub(super) fn endpoint(text: &str) -> Result<Uri, ()> {
    HttpUrl::parse(text).and_then(|url| url.to_string().parse().ok()).ok_or(())
}

/// Completes the sentence "must be …".
pub(super) const ENDPOINT: &str = "an http:// or https:// URL without user, query and fragment";
