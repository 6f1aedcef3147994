//! Sends one request at a time and says how it ended.

mod grpc;
mod http1;
mod http2;

use std::error::Error;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use crate::{
    limits::{MAX_BODY, USERS_PER_CONNECTION},
    outcome::Outcome,
    plan::{Plan, Protocol},
    target::Target,
    trace_response::TraceResponse,
};

/// W3C's Trace Context, level 2: the trace that the server made for the request.
const TRACE_RESPONSE: HeaderName = HeaderName::from_static("traceresponse");

type Failure = Box<dyn Error + Send + Sync>;

/// How one request ended.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) outcome: Outcome,
    /// Its trace, if the server named one that it records.
    pub(crate) trace: Option<TraceResponse>,
    /// The body of a success, if it was asked for.
    pub(crate) body: Option<Bytes>,
}

/// What a client sends and keeps.
pub(crate) struct Wish {
    pub(crate) deadline: Instant,
    /// Added to the client's own.
    pub(crate) headers: HeaderMap,
    pub(crate) keeps_body: bool,
}

impl Exchange {
    fn failed(outcome: Outcome) -> Self {
        Self { outcome, trace: None, body: None }
    }
}

/// One user's client.
pub(crate) enum Client {
    Http1(http1::Client),
    Http2(http2::Client),
    Grpc(grpc::Client),
}

impl Client {
    /// The clients of all users. They connect when they send.
    pub(crate) fn all(plan: &Plan) -> Vec<Self> {
        let users = usize::try_from(plan.users).unwrap_or_default();
        let connections = users.div_ceil(USERS_PER_CONNECTION).max(1);
        match plan.protocol {
            Protocol::Http1 => {
                (0..users).map(|_| Self::Http1(http1::Client::new(plan.target.clone()))).collect()
            }
            Protocol::Http2 => {
                let shared: Vec<_> =
                    (0..connections).map(|_| http2::Client::new(plan.target.clone())).collect();
                shared.into_iter().cycle().take(users).map(Self::Http2).collect()
            }
            Protocol::Grpc => {
                let shared: Vec<_> = (0..connections).map(|_| grpc::Client::new(&plan.target)).collect();
                shared.into_iter().cycle().take(users).map(Self::Grpc).collect()
            }
        }
    }

    /// Sends a request and reads the response to its end, before the deadline.
    pub(crate) async fn send(&mut self, wish: &Wish) -> Exchange {
        match self {
            Self::Http1(client) => client.send(wish).await,
            Self::Http2(client) => client.send(wish).await,
            Self::Grpc(client) => client.send(wish).await,
        }
    }
}

/// Connects to the first address that accepts.
async fn connect(target: &Target, deadline: Instant) -> Result<TcpStream, Outcome> {
    let mut last = Outcome::Other;
    for address in &target.addresses {
        match timeout_at(deadline, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // It fails only if the connection has just ended, which the request reports.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = Outcome::of_connect(&error),
            Err(_) => return Err(Outcome::ConnectTimeout),
        }
    }
    Err(last)
}

/// Reads a response to its end.
async fn read(response: Response<Incoming>, keeps_body: bool) -> Result<Exchange, Failure> {
    let (parts, mut body) = response.into_parts();
    let keeps_body = keeps_body && parts.status.is_success();
    let mut bytes = 0_u64;
    let mut kept = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame?;
        let Some(data) = frame.data_ref() else { continue };
        bytes += data.len() as u64;
        if bytes > MAX_BODY {
            return Ok(Exchange::failed(Outcome::InvalidResponse));
        }
        if keeps_body {
            kept.extend_from_slice(data);
        }
    }
    let mut exchange = exchange(parts.status, &parts.headers);
    exchange.body = keeps_body.then(|| kept.freeze());
    Ok(exchange)
}

fn exchange(status: StatusCode, headers: &HeaderMap) -> Exchange {
    let trace = headers.get(TRACE_RESPONSE).and_then(|value| TraceResponse::recorded(value.to_str().ok()?));
    Exchange { outcome: Outcome::of_status(status), trace, body: None }
}

/// The outcome of an exchange that a transport failed.
fn failed(error: &(dyn Error + 'static)) -> Exchange {
    Exchange::failed(Outcome::of_transport(error))
}

/// A handshake that failed: the connection ended.
fn unconnected(error: &hyper::Error) -> Outcome {
    match Outcome::of_transport(error) {
        Outcome::Other => Outcome::ConnectionReset,
        known => known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_named_only_if_it_is_recorded() {
        const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
        let named = |value: &str| TraceResponse::recorded(value);
        let value = format!("00-{TRACE}-b7ad6b7169203331-01");
        let found = named(&value).unwrap();
        assert_eq!((found.trace_id(), found.as_str()), (TRACE, value.as_str()));
        for value in [
            format!("00-{TRACE}-b7ad6b7169203331-00"),
            format!("01-{TRACE}-b7ad6b7169203331-01"),
            "00-0af7-b7ad6b7169203331-01".to_owned(),
            format!("00-{}-b7ad6b7169203331-01", "x".repeat(32)),
            format!("00-{TRACE}-b7ad6b71-01"),
            format!("00-{TRACE}-b7ad6b7169203331-01-x"),
            String::new(),
        ] {
            assert_eq!(named(&value), None, "{value}");
        }
    }
}
