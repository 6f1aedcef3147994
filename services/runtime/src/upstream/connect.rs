//! How connections to upstreams are made.

use std::{net::SocketAddr, time::Duration};

use http::uri::Authority;
use tonic::transport::{Endpoint, Error};

use super::{GrpcChannel, caller};

/// How long connecting may take.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Interval and timeout of HTTP/2 pings, by which a host that vanished without closing its connections is noticed.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

/// Flow-control windows in bytes. A stream that is not read holds up to its own window of the connection's: hyper's defaults
/// (2 of 5 MiB) let three such streams stall every other call. As many streams as the gateway admits fit in this
/// connection window, which is also the most that unread responses of one upstream can occupy.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 512 * STREAM_WINDOW;

/// Cancelled streams whose late frames are ignored.
const REMEMBERED_RESETS: usize = 1_024;

/// Makes the connections of one upstream.
pub(super) struct Connector {
    /// What the upstream gets as its caller's name.
    caller: Option<String>,
}

impl Connector {
    /// `caller` is the name of this process in its spans.
    pub(super) fn new(caller: &str) -> Self {
        Self { caller: caller::user_agent(caller) }
    }

    /// A connection to this address. The first call connects; after a broken connection the next call reconnects.
    ///
    /// # Errors
    /// When the address is not a valid URI.
    pub(super) fn to(&self, authority: &Authority) -> Result<GrpcChannel, Error> {
        self.lazy(Endpoint::from_shared(format!("http://{authority}"))?)
    }

    /// A connection to one of the addresses of a name. Requests have the name as their authority, by which proxies route.
    ///
    /// # Errors
    /// When the name is not a valid authority.
    pub(super) fn to_one(&self, address: SocketAddr, authority: &Authority) -> Result<GrpcChannel, Error> {
        let origin = Endpoint::from_shared(format!("http://{authority}"))?.uri().clone();
        self.lazy(Endpoint::from_shared(format!("http://{address}"))?.origin(origin))
    }

    fn lazy(&self, mut endpoint: Endpoint) -> Result<GrpcChannel, Error> {
        if let Some(caller) = &self.caller {
            endpoint = endpoint.user_agent(caller.as_str())?;
        }
        let channel = endpoint
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE.0)
            .keep_alive_timeout(KEEP_ALIVE.1)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_max_concurrent_reset_streams(REMEMBERED_RESETS)
            // h2 counts each late frame of a cancelled stream that it has forgotten as an error, and closes the connection
            // after 1,024 of them, with every call on it, however long that took. The upstream is trusted, and one that
            // does not read the resets fails the pings.
            .http2_max_local_error_reset_streams(None)
            .connect_lazy();
        Ok(GrpcChannel::new(channel))
    }
}
