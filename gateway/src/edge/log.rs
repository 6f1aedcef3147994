//! The log line of every request, and its duration in the metrics.

use std::{
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use axum::{
    body::Body,
    extract::{MatchedPath, Request},
    http::{Extensions, Method, Response},
    middleware::Next,
};
use bytes::{Buf, Bytes};
use http_body::{Body as _, Frame, SizeHint};
use octet_runtime::{
    logs::{self, HEADERS},
    metrics::HttpMetrics,
    telemetry::{self, SampledIds},
};
use tonic::Code;
use tracing::Span;

/// nginx's "client closed request": the client left before the response.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// What the code that answers a request reports for its log line and metrics. Kept in the request's extensions; clones
/// share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Labels(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Not the path: a label by path would create a series for each path.
    route: OnceLock<String>,
    /// How the RPC behind the request ended.
    code: AtomicI32,
    status_by_class: AtomicBool,
    /// The span, if the trace is sampled.
    span: OnceLock<SampledIds>,
}

const NO_CODE: i32 = -1;

impl Default for Shared {
    fn default() -> Self {
        Self {
            route: OnceLock::new(),
            code: AtomicI32::new(NO_CODE),
            status_by_class: AtomicBool::new(false),
            span: OnceLock::new(),
        }
    }
}

impl Labels {
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }

    /// Records the router's route of a request.
    pub(crate) async fn record_route(request: Request, next: Next) -> Response<Body> {
        Self::record(&request);
        next.run(request).await
    }

    /// As [`record_route`](Self::record_route), for a handler that no layer surrounds.
    pub(crate) fn record(request: &Request) {
        if let Some(path) = request.extensions().get::<MatchedPath>() {
            Self::of(request.extensions()).set_route(path.as_str());
        }
    }

    pub(crate) fn set_route(&self, route: &str) {
        // The first one stays.
        let _ = self.0.route.set(route.to_owned());
    }

    pub(crate) fn set_span(&self, span: &telemetry::Span) {
        if let Some(ids) = span.sampled_ids() {
            // The first one stays.
            let _ = self.0.span.set(ids);
        }
    }

    pub(crate) fn set_code(&self, code: Code) {
        self.0.code.store(code.into(), Ordering::Relaxed);
    }

    /// Makes `2xx` the metric's label instead of `204`, where clients choose the status.
    pub(crate) fn set_status_by_class(&self) {
        self.0.status_by_class.store(true, Ordering::Relaxed);
    }

    fn route(&self) -> &str {
        self.0.route.get().map_or("", String::as_str)
    }

    fn code(&self) -> Option<i32> {
        Some(self.0.code.load(Ordering::Relaxed)).filter(|code| *code != NO_CODE)
    }

    fn status(&self, status: u16) -> String {
        let by_class = self.0.status_by_class.load(Ordering::Relaxed);
        if by_class { format!("{}xx", status / 100) } else { status.to_string() }
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
    labels: Labels,
    status: Option<u16>,
    /// Of the response's body.
    bytes: u64,
}

impl Observed {
    /// Starts to observe a request, logs its headers at debug, and adds [`Labels`] to its extensions.
    pub(crate) fn start(
        requests: HttpMetrics,
        span: Span,
        client: Option<IpAddr>,
        request: &mut Request,
    ) -> Self {
        let labels = Labels::default();
        request.extensions_mut().insert(labels.clone());
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let shown = || logs::masked(request.headers());
        tracing::debug!(target: HEADERS, parent: &span, %method, path, headers = %shown(), "request received");
        Self { requests, span, start: Instant::now(), method, path, client, labels, status: None, bytes: 0 }
    }

    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    /// Measures the request, logs the response's headers at debug, and follows the body to its end if its length is not
    /// known.
    pub(crate) fn answered(mut self, response: Response<Body>) -> Response<Body> {
        let (status, shown) = (response.status().as_u16(), || logs::masked(response.headers()));
        tracing::debug!(target: HEADERS, parent: &self.span, status, headers = %shown(), "response sent");
        self.status = Some(status);
        self.measure(status);
        if let Some(length) = response.body().size_hint().exact() {
            self.bytes = length;
            return response;
        }
        response.map(|body| Body::new(ObservedBody { body, observed: self }))
    }

    fn measure(&self, status: u16) {
        let status = self.labels.status(status);
        let labels = (&self.method, self.labels.route(), &*status);
        self.requests.observe(labels, self.start.elapsed(), self.labels.0.span.get().copied());
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        let Self { method, path, client, status, bytes, .. } = &*self;
        let status = status.unwrap_or_else(|| {
            self.measure(CLIENT_CLOSED_REQUEST);
            CLIENT_CLOSED_REQUEST
        });
        let duration_us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let client = client.map(tracing::field::display);
        let grpc_code = self.labels.code();
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
