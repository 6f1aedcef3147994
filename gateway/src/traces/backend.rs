//! The trace backend: where it is, and how it is asked.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Request, StatusCode, header},
};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use octet_runtime::{http_url::HttpUrl, propagation::X_REQUEST_ID};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::Trouble;
use crate::held;

/// How long a connection, and a whole answer, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of the largest answer that is passed on; it is held in memory.
const LIMIT: usize = 32 * 1024 * 1024;

/// How long a client may take to read an answer.
const READING: Duration = Duration::from_secs(30);

/// Questions at once, each of which may hold an answer until its client has read it.
const AT_ONCE: usize = 8;

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// One answer fewer may be held while this one is.
    leave: OwnedSemaphorePermit,
}

impl Answer {
    /// The body as it is passed on.
    pub(super) fn into_body(self) -> Body {
        held::whole(self.body, self.leave, READING)
    }

    /// Whether the backend says that its body is JSON.
    pub(super) fn is_json(&self) -> bool {
        let kind = self.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with(b"application/json"))
    }
}

/// The backend, if there is one. Clones share its connections.
#[derive(Clone)]
pub(crate) struct Backend {
    url: Option<HttpUrl>,
    client: Client<HttpConnector, Empty<Bytes>>,
    free: Arc<Semaphore>,
}

impl Backend {
    pub(super) fn new(url: Option<HttpUrl>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { url, client, free: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Asks for a path below the backend's, such as `/api/v2/services`, query and all.
    pub(super) async fn get(&self, path: &str, request_id: Option<&HeaderValue>) -> Result<Answer, Trouble> {
        let url = self.url.as_ref().ok_or(Trouble::Unset)?;
        let leave = self.free.clone().try_acquire_owned().map_err(|_| Trouble::Busy)?;
        let mut request = Request::get(format!("{url}{path}")).header(header::ACCEPT, "application/json");
        if let Some(id) = request_id {
            request = request.header(X_REQUEST_ID, id);
        }
        // A path that came with a request is one.
        let request = request.body(Empty::new()).map_err(|_| Trouble::NotZipkin)?;
        match timeout(TIMEOUT, self.ask(request, leave)).await {
            Ok(answer) => answer,
            Err(_) => Err(Trouble::TimedOut),
        }
    }

    async fn ask(
        &self,
        request: Request<Empty<Bytes>>,
        leave: OwnedSemaphorePermit,
    ) -> Result<Answer, Trouble> {
        let response = self.client.request(request).await.map_err(|error| {
            tracing::debug!(error = &error as &dyn std::error::Error, "the trace backend cannot be asked");
            Trouble::Unreachable
        })?;
        let (parts, body) = response.into_parts();
        if parts.status.is_server_error() {
            return Err(Trouble::Failed(parts.status));
        }
        match Limited::new(body, LIMIT).collect().await {
            Ok(body) => {
                let body = body.to_bytes();
                Ok(Answer { status: parts.status, headers: parts.headers, body, leave })
            }
            Err(error) if error.is::<LengthLimitError>() => Err(Trouble::TooLarge(LIMIT)),
            Err(error) => {
                tracing::debug!(%error, "the trace backend's answer ended early");
                Err(Trouble::Unreachable)
            }
        }
    }
}
