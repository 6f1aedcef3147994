//! The log line of every request, and its duration in the metrics.

use std::{
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use axum::{
    body::Body,
    extract::{MatchedPath, Request},
    http::{Method, Response},
    middleware::Next,
};
use bytes::{Buf, Bytes};
use http_body::{Body as _, Frame, SizeHint};
use octet_runtime::{
    logs::{self, HEADERS},
    metrics::HttpMetrics,
};
use tonic::Code;
use tracing::Span;

/// nginx's "client closed request": the client left before the response.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The route of a request, for metrics: a label by path would create a series for each path.
#[derive(Debug, Clone)]
pub(crate) struct Route(pub(crate) String);

impl Route {
    /// Copies the router's route from the request to the response; axum stores it in the request only.
    pub(crate) async fn copy_to_response(request: Request, next: Next) -> Response<Body> {
        let route = Self::of(&request);
        let mut response = next.run(request).await;
        response.extensions_mut().insert(route);
        response
    }

    /// The router's route of a request; empty if none matched.
    pub(crate) fn of(request: &Request) -> Self {
        let matched = request.extensions().get::<MatchedPath>();
        Self(matched.map(|path| path.as_str().to_owned()).unwrap_or_default())
    }
}

/// How the RPC behind a request ended: set by the code that made the call, logged with the request. Kept in the
/// request's extensions; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Outcome(Arc<AtomicI32>);

impl Default for Outcome {
    fn default() -> Self {
        Self(Arc::new(AtomicI32::new(Self::UNSET)))
    }
}

impl Outcome {
    const UNSET: i32 = -1;

    pub(crate) fn set(&self, code: Code) {
        self.0.store(code.into(), Ordering::Relaxed);
    }

    fn get(&self) -> Option<Code> {
        let code = self.0.load(Ordering::Relaxed);
        (code != Self::UNSET).then(|| Code::from(code))
    }
}

/// A request in progress. Logged when it is dropped, which is also how a client that leaves is noticed.
pub(crate) struct Observed {
    requests: HttpMetrics,
    span: Span,
    start: Instant,
    method: Method,
    path: String,
    client: Option<IpAddr>,
    outcome: Outcome,
    status: Option<u16>,
    /// Of the response's body.
    bytes: u64,
}

impl Observed {
    /// Starts to observe a request, logs its headers at debug, and adds an [`Outcome`] to its extensions.
    pub(crate) fn start(
        requests: HttpMetrics,
        span: Span,
        client: Option<IpAddr>,
        request: &mut Request,
    ) -> Self {
        let outcome = Outcome::default();
        request.extensions_mut().insert(outcome.clone());
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let shown = || logs::masked(request.headers());
        tracing::debug!(target: HEADERS, parent: &span, %method, path, headers = %shown(), "request received");
        Self { requests, span, start: Instant::now(), method, path, client, outcome, status: None, bytes: 0 }
    }

    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    /// Measures the request, logs the response's headers at debug, and follows the body to its end if its length is not
    /// known.
    pub(crate) fn answered(mut self, mut response: Response<Body>) -> Response<Body> {
        let (status, shown) = (response.status().as_u16(), || logs::masked(response.headers()));
        tracing::debug!(target: HEADERS, parent: &self.span, status, headers = %shown(), "response sent");
        self.status = Some(status);
        let route = response.extensions_mut().remove::<Route>();
        self.measure(route.as_ref().map_or("", |Route(route)| route), status);
        if let Some(length) = response.body().size_hint().exact() {
            self.bytes = length;
            return response;
        }
        response.map(|body| Body::new(ObservedBody { body, observed: self }))
    }

    fn measure(&self, route: &str, status: u16) {
        self.requests.observe(&self.method, route, status, self.start.elapsed());
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        let Self { method, path, client, status, bytes, .. } = &*self;
        let status = status.unwrap_or_else(|| {
            self.measure("", CLIENT_CLOSED_REQUEST);
            CLIENT_CLOSED_REQUEST
        });
        let duration_us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let client = client.map(tracing::field::display);
        let grpc_code = self.outcome.get().map(i32::from);
        self.span.in_scope(
            || tracing::info!(%method, path, status, grpc_code, duration_us, bytes, client, "answered"),
        );
    }
}

/// A response body of unknown length, and the request that it answers.
struct ObservedBody {
    body: Body,
    observed: Observed,
}

impl http_body::Body for ObservedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let length = frame.data_ref().map_or(0, Buf::remaining);
            self.observed.bytes += u64::try_from(length).unwrap_or(u64::MAX);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
