//! The line that every request leaves in the log, and its duration in the metrics.

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
    http::{HeaderMap, Method, Response},
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

/// nginx's "client closed request": nobody was there any more to be told another status.
const CLIENT_LEFT: u16 = 499;

/// The route a request took, for metrics: a path would make a series of each.
#[derive(Debug, Clone)]
pub(crate) struct Route(pub(crate) String);

impl Route {
    /// Has an answer of the router's tell its route, which axum tells the request alone.
    pub(crate) async fn tell(request: Request, next: Next) -> Response<Body> {
        let route = Self::of(&request);
        let mut response = next.run(request).await;
        response.extensions_mut().insert(route);
        response
    }

    /// The router's route of a request, or that of all that have none.
    pub(crate) fn of(request: &Request) -> Self {
        let matched = request.extensions().get::<MatchedPath>();
        Self(matched.map(|path| path.as_str().to_owned()).unwrap_or_default())
    }
}

/// How the RPC behind a request ended, told by whoever called it; among the request's extensions.
#[derive(Debug, Clone)]
pub(crate) struct Outcome(Arc<AtomicI32>);

impl Outcome {
    const NONE: i32 = -1;

    pub(super) fn none() -> Self {
        Self(Arc::new(AtomicI32::new(Self::NONE)))
    }

    pub(crate) fn tell(&self, code: Code) {
        self.0.store(code.into(), Ordering::Relaxed);
    }

    fn told(&self) -> Option<Code> {
        let code = self.0.load(Ordering::Relaxed);
        (code != Self::NONE).then(|| Code::from(code))
    }
}

/// A request under way. Written down when dropped, which is also how a client that leaves is noticed.
pub(super) struct Observed {
    pub(super) requests: HttpMetrics,
    pub(super) span: Span,
    pub(super) begun: Instant,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) client: Option<IpAddr>,
    pub(super) outcome: Outcome,
    pub(super) answer: Answer,
}

/// What is known of the answer.
#[derive(Default)]
pub(super) struct Answer {
    status: Option<u16>,
    bytes: u64,
}

impl Observed {
    /// Logs the headers as they came, at debug.
    pub(super) fn show_request(&self, headers: &HeaderMap) {
        let Self { span, method, path, .. } = self;
        let shown = || logs::masked(headers);
        tracing::debug!(target: HEADERS, parent: span, %method, path, headers = %shown(), "request received");
    }

    /// Logs the headers as they go, at debug.
    pub(super) fn show_response(&self, response: &Response<Body>) {
        let (status, shown) = (response.status().as_u16(), || logs::masked(response.headers()));
        tracing::debug!(target: HEADERS, parent: &self.span, status, headers = %shown(), "response sent");
    }

    /// The answer's head is there: counts it, and stays with its body to the end where that is not known yet.
    pub(super) fn answered(mut self, mut response: Response<Body>) -> Response<Body> {
        let status = response.status().as_u16();
        self.answer.status = Some(status);
        let route = response.extensions_mut().remove::<Route>();
        self.measure(route.as_ref().map_or("", |Route(route)| route), status);
        if let Some(length) = response.body().size_hint().exact() {
            self.answer.bytes = length;
            return response;
        }
        response.map(|body| Body::new(ObservedBody { body, observed: self }))
    }

    fn measure(&self, route: &str, status: u16) {
        self.requests.observe(&self.method, route, status, self.begun.elapsed());
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        let Self { method, path, client, answer: Answer { status, bytes }, .. } = &*self;
        let status = status.unwrap_or_else(|| {
            self.measure("", CLIENT_LEFT);
            CLIENT_LEFT
        });
        let duration_us = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let client = client.map(tracing::field::display);
        let grpc_code = self.outcome.told().map(i32::from);
        self.span.in_scope(
            || tracing::info!(%method, path, status, grpc_code, duration_us, bytes, client, "answered"),
        );
    }
}

/// A body that comes piece by piece, and the request that it answers.
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
            self.observed.answer.bytes += u64::try_from(length).unwrap_or(u64::MAX);
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
