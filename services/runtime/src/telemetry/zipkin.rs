//! Zipkin's v2 API: `POST /api/v2/spans` with a list of spans in JSON (<https://zipkin.io/zipkin-api/>).

mod json;

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Request, Uri, header};
use opentelemetry_sdk::{
    error::{OTelSdkError, OTelSdkResult},
    trace::{SpanData, SpanExporter},
};

use self::json::Encoder;
use super::sender::Sender;

/// Spans that are encoded before others may work on the process's one thread: some 50 µs.
const SLICE: usize = 32;

/// Posts batches to Zipkin, or to what speaks its API.
#[derive(Debug)]
pub(super) struct ZipkinExporter {
    endpoint: Uri,
    sender: Sender,
    encoder: Encoder,
}

impl ZipkinExporter {
    /// `service` and `local` are every span's local endpoint, `tags` on every span.
    pub(super) fn new(
        endpoint: Uri,
        sender: Sender,
        service: &str,
        local: Option<SocketAddr>,
        tags: &[(String, String)],
    ) -> Self {
        Self { endpoint, sender, encoder: Encoder::new(service, local, tags) }
    }

    async fn encode(&self, batch: &[SpanData]) -> Vec<u8> {
        let mut body = Vec::with_capacity(batch.len() * 700);
        body.push(b'[');
        for (index, span) in batch.iter().enumerate() {
            if index > 0 {
                body.push(b',');
                if index % SLICE == 0 {
                    tokio::task::yield_now().await;
                }
            }
            self.encoder.write(&mut body, span);
        }
        body.push(b']');
        body
    }
}

impl SpanExporter for ZipkinExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut request = Request::new(Bytes::from(self.encode(&batch).await));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        let json = header::HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        match self.sender.post(&request).await {
            Ok(_) => Ok(()),
            Err(error) => Err(OTelSdkError::InternalFailure(error.to_string())),
        }
    }
}
