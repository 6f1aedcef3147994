//! `/api/mesh`: calls, errors and latencies of each edge of the mesh.
//!
//! Octet's collector computes them from all its traces. From another backend the newest traces are read, and the response
//! is marked as a sample.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::{
    body::Body,
    extract::{RawQuery, State},
    http::{Extensions, HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use octet_runtime::propagation::X_REQUEST_ID;
use octet_zipkin::{
    Batch,
    edges::{Edges, Sample},
};
use serde_json::value::RawValue;
use tonic::Code;

use super::{
    QueryError,
    backend::{Backend, Reply},
};
use crate::{
    admit::Caller,
    edge,
    transcode::percent::{Part, decode},
};

const DEFAULT_LOOKBACK: Duration = Duration::from_mins(15);
const MAX_LOOKBACK: Duration = Duration::from_hours(7 * 24);

/// Traces in a sample.
const MAX_SAMPLE: usize = 500;

/// A period in milliseconds; its end counts from 1970.
struct Window {
    end: u64,
    lookback: u64,
}

pub(super) async fn mesh(
    State(backend): State<Backend>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    extensions: Extensions,
) -> Response {
    let window = match Window::read(query.as_deref().unwrap_or_default()) {
        Ok(window) => window,
        Err(problem) => return edge::error(StatusCode::BAD_REQUEST, Code::InvalidArgument, &problem),
    };
    let queried = async {
        let Window { end, lookback } = window;
        let (caller, id) = (Caller::of(&extensions), headers.get(X_REQUEST_ID));
        let known = backend.get(&format!("/api/v2/mesh?endTs={end}&lookback={lookback}"), caller, id).await;
        match known {
            Ok(reply) if is_mesh(&reply) => return Ok(Body::new(reply.body)),
            // A Zipkin without this path.
            Ok(_) | Err(QueryError::Failed(_)) => {}
            Err(error) => return Err(error),
        }
        let query = format!("/api/v2/traces?endTs={end}&lookback={lookback}&limit={MAX_SAMPLE}");
        let reply = backend.get(&query, caller, id).await?;
        let mesh = sampled(&reply, &window).ok_or(QueryError::NotZipkin)?;
        serde_json::to_vec(&mesh).map(Body::from).map_err(|_| QueryError::NotZipkin)
    };
    queried.await.map_or_else(QueryError::into_response, edge::json)
}

fn is_mesh(reply: &Reply) -> bool {
    #[derive(serde::Deserialize)]
    struct Known {
        #[expect(dead_code, reason = "only its presence matters")]
        edges: Vec<serde::de::IgnoredAny>,
    }
    reply.status.is_success()
        && reply.is_json()
        && serde_json::from_slice::<Known>(&reply.body.joined()).is_ok()
}

/// The edges in another backend's traces; `None` if the reply is not a list of traces.
fn sampled(reply: &Reply, window: &Window) -> Option<Sample> {
    if !reply.status.is_success() {
        return None;
    }
    let body = reply.body.joined();
    let traces: Vec<&RawValue> = serde_json::from_slice(&body).ok()?;
    let mut edges = Edges::default();
    let mut oldest = None;
    for trace in &traces {
        let batch = Batch::read(trace.get().as_bytes());
        let start = batch.spans.iter().map(|span| span.timestamp / 1_000).filter(|start| *start > 0).min();
        oldest = [oldest, start].into_iter().flatten().min();
        edges.add(&batch.spans);
    }
    let from = oldest.unwrap_or_else(|| window.end.saturating_sub(window.lookback));
    Some(Sample { sample: true, traces: traces.len(), from, to: window.end, edges: edges.list() })
}

impl Window {
    /// Reads `lookback` and `endTs` and ignores other keys.
    fn read(query: &str) -> Result<Self, String> {
        let mut window = Self {
            end: millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()),
            lookback: millis(DEFAULT_LOOKBACK),
        };
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value, Part::Query).unwrap_or_default();
            match key {
                "lookback" => {
                    window.lookback = lookback(&value).ok_or(
                        "query parameter `lookback`: must be milliseconds such as 60000, or a duration such as 5m, \
                         at most 7 days",
                    )?;
                }
                "endTs" => {
                    window.end = value
                        .parse()
                        .ok()
                        .filter(|end| *end > 0)
                        .ok_or("query parameter `endTs`: must be milliseconds since 1970")?;
                }
                _ => {}
            }
        }
        Ok(window)
    }
}

fn lookback(text: &str) -> Option<u64> {
    let lookback = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_millis(text.parse().ok()?)
    } else {
        humantime::parse_duration(text).ok()?
    };
    let range = Duration::from_millis(1)..=MAX_LOOKBACK;
    range.contains(&lookback).then(|| millis(lookback))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lookback_is_milliseconds_or_a_duration() {
        for (text, millis) in [
            ("60000", Some(60_000)),
            ("5m", Some(300_000)),
            ("1m 30s", Some(90_000)),
            ("7days", Some(604_800_000)),
        ] {
            assert_eq!(lookback(text), millis, "{text}");
        }
        for text in ["", "0", "-1", "x", "8days", "1us", "99999999999999999999"] {
            assert_eq!(lookback(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_error_names_the_invalid_parameter() {
        assert!(Window::read("lookback=soon").is_err_and(|problem| problem.contains("`lookback`")));
        assert!(Window::read("a=b&endTs=").is_err_and(|problem| problem.contains("`endTs`")));
        assert!(Window::read("a=b&c").is_ok_and(|window| window.lookback == 900_000));
        assert!(Window::read("lookback=1m+30s&endTs=7").is_ok_and(|window| window.lookback == 90_000));
    }
}
