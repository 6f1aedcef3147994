//! `POST /api/v2/spans` receives reports.

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use octet_zipkin::read::{Broken, Malformed};
use serde::Serialize;

use super::{Collector, Refusal, body, json};
use crate::store::{Kept, Report};

/// The spans that a reporter has dropped since its last report: their calls are missing from the counts.
const DROPPED_SPANS: &str = "octet-dropped-spans";

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
async fn report(State(collector): State<Collector>, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    check_json(parts.headers.get(header::CONTENT_TYPE))?;
    let arrived = body::read(&collector.bodies, &parts.headers, body).await?;
    // After the body: a slow sender must not keep out others.
    let _admitted = collector.admission.admit().map_err(|_| body::busy())?;
    let _turn = collector.reporting.lock().await;
    let report = arrived.report().await?;
    let response = collector.keep(&report).await;
    let dropped = parts.headers.get(DROPPED_SPANS).and_then(|value| value.to_str().ok()?.parse().ok());
    if let Some(dropped) = dropped.filter(|dropped| *dropped > 0) {
        collector.store().add_dropped(dropped);
        collector.spans.with_label_values(&["dropped_by_reporter"]).inc_by(dropped);
    }
    Ok(response)
}

/// Accepts `application/json` with any parameters, and a report without a content type. A page of another origin can
/// send neither without asking: browsers always send an `Origin` with a report, which the guard checks, and ask before
/// they send this type.
fn check_json(content_type: Option<&HeaderValue>) -> Result<(), Refusal> {
    let Some(given) = content_type.map(HeaderValue::as_bytes) else { return Ok(()) };
    let essence = given.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if essence.is_empty() || essence.eq_ignore_ascii_case(b"application/json") {
        return Ok(());
    }
    let message = "Content-Type must be application/json";
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}

impl Collector {
    async fn keep(&self, report: &[u8]) -> Response {
        let mut report = Report::new(report);
        let evicted = self.store().usage().evicted;
        self.in_slices(|store| store.keep_next(&mut report)).await;
        let usage = self.store().usage();
        let Report { kept: Kept { stored, duplicate, dropped }, errors: batch, .. } = report;

        let malformed = u64::try_from(batch.malformed_count).unwrap_or(u64::MAX);
        let counts =
            [("stored", stored), ("duplicate", duplicate), ("dropped", dropped), ("malformed", malformed)];
        for (result, count) in counts {
            self.spans.with_label_values(&[result]).inc_by(count);
        }
        self.evicted.with_label_values::<&str>(&[]).inc_by(usage.evicted - evicted);
        let kept = [
            ("traces", usage.traces),
            ("spans", usage.spans),
            ("bytes", usage.bytes),
            ("counts", usage.count_bytes),
        ];
        for (what, count) in kept {
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
