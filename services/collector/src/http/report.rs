//! `POST /api/v2/spans` receives reports.

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use octet_zipkin::read::{Broken, Malformed};
use serde::Serialize;

use super::{Collector, Refusal, body, json};
use crate::store::Kept;

pub(super) fn router() -> Router<Collector> {
    Router::new().route("/api/v2/spans", post(report).get(super::query::span_names))
}

/// The answer to a report with errors.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReportErrors {
    message: String,
    stored: u64,
    duplicate: u64,
    dropped: u64,
    malformed_count: usize,
    malformed: Vec<Malformed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<Broken>,
}

/// Answers 202 when every span is well-formed; otherwise 400 with the position of each malformed span and the reason.
/// The well-formed ones are stored either way.
async fn report(State(collector): State<Collector>, request: Request) -> Response {
    let Ok(_admitted) = collector.admission.admit() else {
        return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too many concurrent reports; try again later")
            .into_response();
    };
    let (parts, body) = request.into_parts();
    if let Err(refusal) = is_json(parts.headers.get(header::CONTENT_TYPE)) {
        return refusal.into_response();
    }
    match body::read(&parts.headers, body).await {
        Ok(bytes) => collector.keep(&bytes),
        Err(refusal) => refusal.into_response(),
    }
}

/// Zipkin's other encodings are told by their types; what says nothing or something else is JSON.
fn is_json(content_type: Option<&header::HeaderValue>) -> Result<(), Refusal> {
    let encodings = ["application/x-thrift", "application/x-protobuf", "application/protobuf"];
    let given = content_type.map(|value| value.as_bytes().to_ascii_lowercase()).unwrap_or_default();
    match encodings.into_iter().find(|kind| given.starts_with(kind.as_bytes())) {
        Some(kind) => {
            let message = format!("spans are taken as application/json, and not as {kind}");
            Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
        }
        None => Ok(()),
    }
}

impl Collector {
    fn keep(&self, report: &[u8]) -> Response {
        let mut store = self.store();
        let evicted = store.usage().evicted;
        let (Kept { stored, duplicate, dropped }, batch) = store.keep(report);
        let usage = store.usage();
        drop(store);

        let malformed = u64::try_from(batch.malformed_count).unwrap_or(u64::MAX);
        let counts =
            [("stored", stored), ("duplicate", duplicate), ("dropped", dropped), ("malformed", malformed)];
        for (result, count) in counts {
            self.spans.with_label_values(&[result]).inc_by(count);
        }
        self.evicted.with_label_values::<&str>(&[]).inc_by(usage.evicted - evicted);
        for (what, count) in [("traces", usage.traces), ("spans", usage.spans), ("bytes", usage.bytes)] {
            self.kept.with_label_values(&[what]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        if batch.is_whole() {
            return StatusCode::ACCEPTED.into_response();
        }
        let errors = ReportErrors {
            message: message(&batch.malformed, batch.broken.as_ref()),
            stored,
            duplicate,
            dropped,
            malformed_count: batch.malformed_count,
            malformed: batch.malformed,
            broken: batch.broken,
        };
        tracing::debug!(message = errors.message, stored, "report with errors");
        json(StatusCode::BAD_REQUEST, &errors)
    }
}

/// A sentence for the first error.
fn message(malformed: &[Malformed], broken: Option<&Broken>) -> String {
    match (malformed.first(), broken) {
        (Some(first), _) => {
            let field = if first.field.is_empty() { String::new() } else { format!(", {}", first.field) };
            format!("span {} at byte {}{field}: {}", first.index, first.offset, first.problem)
        }
        (None, Some(broken)) => {
            format!("not a JSON list at byte {}, span {}: {}", broken.offset, broken.index, broken.problem)
        }
        (None, None) => String::new(),
    }
}
