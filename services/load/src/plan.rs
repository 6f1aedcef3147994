//! What a load sends.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::target::Target;

/// The protocol of the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1: each user has a connection.
    Http1,
    /// HTTP/2 with prior knowledge: up to 50 users share a connection.
    Http2,
    /// Calls of `greeting.v3.GreetingService/Greeting`: up to 50 users share a connection.
    Grpc,
}

impl Protocol {
    /// The name in reports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::Http2 => "http2",
            Self::Grpc => "grpc",
        }
    }
}

/// A load. The caller keeps to the limits of this crate.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the requests go.
    pub target: Target,
    /// How they are sent.
    pub protocol: Protocol,
    /// In a closed loop, the users who send one request after the other. In an open loop, the most requests that wait for
    /// their responses at a time.
    pub users: u32,
    /// Requests per second of all users together: an open loop. Without it, each user sends as fast as it can.
    pub rate: Option<u32>,
    /// When to stop sending.
    pub duration: Duration,
    /// The number of requests after which to stop sending.
    pub requests: Option<u64>,
    /// How long a request may wait for its response.
    pub timeout: Duration,
}
