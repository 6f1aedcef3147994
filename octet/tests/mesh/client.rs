//! Asks the platform and reads its answers.

use std::{collections::HashSet, time::Duration};

use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, StatusCode, body::Bytes};
use hyper_util::{
    client::legacy::{Client as Legacy, connect::HttpConnector},
    rt::TokioExecutor,
};
use octet_proto::greeting::v3::greeting_service_client::GreetingServiceClient;
use serde::Deserialize;
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};

use crate::platform::PATIENCE;

/// Whose greetings an answer holds, in this order.
pub const ORDER: [&str; 7] =
    ["service-a", "service-b", "service-d", "service-e", "service-g", "service-h", "service-c"];

/// An HTTP client with a connection pool, as a browser or a load generator has one.
#[derive(Clone)]
pub struct Client(Legacy<HttpConnector, Full<Bytes>>);

/// An answer, read to its end.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub struct NoAnswer {
    pub why: String,
    /// Whether no connection came about, so that nothing was sent.
    pub is_unconnected: bool,
}

/// The body of a greeting's answer.
#[derive(Debug, Deserialize)]
pub struct Answer {
    pub greeting: Vec<Greeting>,
}

/// One greeting of it; a field that is not among these is an error.
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

    /// Sends a request; an answer that takes too long fails the test.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Reply, NoAnswer> {
        let exchange = async {
            let response = self.0.request(request).await.map_err(|error| NoAnswer {
                why: format!("no answer: {error:?}"),
                is_unconnected: error.is_connect(),
            })?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| NoAnswer {
                why: format!("no whole answer: {error:?}"),
                is_unconnected: false,
            })?;
            Ok(Reply { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        tokio::time::timeout(PATIENCE, exchange).await.expect("an answer in time")
    }

    /// The status that a service answers a greeting with: asked without a gRPC client, which would enforce the
    /// deadline itself.
    pub async fn grpc_status(address: &str, timeout: &str) -> Code {
        let client = Legacy::builder(TokioExecutor::new()).http2_only(true).build_http();
        let request = Request::post(format!("http://{address}/greeting.v3.GreetingService/Greeting"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("grpc-timeout", timeout)
            // One uncompressed message of no bytes.
            .body(Full::new(Bytes::from_static(&[0; 5])))
            .expect("a request");
        let response = tokio::time::timeout(PATIENCE, client.request(request)).await.expect("in time");
        let headers = response.expect("an answer").into_parts().0.headers;
        Code::from_bytes(headers.get("grpc-status").expect("no message, so a status at once").as_bytes())
    }

    /// As [`send`](Self::send), and like a client of the mesh: a connection that cannot be had is tried again for
    /// up to 3 s, since nothing was sent.
    pub async fn send_to_a_restarting_gateway(
        &self,
        request: impl Fn() -> Request<Full<Bytes>>,
    ) -> Result<Reply, NoAnswer> {
        let begun = std::time::Instant::now();
        loop {
            match self.send(request()).await {
                Err(failed) if failed.is_unconnected && begun.elapsed() < Duration::from_secs(3) => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                outcome => return outcome,
            }
        }
    }

    pub async fn get(&self, url: &str) -> Reply {
        self.send(Request::get(url).body(Full::default()).expect("a request")).await.expect("an answer")
    }

    /// Asks until the answer is `status`.
    pub async fn becomes(&self, url: &str, status: StatusCode) {
        let begun = std::time::Instant::now();
        loop {
            let request = Request::get(url).body(Full::default()).expect("a request");
            let got = self.send(request).await.map(|reply| reply.status);
            if got.as_ref().is_ok_and(|got| *got == status) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{url} is {got:?}, not {status}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
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

    /// The answer, if it is one and whole.
    pub fn answer(&self) -> Result<Answer, String> {
        let answer: Answer = serde_json::from_slice(&self.body).map_err(|error| error.to_string())?;
        answer.check()?;
        Ok(answer)
    }
}

impl Answer {
    /// Seven greetings, in order, none twice, each whole.
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
        let is_whole = |greeting: &Greeting| {
            greeting.message.ends_with(&format!("from Service {}!", letter(greeting).unwrap_or_default()))
                && greeting.created.len() == "2026-01-01T00:00:00.000000000Z".len()
                && !greeting.hostname.is_empty()
        };
        match self.greeting.iter().find(|greeting| !is_whole(greeting)) {
            Some(greeting) => Err(format!("not whole: {greeting:?}")),
            None => Ok(()),
        }
    }

    /// The id of a service's greeting.
    pub fn id(&self, service: &str) -> String {
        self.ids().of(service)
    }

    /// The ids of a whole answer.
    pub fn ids(&self) -> Ids {
        let mut greetings = self.greeting.iter();
        Ids(ORDER.map(|_| {
            let greeting = greetings.next().expect("a whole answer");
            uuid::Uuid::try_parse(&greeting.id).expect("a whole answer")
        }))
    }
}

/// The ids of a whole answer in its order: what is kept of each of a million.
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
