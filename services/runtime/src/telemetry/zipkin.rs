//! Zipkin's v2 API: `POST /api/v2/spans` with a list of spans in protobuf, or in JSON where the backend refuses that
//! (<https://zipkin.io/zipkin-api/>).

mod encode;
mod json;
#[cfg(test)]
mod tests;

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use http::{Method, Request, Uri, header};

use self::encode::Encoder;
use super::{
    batch::{Exporter, SpanExporter},
    record::Ended,
    sender::{SendError, Sender},
    settings::{ZipkinProtocol, ZipkinSettings},
    shape::{Fragment, ShapeParts},
};

/// Bytes that a batch reserves.
const INITIAL_CAPACITY: usize = 16 * 1024;

/// Bytes after which a batch is full. In JSON it can be several times as long, and is still below the 10 MiB that Zipkin's
/// collector and Octet's accept.
const FULL: usize = 1024 * 1024;

/// Reports spans that were dropped, so that Octet's collector can say what its counts lack; others ignore it.
pub(super) const DROPPED_SPANS: header::HeaderName = header::HeaderName::from_static("octet-dropped-spans");

/// Posts batches to Zipkin or a compatible backend. A span is encoded as it ends.
#[derive(Debug)]
pub(super) struct ZipkinExporter {
    endpoint: Uri,
    sender: Sender,
    encoder: Encoder,
    /// Whether reports are in JSON: set by the settings, or when the backend refuses protobuf and accepts JSON.
    is_json: AtomicBool,
}

impl ZipkinExporter {
    /// `service` and `local` are every span's local endpoint; `tags` are added to every span.
    pub(super) fn new(
        settings: &ZipkinSettings,
        sender: Sender,
        service: &str,
        local: Option<SocketAddr>,
        tags: &[(String, String)],
    ) -> Self {
        Self {
            endpoint: settings.endpoint.clone(),
            sender,
            encoder: Encoder::new(service, local, tags),
            is_json: AtomicBool::new(settings.protocol == ZipkinProtocol::Json),
        }
    }

    async fn post(&self, content_type: &'static str, body: Bytes, dropped: u64) -> Result<(), SendError> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        let content_type = header::HeaderValue::from_static(content_type);
        request.headers_mut().insert(header::CONTENT_TYPE, content_type);
        if dropped > 0 {
            request.headers_mut().insert(DROPPED_SPANS, dropped.into());
        }
        self.sender.post(&request).await.map(drop)
    }

    async fn post_json(&self, batch: &[u8], dropped: u64) -> Result<(), SendError> {
        let Some(json) = json::list(batch) else {
            return Err(SendError::Transport("the spans have no JSON form".to_owned()));
        };
        self.post("application/json", json.into(), dropped).await
    }

    /// Posts in protobuf. A backend that does not know it answers 415, or 400 since it is no JSON; one that then accepts
    /// the same spans in JSON gets JSON from now on. Where it does not, the spans were at fault and not their format.
    async fn post_either(&self, batch: Bytes, dropped: u64) -> Result<(), SendError> {
        match self.post("application/x-protobuf", batch.clone(), dropped).await {
            Err(SendError::Status { status, .. }) if matches!(status.as_u16(), 400 | 415) => {
                self.post_json(&batch, dropped).await?;
                self.is_json.store(true, Ordering::Relaxed);
                let status = status.as_u16();
                tracing::info!(
                    exporter = self.name(),
                    status,
                    "the backend refuses spans in protobuf; they are sent in JSON"
                );
                Ok(())
            }
            outcome => outcome,
        }
    }
}

impl Exporter for ZipkinExporter {
    const ITEMS: &'static str = "spans";

    type Item<'a> = Ended<'a>;

    /// A list in protobuf.
    type Batch = Vec<u8>;

    fn name(&self) -> &'static str {
        "zipkin"
    }

    fn add(&self, batch: &mut Vec<u8>, span: Ended<'_>) {
        if batch.is_empty() {
            batch.reserve(INITIAL_CAPACITY);
        }
        encode::span(batch, span);
    }

    fn is_large(&self, batch: &Vec<u8>) -> bool {
        batch.len() >= FULL
    }

    fn reports_dropped(&self) -> bool {
        true
    }

    async fn export(&self, batch: Vec<u8>, dropped: u64) -> Result<usize, String> {
        let posted = if self.is_json.load(Ordering::Relaxed) {
            self.post_json(&batch, dropped).await
        } else {
            self.post_either(batch.into(), dropped).await
        };
        posted.map(|()| 0).map_err(|error| error.to_string())
    }
}

impl SpanExporter for ZipkinExporter {
    fn shape(&self, shape: &ShapeParts<'_>) -> Fragment {
        self.encoder.shape(shape)
    }
}
