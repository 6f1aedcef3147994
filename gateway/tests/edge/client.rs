//! A client that reads whole responses, and one that writes raw bytes.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::gateway::Gateway;

/// Longer than any step takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A response, read to its end.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    Http1,
    Http2,
}

pub async fn send(version: HttpVersion, request: Request<Full<Bytes>>) -> Reply {
    let client: Client<_, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).http2_only(version == HttpVersion::Http2).build_http();
    let exchange = async {
        let (parts, body) = client.request(request).await.expect("a response").into_parts();
        let body = body.collect().await.expect("a whole response");
        let trailers = body.trailers().cloned().unwrap_or_default();
        Reply { status: parts.status, headers: parts.headers, body: body.to_bytes(), trailers }
    };
    timeout(PATIENCE, exchange).await.expect("in time")
}

pub async fn get(gateway: &Gateway, path: &str) -> Reply {
    ask(gateway, "GET", path, &[], "").await
}

pub async fn ask(gateway: &Gateway, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut request = Request::builder().method(method).uri(gateway.url(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = Full::new(Bytes::from(body.to_owned()));
    send(HttpVersion::Http1, request.body(body).expect("a request")).await
}

/// Writes bytes and reads until the connection is closed; empty if it was closed without a response.
pub async fn raw(gateway: &Gateway, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(gateway.address).await.expect("connects");
    // A server that refuses early may close before all is written.
    let _ = stream.write_all(bytes).await;
    read_to_end(&mut stream).await
}

pub async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    // A reset after the response is an end too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut read)).await.expect("the connection ends");
    String::from_utf8_lossy(&read).into_owned()
}
