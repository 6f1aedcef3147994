//! Clients of the platform.

use std::{collections::HashSet, net::Ipv4Addr, time::Duration};

use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, StatusCode, body::Bytes};
use hyper_util::{
    client::legacy::{Client as Legacy, connect::HttpConnector},
    rt::TokioExecutor,
};
use octet_proto::greeting::v3::greeting_service_client::GreetingServiceClient;
use octet_testbed::eventually;
use serde::Deserialize;
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};

use crate::platform::PATIENCE;

/// The services whose greetings an answer contains, in order.
pub const ORDER: [&str; 7] =
    ["service-a", "service-b", "service-d", "service-e", "service-g", "service-h", "service-c"];

/// An HTTP client with a connection pool.
#[derive(Clone)]
pub struct Client(Legacy<HttpConnector, Full<Bytes>>);

/// A complete response.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why there is no response.
#[derive(Debug)]
pub struct RequestError {
    pub why: String,
    /// Whether the connection failed, so that nothing was sent.
    pub is_connect: bool,
}

/// The body of a response to `GET /api/greeting`.
#[derive(Debug, Deserialize)]
pub struct Answer {
    pub greeting: Vec<Greeting>,
}

/// One greeting in it; another field is an error.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Greeting {
    pub id: String,
    pub service: String,
    pub message: String,
    pub created: String,
    pub hostname: String,
}

/// GATEWAY.md's error body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorBody {
    pub code: i32,
    pub message: String,
    pub details: Vec<serde_json::Value>,
}

impl Client {
    pub fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self(Legacy::builder(TokioExecutor::new()).build(connector))
    }

    /// With an address of its own: to the platform, another client than [`new`](Self::new).
    pub fn from(address: Ipv4Addr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_local_address(Some(address.into()));
        Self(Legacy::builder(TokioExecutor::new()).build(connector))
    }

    /// Sends a request. Without a response in time the test fails.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Reply, RequestError> {
        let exchange = async {
            let response = self.0.request(request).await.map_err(|error| RequestError {
                why: format!("no response: {error:?}"),
                is_connect: error.is_connect(),
            })?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| RequestError {
                why: format!("incomplete response: {error:?}"),
                is_connect: false,
            })?;
            Ok(Reply { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        tokio::time::timeout(PATIENCE, exchange).await.expect("a response in time")
    }

    /// A client of HTTP/2 for [`grpc_status`](Self::grpc_status).
    pub fn http2() -> Self {
        Self(Legacy::builder(TokioExecutor::new()).http2_only(true).build_http())
    }

    /// The gRPC status of a greeting call, made without a gRPC client, which would enforce the deadline itself.
    pub async fn grpc_status(&self, address: &str, timeout: &str) -> Code {
        self.grpc_outcome(address, timeout).await.0
    }

    /// As [`grpc_status`](Self::grpc_status), with the message of a failure.
    pub async fn grpc_outcome(&self, address: &str, timeout: &str) -> (Code, String) {
        let request = Request::post(format!("http://{address}/greeting.v3.GreetingService/Greeting"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("grpc-timeout", timeout)
            // One uncompressed, empty message.
            .body(Full::new(Bytes::from_static(&[0; 5])))
            .expect("a request");
        let response = tokio::time::timeout(PATIENCE, self.0.request(request)).await.expect("in time");
        let headers = response.expect("a response").into_parts().0.headers;
        // A response with a message has its status in the trailers.
        let message = headers.get("grpc-message").map(|message| message.to_str().expect("ASCII"));
        let code = headers.get("grpc-status").map_or(Code::Ok, |status| Code::from_bytes(status.as_bytes()));
        (code, message.unwrap_or_default().replace("%20", " "))
    }

    /// Like [`send`](Self::send), but retries for up to 3 s if the connection fails, since nothing was sent.
    pub async fn send_with_reconnect(
        &self,
        request: impl Fn() -> Request<Full<Bytes>>,
    ) -> Result<Reply, RequestError> {
        let started = std::time::Instant::now();
        loop {
            match self.send(request()).await {
                Err(failed) if failed.is_connect && started.elapsed() < Duration::from_secs(3) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                outcome => return outcome,
            }
        }
    }

    pub async fn get(&self, url: &str) -> Reply {
        self.send(Request::get(url).body(Full::default()).expect("a request")).await.expect("a response")
    }

    /// Sends requests until the response has `status`.
    pub async fn becomes(&self, url: &str, status: StatusCode) {
        eventually(&format!("{url} returns {status}"), async || {
            let request = Request::get(url).body(Full::default()).expect("a request");
            match self.send(request).await.map(|reply| reply.status) {
                Ok(got) if got == status => Ok(()),
                got => Err(format!("{got:?}")),
            }
        })
        .await;
    }
}

impl Reply {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().expect("text")).unwrap_or_default()
    }

    pub fn error(&self) -> ErrorBody {
        let error: ErrorBody =
            serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()));
        assert_eq!(error.details, [] as [serde_json::Value; 0]);
        error
    }

    /// The answer, if it is valid.
    pub fn answer(&self) -> Result<Answer, String> {
        let answer: Answer = serde_json::from_slice(&self.body).map_err(|error| error.to_string())?;
        answer.check()?;
        Ok(answer)
    }
}

impl Answer {
    /// Seven greetings in order, with distinct ids and valid fields.
    fn check(&self) -> Result<(), String> {
        let services: Vec<_> = self.greeting.iter().map(|greeting| greeting.service.as_str()).collect();
        if services != ORDER {
            return Err(format!("greetings of {services:?}"));
        }
        let ids: HashSet<_> = self.greeting.iter().map(|greeting| greeting.id.as_str()).collect();
        if ids.len() != ORDER.len() || ids.iter().any(|id| uuid::Uuid::try_parse(id).is_err()) {
            return Err(format!("ids {ids:?}"));
        }
        let letter = |greeting: &Greeting| greeting.service.to_uppercase().chars().last();
        let is_valid = |greeting: &Greeting| {
            greeting.message.ends_with(&format!("from Service {}!", letter(greeting).unwrap_or_default()))
                && greeting.created.len() == "2026-01-01T00:00:00.000000000Z".len()
                && !greeting.hostname.is_empty()
        };
        match self.greeting.iter().find(|greeting| !is_valid(greeting)) {
            Some(greeting) => Err(format!("invalid: {greeting:?}")),
            None => Ok(()),
        }
    }

    /// The id of a service's greeting.
    pub fn id(&self, service: &str) -> String {
        self.ids().of(service)
    }

    /// The ids of a valid answer.
    pub fn ids(&self) -> Ids {
        let mut greetings = self.greeting.iter();
        Ids(ORDER.map(|_| {
            let greeting = greetings.next().expect("a valid answer");
            uuid::Uuid::try_parse(&greeting.id).expect("a valid answer")
        }))
    }
}

/// The ids of a valid answer, in order: all that is kept of each of a million answers.
#[derive(Debug, Clone, Copy)]
pub struct Ids(pub [uuid::Uuid; 7]);

impl Ids {
    /// The id of a service's greeting.
    pub fn of(&self, service: &str) -> String {
        let index = ORDER.iter().position(|name| *name == service).expect("in the order");
        self.0[index].to_string()
    }
}

/// A gRPC client for `host:port`.
pub fn grpc(address: &str) -> GreetingServiceClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
    GreetingServiceClient::new(endpoint.tcp_nodelay(true).connect_lazy())
}
