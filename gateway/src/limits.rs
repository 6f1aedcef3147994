//! Limits of requests and connections: sizes and times, each with its variable.

use std::time::Duration;

use axum::http::HeaderMap;
use octet_runtime::{
    deadline::{DEFAULT_TIMEOUT, Deadline, MalformedTimeout},
    environment::Environment,
    serve::ServeLimits,
};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Concurrent HTTP/2 streams on one connection. A client that resets more than this before they are accepted is
/// disconnected (CVE-2023-44487).
const MAX_STREAMS: u32 = 250;

/// The limits of requests and connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) body_bytes: usize,
    pub(crate) body_timeout: Duration,
    request_timeout: Duration,
    max_timeout: Duration,
    pub(crate) serve: ServeLimits,
}

impl Limits {
    pub(crate) fn from_environment(environment: &mut Environment<'_>) -> Self {
        let defaults = ServeLimits::default();
        let body_bytes = environment.size("MAX_BODY_BYTES", 4 * MIB, KIB..=64 * MIB, "from 1KiB to 64MiB");
        let header_bytes = environment.size("MAX_HEADER_BYTES", 64 * KIB, 8 * KIB..=MIB, "from 8KiB to 1MiB");
        let hour = Duration::from_hours(1);
        let request_timeout = environment.duration("REQUEST_TIMEOUT", DEFAULT_TIMEOUT, hour);
        Self {
            body_bytes,
            body_timeout: environment.duration("BODY_TIMEOUT", Duration::from_secs(10), hour),
            request_timeout,
            max_timeout: environment
                .duration("MAX_REQUEST_TIMEOUT", hour, Duration::from_hours(24))
                .max(request_timeout),
            serve: ServeLimits {
                streams: MAX_STREAMS,
                // The services' connections carry the calls of all clients; a client's own carry only its own.
                unread_resets: 1_000,
                header_bytes: u32::try_from(header_bytes).unwrap_or(defaults.header_bytes),
                head_timeout: environment.duration("HEADER_TIMEOUT", defaults.head_timeout, hour),
                connections: environment.number("MAX_CONNECTIONS", defaults.connections, 1..=1_000_000),
                ..defaults
            },
        }
    }

    /// The client's deadline, at most `MAX_REQUEST_TIMEOUT` from now; `REQUEST_TIMEOUT` from now if it set none.
    pub(crate) fn deadline(&self, headers: &HeaderMap) -> Result<Deadline, MalformedTimeout> {
        let deadline = Deadline::from_headers_or(headers, self.request_timeout)?;
        Ok(deadline.min(Deadline::after(self.max_timeout)))
    }
}
