//! Takes part in each request of a load: adds headers, and sees how it ended.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

use crate::{outcome::Outcome, trace_response::TraceResponse};

/// One request that ended.
#[derive(Debug)]
pub struct Sample {
    /// When it was due in an open loop, otherwise when it was sent, after the start of the load.
    pub due: Duration,
    /// From then to its end.
    pub latency: Duration,
    /// How it ended.
    pub outcome: Outcome,
    /// Its trace, if the server recorded one and named it.
    pub trace: Option<TraceResponse>,
    /// The body of a successful response, if the watcher keeps bodies; never over gRPC.
    pub body: Option<Bytes>,
}

/// A watcher of every request. Its methods run in the way of the load, and must be quick.
pub trait Watch: Send + Sync {
    /// Whether samples have bodies.
    fn keeps_bodies(&self) -> bool;

    /// The headers to add to the request number `index`, counted from 0.
    fn headers(&self, index: u64) -> HeaderMap;

    /// A request ended.
    fn ended(&self, sample: Sample);
}
