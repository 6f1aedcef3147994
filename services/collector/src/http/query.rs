//! Zipkin's query API, and Octet's own `/api/v2/mesh`.

use std::collections::BTreeSet;

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::Response,
    routing::get,
};
use octet_zipkin::{Text, TraceId};
use serde::Serialize;

use super::{
    Collector, Refusal,
    parameters::Parameters,
    parts::{List, Names, Texts, Traces},
};
use crate::store::{CountLinks, Find, ListTags, MeasureEdges, Store, Window, Work};

/// The maximum number of ids in `/traceMany`.
const MAX_IDS: usize = 1_000;

/// The maximum size of the traces in one answer in bytes, by the store's estimate.
const MAX_ANSWER: usize = 128 * 1024 * 1024;

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

async fn services(State(collector): State<Collector>) -> Answer {
    collector.names(|store, after| store.services(after).next().cloned()).await
}

pub(super) async fn span_names(State(collector): State<Collector>, RawQuery(query): RawQuery) -> Answer {
    let service = Parameters::read(query.as_deref()).required("serviceName")?.to_lowercase();
    collector.names(move |store, after| store.span_names(&service, after).next().cloned()).await
}

async fn remote_services(State(collector): State<Collector>, RawQuery(query): RawQuery) -> Answer {
    let service = Parameters::read(query.as_deref()).required("serviceName")?.to_lowercase();
    collector.names(move |store, after| store.remote_services(&service, after).next().cloned()).await
}

async fn traces(State(collector): State<Collector>, RawQuery(query): RawQuery) -> Answer {
    let search = Parameters::read(query.as_deref()).search()?;
    let turn = collector.queries.turn().await?;
    let Find { found, bytes, .. } = collector.work(Find::new(search)).await;
    check_size(bytes, "reduce limit, or narrow the search")?;
    collector.answer(turn, Traces::list(found)).await
}

async fn trace(State(collector): State<Collector>, Path(id): Path<String>) -> Answer {
    let id = trace_id("traceId", &id)?;
    let turn = collector.queries.turn().await?;
    let found = collector.store().find(id);
    let found = found.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, format!("trace {id} not found")))?;
    collector.answer(turn, Traces::single(found)).await
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
    let turn = collector.queries.turn().await?;
    let (found, bytes) = {
        let store = collector.store();
        let found = store.find_all(&ids);
        let bytes = found.iter().map(|id| store.json_bytes(*id)).sum();
        (found, bytes)
    };
    check_size(bytes, "request fewer traces")?;
    collector.answer(turn, Traces::list(found)).await
}

async fn dependencies(State(collector): State<Collector>, RawQuery(query): RawQuery) -> Answer {
    let window = Parameters::read(query.as_deref()).window()?;
    let turn = collector.queries.turn().await?;
    let links = collector.work(CountLinks::new(window)).await.list().ok_or_else(too_many_links)?;
    collector.answer(turn, List::new(links.into_iter())).await
}

async fn tag_keys(State(collector): State<Collector>) -> Answer {
    let turn = collector.queries.turn().await?;
    let keys = collector.work(ListTags::keys()).await.found;
    collector.answer(turn, List::new(Texts(keys))).await
}

async fn tag_values(State(collector): State<Collector>, RawQuery(query): RawQuery) -> Answer {
    let parameters = Parameters::read(query.as_deref());
    let key = parameters.required("key")?;
    let turn = collector.queries.turn().await?;
    let values = collector.work(ListTags::values(key)).await.found;
    collector.answer(turn, List::new(Texts(values))).await
}

/// The counts of the period.
async fn mesh(State(collector): State<Collector>, RawQuery(query): RawQuery) -> Answer {
    let (end, lookback) = Parameters::read(query.as_deref()).end_and_lookback()?;
    let turn = collector.queries.turn().await?;
    let reading = collector.clock.reading();
    let end = end.unwrap_or(reading.now);
    let period = reading.period(end, lookback);
    // All calls that were to be counted until now.
    let now = collector.clock.second();
    collector.in_slices(|store| store.advance(now)).await;
    let measure = MeasureEdges::new(&collector.store(), period);
    let measured = collector.work(measure).await;
    let (measured, kept) = {
        let mut store = collector.store();
        (measured.finish(&store), store.count(Window::new(end, lookback)))
    };
    let head = Head {
        sample: false,
        traces: measured.traces,
        kept,
        from: reading.moment(measured.period.from),
        to: reading.moment(measured.period.to),
        complete_since: reading.moment(measured.complete_since),
        dropped_spans: measured.dropped_spans,
        uncounted_calls: measured.uncounted_calls,
    };
    let head = serde_json::to_vec(&head).unwrap_or_default();
    collector.answer(turn, List::within(head, "edges", measured.edges.into_iter())).await
}

/// The answer of `/mesh` before its edges.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    /// Never: everything that arrived is counted.
    sample: bool,
    /// Traces whose first span arrived in the period.
    traces: u32,
    /// Stored traces of the period.
    kept: usize,
    /// The period that the counts cover, in milliseconds since 1970.
    from: u64,
    to: u64,
    /// Since when everything that arrived is in the counts, in milliseconds since 1970.
    complete_since: u64,
    /// Spans that reporters dropped in the period, so that their calls are missing.
    dropped_spans: u32,
    /// Calls beyond the limits on names, edges, and the size of a trace.
    uncounted_calls: u32,
}

impl Collector {
    /// Does `work` with pauses for other requests.
    async fn work<W: Work>(&self, mut work: W) -> W {
        self.in_slices(Store::index_next).await;
        self.in_slices(|store| work.step(store)).await;
        work
    }

    /// Answers with names; `next` returns the first after another.
    async fn names<F>(&self, next: F) -> Answer
    where
        F: FnMut(&Store, Option<&str>) -> Option<Text> + Send + 'static,
    {
        let turn = self.queries.turn().await?;
        self.answer(turn, List::new(Names { next, last: None })).await
    }
}

fn check_size(bytes: usize, advice: &str) -> Result<(), Refusal> {
    if bytes <= MAX_ANSWER {
        return Ok(());
    }
    let limit = MAX_ANSWER / (1024 * 1024);
    Err(Refusal::bad(format!("the traces exceed the limit of {limit} MiB per answer: {advice}")))
}

fn too_many_links() -> Refusal {
    Refusal::bad("the period has too many pairs of services: reduce lookback")
}

fn trace_id(name: &str, text: &str) -> Result<TraceId, Refusal> {
    let allowed = "1 to 32 lower-case hexadecimal digits, not all zero";
    TraceId::parse(text).ok_or_else(|| Refusal::bad(format!("{name}: must be {allowed}")))
}
