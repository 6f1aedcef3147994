//! The trace backend: its address, and how it is queried.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use octet_runtime::{http_url::HttpUrl, propagation::X_REQUEST_ID};
use tokio::time::timeout;

use super::{QueryError, blocks::Blocks};
use crate::admit::{Caller, Share, Shares};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// For a whole response.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The largest response that is passed on, in bytes; it is held in memory.
const MAX_RESPONSE: usize = 16 * 1024 * 1024;

/// Concurrent queries of all clients, each of which can hold a response until it is complete. One client gets 14, and a
/// connection of it 7.
const MAX_QUERIES: usize = 16;

/// What the responses of all queries may take together, in units of [`UNIT`] bytes: so much that the share of one
/// connection has room for the largest response.
const MAX_UNITS: usize = 5 * MAX_RESPONSE / 2 / UNIT;
const UNIT: usize = 1024;

/// A response of the backend, read to its end.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Blocks,
    /// The body's part of [`MAX_UNITS`].
    _held: Share,
}

impl Reply {
    /// Whether the body's content type is JSON.
    pub(super) fn is_json(&self) -> bool {
        let kind = self.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with(b"application/json"))
    }
}

/// The backend, if one is configured. Clones share its connections.
#[derive(Clone)]
pub(crate) struct Backend {
    url: Option<HttpUrl>,
    client: Client<HttpConnector, Empty<Bytes>>,
    queries: Shares,
    units: Shares,
}

impl Backend {
    pub(super) fn new(url: Option<HttpUrl>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { url, client, queries: Shares::new(MAX_QUERIES), units: Shares::new(MAX_UNITS) }
    }

    /// Gets a path below the backend's address, such as `/api/v2/services?a=b`, for `caller`.
    pub(super) async fn get(
        &self,
        path: &str,
        caller: Caller,
        request_id: Option<&HeaderValue>,
    ) -> Result<Reply, QueryError> {
        let url = self.url.as_ref().ok_or(QueryError::Unset)?;
        let _query = self.queries.take(caller, 1).map_err(|_| QueryError::Busy)?;
        let mut request = Request::get(format!("{url}{path}")).header(header::ACCEPT, "application/json");
        if let Some(id) = request_id {
            request = request.header(X_REQUEST_ID, id);
        }
        // The path came with a request, so it is valid.
        let request = request.body(Empty::new()).map_err(|_| QueryError::NotZipkin)?;
        match timeout(TIMEOUT, self.send(request, caller)).await {
            Ok(reply) => reply,
            Err(_) => Err(QueryError::TimedOut),
        }
    }

    async fn send(&self, request: Request<Empty<Bytes>>, caller: Caller) -> Result<Reply, QueryError> {
        let response = self.client.request(request).await.map_err(|error| {
            tracing::debug!(error = &error as &dyn std::error::Error, "trace query failed");
            QueryError::Unreachable
        })?;
        let (parts, body) = response.into_parts();
        if parts.status.is_server_error() {
            return Err(QueryError::Failed(parts.status));
        }
        let (body, held) = self.collect(body, caller).await?;
        Ok(Reply { status: parts.status, headers: parts.headers, body, _held: held })
    }

    /// Reads a body to its end, within the limits of its size and of the size of all.
    async fn collect(&self, mut body: Incoming, caller: Caller) -> Result<(Blocks, Share), QueryError> {
        let mut collected = Blocks::default();
        let mut held = self.units.nothing(caller);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                tracing::debug!(%error, "trace backend response ended early");
                QueryError::Unreachable
            })?;
            let Ok(data) = frame.into_data() else { continue };
            if collected.len() + data.len() > MAX_RESPONSE {
                return Err(QueryError::TooLarge(MAX_RESPONSE));
            }
            collected.extend(&data);
            held.resize(collected.len() / UNIT).map_err(|_| QueryError::Busy)?;
        }
        Ok((collected, held))
    }
}
