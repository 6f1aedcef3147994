//! Zipkin's query API, and Octet's own `/api/v2/mesh`.

use std::collections::BTreeSet;

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::Response,
    routing::get,
};
use octet_zipkin::{Span, TraceId, edges::Mesh};

use super::{Collector, Refusal, json, parameters::Parameters};

/// The maximum number of ids in `/traceMany`.
const MAX_IDS: usize = 1_000;

type Answer = Result<Response, Refusal>;

pub(super) fn router() -> Router<Collector> {
    Router::new()
        .route("/api/v2/services", get(services))
        .route("/api/v2/remoteServices", get(remote_services))
        .route("/api/v2/traces", get(traces))
        .route("/api/v2/trace/{id}", get(trace))
        .route("/api/v2/traceMany", get(trace_many))
        .route("/api/v2/dependencies", get(dependencies))
        .route("/api/v2/autocompleteKeys", get(tag_keys))
        .route("/api/v2/autocompleteValues", get(tag_values))
        .route("/api/v2/mesh", get(mesh))
}

async fn services(State(collector): State<Collector>) -> Response {
    json(StatusCode::OK, &collector.store().services())
}

pub(super) async fn span_names(State(collector): State<Collector>, RawQuery(query): RawQuery) -> Answer {
    let service = Parameters::read(query.as_deref()).required("serviceName")?.to_lowercase();
    Ok(json(StatusCode::OK, &collector.store().span_names(&service)))
}

async fn remote_services(State(collector): State<Collector>, RawQuery(query): RawQuery) -> Answer {
    let service = Parameters::read(query.as_deref()).required("serviceName")?.to_lowercase();
    Ok(json(StatusCode::OK, &collector.store().remote_services(&service)))
}

async fn traces(State(collector): State<Collector>, RawQuery(query): RawQuery) -> Answer {
    let search = Parameters::read(query.as_deref()).search()?;
    Ok(json(StatusCode::OK, &collector.store().search(&search)))
}

async fn trace(State(collector): State<Collector>, Path(id): Path<String>) -> Answer {
    let id = trace_id("traceId", &id)?;
    let store = collector.store();
    match store.trace(id) {
        [] => Err(Refusal::new(StatusCode::NOT_FOUND, format!("trace {id} not found"))),
        spans => Ok(json(StatusCode::OK, &spans)),
    }
}

/// Returns the stored traces among the requested ones, in the order of the request and without duplicates.
async fn trace_many(State(collector): State<Collector>, RawQuery(query): RawQuery) -> Answer {
    let parameters = Parameters::read(query.as_deref());
    let mut seen = BTreeSet::new();
    let mut ids = Vec::new();
    for text in parameters.required("traceIds")?.split(',').map(str::trim) {
        let id = trace_id("traceIds", text)?;
        if seen.insert(id) {
            ids.push(id);
        }
    }
    if ids.len() > MAX_IDS {
        return Err(Refusal::bad(format!("traceIds: must have at most {MAX_IDS} ids")));
    }
    let store = collector.store();
    let found: Vec<&[Span]> =
        ids.into_iter().map(|id| store.trace(id)).filter(|spans| !spans.is_empty()).collect();
    Ok(json(StatusCode::OK, &found))
}

async fn dependencies(State(collector): State<Collector>, RawQuery(query): RawQuery) -> Answer {
    let window = Parameters::read(query.as_deref()).window()?;
    Ok(json(StatusCode::OK, &collector.store().links(window)))
}

async fn tag_keys(State(collector): State<Collector>) -> Response {
    json(StatusCode::OK, &collector.store().tag_keys())
}

async fn tag_values(State(collector): State<Collector>, RawQuery(query): RawQuery) -> Answer {
    let parameters = Parameters::read(query.as_deref());
    let key = parameters.required("key")?;
    Ok(json(StatusCode::OK, &collector.store().tag_values(key)))
}

/// Measures every trace of the period.
async fn mesh(State(collector): State<Collector>, RawQuery(query): RawQuery) -> Answer {
    let window = Parameters::read(query.as_deref()).window()?;
    let (traces, edges) = collector.store().edges(window);
    let mesh = Mesh { sample: false, traces, from: window.start(), to: window.end(), edges };
    Ok(json(StatusCode::OK, &mesh))
}

fn trace_id(name: &str, text: &str) -> Result<TraceId, Refusal> {
    let allowed = "16 or 32 lower-case hexadecimal digits, not all zero";
    TraceId::parse(text).ok_or_else(|| Refusal::bad(format!("{name}: must be {allowed}")))
}
