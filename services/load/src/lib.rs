//! Generates load: a closed loop of users, or an open loop at a given rate, over HTTP/1.1, HTTP/2 or gRPC.
//!
//! [`Plan`] is what to send, [`run()`] sends it, and [`Report`] is what came back. A report is complete: its counts, its
//! percentiles and its seconds are of all requests; only examples (the slowest, the failed) are bounded in number.
//!
//! In an open loop, latency counts from the moment at which a request was due, not from the moment at which it was sent: a
//! server that stalls delays the requests behind it, and a load that then waits too would hide that (coordinated omission).

mod client;
mod compare;
mod limits;
mod outcome;
mod pacer;
mod plan;
mod record;
mod report;
mod run;
mod table;
mod target;
mod trace_response;
mod watch;

pub use compare::Comparison;
pub use limits::{
    DEFAULT_DURATION, DEFAULT_TIMEOUT, DEFAULT_USERS, MAX_DURATION, MAX_RATE, MAX_REQUESTS, MAX_TIMEOUT,
    MAX_USERS,
};
pub use outcome::Outcome;
pub use plan::{Plan, Protocol};
pub use report::{Example, Latency, Report, Second, State};
pub use run::{Order, run, run_watched};
pub use table::{heading, row, summary};
pub use target::{Target, TargetError};
pub use trace_response::TraceResponse;
pub use watch::{Sample, Watch};
