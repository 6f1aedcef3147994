//! The results of a load. Their JSON is an interface: fields are added, and never change their meaning.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::Protocol;

/// Whether a load still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It sends, or waits for the last responses.
    Running,
    /// It ended as planned.
    Done,
    /// It was stopped before its end.
    Stopped,
}

/// The results of a load, so far or at its end. Times are in milliseconds unless their name says otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Whether it still runs.
    pub state: State,
    /// The URL.
    pub target: String,
    /// The protocol.
    pub protocol: Protocol,
    /// Users, or the limit of concurrent requests at a rate.
    pub users: u32,
    /// Requests per second of the plan: an open loop.
    pub rate: Option<u32>,
    /// The planned duration.
    pub duration_seconds: f64,
    /// The planned number of requests.
    pub max_requests: Option<u64>,
    /// How long a request waits for its response.
    pub timeout_seconds: f64,
    /// When it started: RFC 3339, UTC.
    pub started: String,
    /// From the start to the last response, or to the planned end if that is later.
    pub elapsed_seconds: f64,
    /// Requests that ended, with or without a response.
    pub requests: u64,
    /// Requests that ended with 2xx, or with OK.
    pub succeeded: u64,
    /// All others that ended.
    pub failed: u64,
    /// Requests that have not ended.
    pub in_flight: u64,
    /// In an open loop: requests that were sent more than 10 ms after they were due.
    pub late: u64,
    /// In an open loop: requests that were due and never sent, since all users were waiting for responses.
    pub unsent: u64,
    /// Requests that ended, per second.
    pub per_second: f64,
    /// How many requests ended in each way: `HTTP 200`, `HTTP 504`, `gRPC UNAVAILABLE`, `timeout`.
    pub outcomes: BTreeMap<String, u64>,
    /// The latency of all requests that ended. In an open loop it counts from the moment at which a request was due.
    pub latency: Option<Latency>,
    /// The latency of those that succeeded.
    pub success_latency: Option<Latency>,
    /// The latencies of those that succeeded, in bins whose limits grow by a tenth of a decade.
    pub histogram: Vec<Bin>,
    /// One row for each second, also for those in which no request ended.
    pub seconds: Vec<Second>,
    /// The slowest that succeeded, slowest first.
    pub slowest: Vec<Example>,
    /// The first requests that failed, and the last ones.
    pub failures: Vec<Example>,
}

/// Percentiles in milliseconds, with three significant digits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Latency {
    pub min_ms: f64,
    pub mean_ms: f64,
    pub p50_ms: f64,
    pub p75_ms: f64,
    pub p90_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    pub p99_9_ms: f64,
    pub max_ms: f64,
}

/// Latencies from `from_ms` up to `to_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Bin {
    pub from_ms: f64,
    pub to_ms: f64,
    pub count: u64,
}

/// The requests that ended in one second of a load, with the latency of all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Seconds after the start.
    pub second: u32,
    /// 1, or less for the last.
    pub length: f64,
    /// Requests that ended.
    pub requests: u64,
    /// Those that did not succeed, by outcome.
    pub errors: BTreeMap<String, u64>,
    /// `None` if no request ended.
    pub p50_ms: Option<f64>,
    /// `None` if no request ended.
    pub p99_ms: Option<f64>,
    /// `None` if no request ended.
    pub max_ms: Option<f64>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// When it was sent, or due in an open loop, after the start.
    pub at_ms: f64,
    /// Its latency.
    pub latency_ms: f64,
    /// How it ended.
    pub outcome: String,
    /// Its trace, if the server recorded one and named it.
    pub trace_id: Option<String>,
}

impl Latency {
    /// The values with their names.
    pub fn named(&self) -> [(&'static str, f64); 9] {
        [
            ("min", self.min_ms),
            ("mean", self.mean_ms),
            ("p50", self.p50_ms),
            ("p75", self.p75_ms),
            ("p90", self.p90_ms),
            ("p95", self.p95_ms),
            ("p99", self.p99_ms),
            ("p99.9", self.p99_9_ms),
            ("max", self.max_ms),
        ]
    }
}

impl Report {
    /// How many requests ended without success, by outcome.
    pub fn errors(&self) -> impl Iterator<Item = (&str, u64)> {
        let is_error = |name: &str| !name.starts_with("HTTP 2") && name != "gRPC OK";
        self.outcomes
            .iter()
            .map(|(name, count)| (name.as_str(), *count))
            .filter(move |(name, _)| is_error(name))
    }
}
