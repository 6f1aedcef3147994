//! Posts to a trace backend: one connection that is kept, a few tries, no TLS.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::time::{sleep, timeout};

/// Bytes of an answer that are read.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Tries of one post, while the last one succeeded; a backend that is known to be away is asked once.
const TRIES: u32 = 3;

/// Before the second try; twice as long before the third.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Why a post was not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("{0}")]
    Transport(String),
    #[error("answered {0}")]
    Status(StatusCode),
}

/// Posts with retries.
#[derive(Debug)]
pub(super) struct Sender {
    client: Client<HttpConnector, Full<Bytes>>,
    /// Of one try.
    timeout: Duration,
    is_away: AtomicBool,
}

impl Sender {
    pub(super) fn new(timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(timeout));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_mins(1))
            .pool_max_idle_per_host(1)
            .build(connector);
        Self { client, timeout, is_away: AtomicBool::new(false) }
    }

    /// Posts, and tries again what may succeed then. A backend takes a span twice without harm: it has one id.
    pub(super) async fn post(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, SendError> {
        let tries = if self.is_away.load(Ordering::Relaxed) { 1 } else { TRIES };
        let mut pause = FIRST_PAUSE;
        let mut tried = 1;
        let outcome = loop {
            let outcome = match timeout(self.timeout, self.once(request)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(SendError::Timeout(self.timeout)),
            };
            match outcome {
                Err(error) if tried < tries && error.may_pass() => {
                    tracing::debug!(%error, "spans are posted again");
                    sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
                    pause *= 2;
                    tried += 1;
                }
                outcome => break outcome,
            }
        };
        self.is_away.store(outcome.is_err(), Ordering::Relaxed);
        outcome
    }

    async fn once(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, SendError> {
        let request = request.clone().map(Full::new);
        let response = self.client.request(request).await.map_err(|error| SendError::transport(&error))?;
        let (parts, body) = response.into_parts();
        // Read to its end, so that the connection can be used again.
        let body = Limited::new(body, ANSWER_LIMIT).collect().await;
        let body = body.map_err(|error| SendError::Transport(error.to_string()))?.to_bytes();
        if parts.status.is_success() {
            Ok(Response::from_parts(parts, body))
        } else {
            Err(SendError::Status(parts.status))
        }
    }
}

impl SendError {
    /// The deepest cause says what happened; those above it say that something did.
    fn transport(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut cause = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        Self::Transport(cause.to_string())
    }

    fn may_pass(&self) -> bool {
        match self {
            Self::Timeout(_) | Self::Transport(_) => true,
            Self::Status(status) => matches!(status.as_u16(), 408 | 429 | 502 | 503 | 504),
        }
    }
}

/// What the OTLP exporter posts by.
#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        Ok(self.post(&request).await?)
    }
}

/// A URL that can be posted to, for `environment`'s checks.
pub(super) fn endpoint(text: &str) -> Result<Uri, ()> {
    let uri: Uri = text.parse().map_err(drop)?;
    let is_plain = uri.scheme_str() == Some("http");
    let has_host = uri
        .authority()
        .is_some_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'));
    if is_plain && has_host { Ok(uri) } else { Err(()) }
}

/// What [`endpoint`] takes, as it finishes "must be …".
pub(super) const ENDPOINT: &str =
    "an http:// URL without a password; what speaks TLS is reached through a collector";
