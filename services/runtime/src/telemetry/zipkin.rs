//! Zipkin's v2 API: `POST /api/v2/spans` with a list of spans in JSON (<https://zipkin.io/zipkin-api/>).

mod json;

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Request, Uri, header};

use self::json::Encoder;
use super::{
    batch::{Ended, Exporter},
    sender::Sender,
};

/// Bytes that a batch reserves.
const INITIAL_CAPACITY: usize = 16 * 1024;

/// Bytes after which a batch is full: well below the 10 MiB that Zipkin's collector and Octet's accept.
const FULL: usize = 1024 * 1024;

/// Reports spans that were dropped, so that Octet's collector can say what its counts lack; others ignore it.
pub(super) const DROPPED_SPANS: header::HeaderName = header::HeaderName::from_static("octet-dropped-spans");

/// Posts batches to Zipkin or a compatible backend. A span is encoded as it ends.
#[derive(Debug)]
pub(super) struct ZipkinExporter {
    endpoint: Uri,
    sender: Sender,
    encoder: Encoder,
}

impl ZipkinExporter {
    /// `service` and `local` are every span's local endpoint; `tags` are added to every span.
    pub(super) fn new(
        endpoint: Uri,
        sender: Sender,
        service: &str,
        local: Option<SocketAddr>,
        tags: &[(String, String)],
    ) -> Self {
        Self { endpoint, sender, encoder: Encoder::new(service, local, tags) }
    }
}

impl Exporter for ZipkinExporter {
    const ITEMS: &'static str = "spans";

    type Item<'a> = Ended<'a>;

    /// A JSON list without its closing bracket.
    type Batch = Vec<u8>;

    fn name(&self) -> &'static str {
        "zipkin"
    }

    fn add(&self, batch: &mut Vec<u8>, span: Ended<'_>) {
        if batch.is_empty() {
            batch.reserve(INITIAL_CAPACITY);
        }
        batch.push(if batch.is_empty() { b'[' } else { b',' });
        self.encoder.write(batch, span);
    }

    fn is_large(&self, batch: &Vec<u8>) -> bool {
        batch.len() >= FULL
    }

    fn reports_dropped(&self) -> bool {
        true
    }

    async fn export(&self, mut batch: Vec<u8>, dropped: u64) -> Result<usize, String> {
        if batch.is_empty() {
            batch.push(b'[');
        }
        batch.push(b']');
        let mut request = Request::new(Bytes::from(batch));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        let json = header::HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        if dropped > 0 {
            request.headers_mut().insert(DROPPED_SPANS, dropped.into());
        }
        self.sender.post(&request).await.map(|_| 0).map_err(|error| error.to_string())
    }
}
