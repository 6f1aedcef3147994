//! Dispatches every request to gRPC or to the router, and does what all requests have in common: an id, a client
//! address, a log line, CORS and security headers.

use std::{convert::Infallible, net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header},
    response::Response,
};
use http_body::Body as _;
use octet_runtime::{
    admin::came_through_proxy, logs, metrics::HttpMetrics, propagation::X_REQUEST_ID, serve::Peer,
};
use tower::ServiceExt;
use tracing::Instrument;

use crate::{
    backlog::Backlog,
    deadline_body,
    edge::{self, ClientAddress, Leftover, Observed, Origins, Proxied, TrustedProxies, complete_security},
    grpc::Grpc,
};

/// The longest request id that is accepted from a client, in bytes.
const MAX_REQUEST_ID: usize = 128;

/// Everything that the gateway serves, and what stands in front of it.
pub(crate) struct Dispatcher {
    pub(crate) requests: HttpMetrics,
    pub(crate) proxies: TrustedProxies,
    pub(crate) origins: Option<Origins>,
    /// REST, pages and the gateway's own endpoints.
    pub(crate) router: Router,
    pub(crate) grpc: Grpc,
    /// Responses that are being read.
    pub(crate) responses: Backlog,
    pub(crate) unread_timeout: Duration,
}

impl Dispatcher {
    /// Answers a request.
    pub(crate) async fn answer<B>(self: Arc<Self>, request: http::Request<B>) -> Result<Response, Infallible>
    where
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let mut request = request.map(Body::new);
        let client = self.client(&mut request);
        let id = request_id(request.headers().get(X_REQUEST_ID));
        request.headers_mut().insert(X_REQUEST_ID, id.clone());
        let origin = self.origins.as_ref().and_then(|_| request.headers().get(header::ORIGIN).cloned());

        let is_http1 = request.version() < Version::HTTP_2;
        let expects_continue = request.headers().contains_key(header::EXPECT);
        let leftover = Leftover::default();
        if is_http1 {
            request = request.map(|body| leftover.watch(body));
        }

        let span = logs::request_span(id.to_str().unwrap_or_default(), None);
        let observed = Observed::start(self.requests.clone(), span.clone(), client, &mut request);
        let mut response = self.dispatch(request).instrument(span).await;
        if *observed.method() == Method::HEAD {
            response = without_body(response);
        }
        response = response.map(|body| deadline_body::whole(body, &self.responses, self.unread_timeout));
        let status = response.status();
        let headers = response.headers_mut();
        if is_http1 && !leftover.discard(expects_continue).await {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            // RFC 9110, 8.6: a 204 has none, and that of a 304 would be the length of the 200.
            headers.remove(header::CONTENT_LENGTH);
        }
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110, 11.6.1. `Authorization` passes to the services, whose tokens are usually this scheme's.
            headers.entry(header::WWW_AUTHENTICATE).or_insert(HeaderValue::from_static("Bearer"));
        }
        headers.insert(X_REQUEST_ID, id);
        complete_security(headers);
        if let Some(origins) = &self.origins {
            origins.complete(origin.as_ref(), headers);
        }
        Ok(observed.answered(response))
    }

    async fn dispatch(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        if let Some(refused) = edge::refuse(&parts) {
            return refused;
        }
        let request = Request::from_parts(parts, body);
        if let Some(preflight) =
            self.origins.as_ref().and_then(|origins| origins.preflight(request.method(), request.headers()))
        {
            return preflight;
        }
        if is_grpc(request.headers()) {
            return self.grpc.answer(request).await;
        }
        let Ok(response) = self.router.clone().oneshot(request).await;
        response
    }

    fn client(&self, request: &mut Request) -> Option<IpAddr> {
        let Peer(peer) = *request.extensions().get::<Peer>()?;
        if came_through_proxy(request.headers()) {
            request.extensions_mut().insert(Proxied);
        }
        let client = self.proxies.client(request.headers_mut(), peer.ip());
        request.extensions_mut().insert(ClientAddress(client));
        Some(client)
    }
}

/// `application/grpc`, `application/grpc+proto`, `application/grpc-web`, `application/grpc-web-text`, …
fn is_grpc(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    content_type.and_then(|it| it.get(..GRPC.len())).is_some_and(|it| it.eq_ignore_ascii_case(GRPC))
}

/// The response to HEAD: the head of GET's, with its length. The router has cut its own responses already.
fn without_body(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    if let Some(length) = body.size_hint().exact().filter(|length| *length > 0) {
        parts.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    Response::from_parts(parts, Body::empty())
}

/// The client's own id if it is usable, otherwise a new one.
fn request_id(sent: Option<&HeaderValue>) -> HeaderValue {
    let usable = |id: &&HeaderValue| !id.is_empty() && id.len() <= MAX_REQUEST_ID && id.to_str().is_ok();
    sent.filter(usable).cloned().unwrap_or_else(|| {
        // A UUID's text is always a valid header value.
        HeaderValue::try_from(uuid::Uuid::new_v4().to_string()).unwrap_or(HeaderValue::from_static("-"))
    })
}
