//! Reports in all formats, and Zipkin's routes for them.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use octet_zipkin::{
    Batch,
    read::{Broken, Malformed},
};
use serde::Serialize;

use super::{
    Collector, Refusal,
    body::{self, Arrived},
    json,
};
use crate::store::{Format, Kept, Report};

/// The spans that a reporter has dropped since its last report: their calls are missing from the counts.
const DROPPED_SPANS: &str = "octet-dropped-spans";

pub(super) fn router() -> Router<Collector> {
    Router::new()
        .route("/api/v2/spans", post(report).get(super::query::span_names))
        .route("/api/v1/spans", post(report_v1))
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

/// What became of a report.
pub(super) struct Outcome {
    pub(super) kept: Kept,
    /// Without spans.
    pub(super) errors: Batch,
}

/// Answers 202 when every span is well-formed; otherwise 400 with the position of each malformed span and the reason.
/// The well-formed ones are stored either way.
async fn report(State(collector): State<Collector>, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let format = match &*media_type(&parts.headers) {
        b"" | b"application/json" => Format::Zipkin,
        b"application/x-protobuf" => Format::ZipkinProto,
        other => return Err(wrong_type(other, "application/json or application/x-protobuf")),
    };
    Ok(collector.receive(format, &parts.headers, body).await?.into_response())
}

/// As [`report`], for the v1 format.
async fn report_v1(State(collector): State<Collector>, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    match &*media_type(&parts.headers) {
        b"" | b"application/json" => {}
        other => return Err(wrong_type(other, "application/json")),
    }
    Ok(collector.receive(Format::ZipkinV1, &parts.headers, body).await?.into_response())
}

/// The content type without its parameters; empty when it is absent. A page of another origin can send none of the types
/// that are accepted, nor none at all, without asking: browsers always send an `Origin` with a report, which the guard
/// checks, and ask before they send these types.
pub(super) fn media_type(headers: &HeaderMap) -> Vec<u8> {
    let given = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    given.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase()
}

fn wrong_type(given: &[u8], allowed: &str) -> Refusal {
    let thrift = if given.ends_with(b"thrift") { "Thrift is not supported; " } else { "" };
    let message = format!("{thrift}Content-Type must be {allowed}");
    Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
}

impl Collector {
    /// Reads and stores a report.
    pub(super) async fn receive(
        &self,
        format: Format,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Outcome, Refusal> {
        let arrived = body::read(&self.bodies, headers, body).await?;
        self.take(format, headers, arrived).await
    }

    /// Stores a report that has arrived.
    pub(super) async fn take(
        &self,
        format: Format,
        headers: &HeaderMap,
        mut arrived: Arrived,
    ) -> Result<Outcome, Refusal> {
        // After the body: a slow sender must not keep out others.
        let _admitted = self.admission.admit().map_err(|_| body::busy())?;
        let _turn = self.reporting.lock().await;
        let report = arrived.report().await?;
        let outcome = self.keep(format, &report).await;
        let dropped = headers.get(DROPPED_SPANS).and_then(|value| value.to_str().ok()?.parse().ok());
        if let Some(dropped) = dropped.filter(|dropped| *dropped > 0) {
            self.store().add_dropped(dropped);
            self.spans.with_label_values(&["dropped_by_reporter"]).inc_by(dropped);
        }
        Ok(outcome)
    }

    async fn keep(&self, format: Format, report: &[u8]) -> Outcome {
        let mut report = Report::new(format, report);
        let evicted = self.store().usage().evicted;
        self.in_slices(|store| store.keep_next(&mut report)).await;
        let usage = self.store().usage();
        let Report { kept, errors, .. } = report;
        let Kept { stored, duplicate, dropped } = kept;

        let malformed = u64::try_from(errors.malformed_count).unwrap_or(u64::MAX);
        let counts =
            [("stored", stored), ("duplicate", duplicate), ("dropped", dropped), ("malformed", malformed)];
        for (result, count) in counts {
            self.spans.with_label_values(&[result]).inc_by(count);
        }
        self.evicted.with_label_values::<&str>(&[]).inc_by(usage.evicted - evicted);
        let in_use = [
            ("traces", usage.traces),
            ("spans", usage.spans),
            ("bytes", usage.bytes),
            ("counts", usage.count_bytes),
        ];
        for (what, count) in in_use {
            self.kept.with_label_values(&[what]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        if !errors.is_whole() {
            tracing::debug!(message = message(&errors), stored, "report with errors");
        }
        Outcome { kept, errors }
    }
}

impl IntoResponse for Outcome {
    fn into_response(self) -> Response {
        let Self { kept: Kept { stored, duplicate, dropped }, errors } = self;
        if errors.is_whole() {
            return StatusCode::ACCEPTED.into_response();
        }
        let errors = ReportErrors {
            message: message(&errors),
            stored,
            duplicate,
            dropped,
            malformed_count: errors.malformed_count,
            malformed: errors.malformed,
            broken: errors.broken,
        };
        json(StatusCode::BAD_REQUEST, &errors)
    }
}

/// A sentence for the first error; empty without errors.
pub(super) fn message(errors: &Batch) -> String {
    match (errors.malformed.first(), &errors.broken) {
        (Some(first), _) => {
            let field = if first.field.is_empty() { String::new() } else { format!(", {}", first.field) };
            format!("span {} at byte {}{field}: {}", first.index, first.offset, first.problem)
        }
        (None, Some(broken)) => {
            format!(
                "not a list of spans at byte {}, span {}: {}",
                broken.offset, broken.index, broken.problem
            )
        }
        (None, None) => String::new(),
    }
}
