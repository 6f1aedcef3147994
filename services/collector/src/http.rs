//! Zipkin's v2 HTTP API, and OTLP's: the parts that all routes share.
//!
//! There is no CORS: pages read traces through the gateway, which has its own rules for other origins.

mod answer;
mod body;
mod chunks;
mod guard;
mod otlp;
mod parameters;
mod parts;
mod query;
mod report;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};
use octet_runtime::{
    admission::Admission,
    hosts::AllowedHosts,
    identity,
    metrics::{HttpMetrics, IntCounterVec, IntGaugeVec, Metrics},
};
use serde::Serialize;
use tokio::task::yield_now;

use self::{answer::Queries, body::Bodies};
use crate::{clock::Clock, store::Store};

/// How long a report or a query uses the one thread before others have their turn.
const SLICE: Duration = Duration::from_millis(2);

/// The state of all routes. Clones share the same store.
#[derive(Clone)]
pub(crate) struct Collector {
    store: Arc<Mutex<Store>>,
    clock: Clock,
    /// The reports whose bodies have arrived.
    admission: Admission,
    /// Held while a report is stored: one at a time, in the order of their arrival.
    reporting: Arc<tokio::sync::Mutex<()>>,
    bodies: Arc<Bodies>,
    queries: Queries,
    hosts: AllowedHosts,
    spans: IntCounterVec,
    kept: IntGaugeVec,
    evicted: IntCounterVec,
    requests: HttpMetrics,
}

impl Collector {
    pub(crate) fn new(
        store: Store,
        hosts: AllowedHosts,
        admission: Admission,
        metrics: &Metrics,
    ) -> Result<Self, prometheus::Error> {
        let collector = Self {
            store: Arc::new(Mutex::new(store)),
            clock: Clock::start(),
            admission,
            reporting: Arc::default(),
            bodies: Arc::default(),
            queries: Queries::default(),
            hosts,
            spans: metrics.counter("octet_collector_spans_total", "Received spans by result", &["result"])?,
            kept: metrics.gauge(
                "octet_collector_kept",
                "Stored traces, spans and bytes, and the bytes of the counts of edges",
                &["what"],
            )?,
            evicted: metrics.counter(
                "octet_collector_evicted_traces_total",
                "Traces evicted to make room",
                &[],
            )?,
            requests: HttpMetrics::server(metrics)?,
        };
        // All series exist from the start.
        for result in ["stored", "duplicate", "malformed", "dropped", "dropped_by_reporter"] {
            collector.spans.with_label_values(&[result]);
        }
        for what in ["traces", "spans", "bytes", "counts"] {
            collector.kept.with_label_values(&[what]);
        }
        collector.evicted.with_label_values::<&str>(&[]);
        Ok(collector)
    }

    /// Locks the store; never across an await.
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `step` until it returns false, with pauses for other requests.
    async fn in_slices(&self, mut step: impl FnMut(&mut Store) -> bool) {
        while self.slice(&mut step) {
            yield_now().await;
        }
    }

    /// Runs `step` for a short time; false when it is done.
    fn slice(&self, step: &mut impl FnMut(&mut Store) -> bool) -> bool {
        let mut store = self.store();
        store.advance(self.clock.second());
        let end = Instant::now() + SLICE;
        while step(&mut store) {
            if Instant::now() >= end {
                return true;
            }
        }
        false
    }
}

/// Zipkin's routes.
pub(crate) fn router(collector: Collector) -> Router {
    let routes = Router::new()
        .merge(report::router())
        .merge(query::router())
        .route("/health", get(health))
        .route("/info", get(info))
        .fallback(async |request: Request| {
            Refusal::new(StatusCode::NOT_FOUND, format!("no route for {}", request.uri().path()))
        });
    layered(routes, collector)
}

/// OTLP's routes, on ports of their own: a network policy can allow reports without reads.
pub(crate) fn otlp_router(collector: Collector) -> Router {
    layered(otlp::router(), collector)
}

fn layered(routes: Router<Collector>, collector: Collector) -> Router {
    routes
        .method_not_allowed_fallback(async |request: Request| {
            let message = format!("method {} is not allowed for {}", request.method(), request.uri().path());
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message)
        })
        .layer(axum::middleware::from_fn_with_state(collector.clone(), guard::check))
        .layer(axum::middleware::from_fn_with_state(collector.clone(), observe))
        .with_state(collector)
}

/// An error response.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = json(self.status, &serde_json::json!({ "message": self.message }));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => {
            let content_type = HeaderValue::from_static("application/json");
            (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "cannot serialize a response");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn health() -> Response {
    json(StatusCode::OK, &serde_json::json!({ "status": "UP", "zipkin": { "status": "UP" } }))
}

async fn info() -> Response {
    json(StatusCode::OK, &serde_json::json!({ "octet": { "version": identity::VERSION } }))
}

/// Measures and logs every request.
async fn observe(State(collector): State<Collector>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let response = next.run(request).await;
    let duration = started.elapsed();
    let status = response.status().as_u16();
    let labels = (&method, route.as_deref().unwrap_or_default(), &*status.to_string());
    collector.requests.observe(labels, duration, None);
    let duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    tracing::debug!(%method, path, status, duration_us, "request answered");
    response
}
