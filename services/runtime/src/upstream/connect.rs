//! How connections to upstreams are made.

use std::{net::SocketAddr, time::Duration};

use http::{HeaderValue, uri::Authority};

use super::{GrpcChannel, caller};
use crate::http2::{
    KeepAlive,
    client::{Client, Settings},
};

/// How long connecting may take.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// HTTP/2 pings, by which a host that vanished without closing its connections is noticed.
const KEEP_ALIVE: KeepAlive =
    KeepAlive { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) };

/// Flow-control windows in bytes. A stream that is not read holds up to its own window of the connection's: with larger ones
/// (hyper's defaults are 2 of 5 MiB) three such streams stall every other call. As many streams as the gateway admits fit in
/// this connection window, which is also the most that unread responses of one upstream can occupy.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 512 * STREAM_WINDOW;

/// Cancelled streams whose late frames are ignored.
const REMEMBERED_RESETS: usize = 1_024;

/// Bytes of the headers of a response.
const HEADER_BYTES: u32 = 16 * 1024;

/// Makes the connections of one upstream.
pub(super) struct Connector {
    user_agent: HeaderValue,
}

impl Connector {
    /// `caller` is the name of this process in its spans, which the upstream gets.
    pub(super) fn new(caller: &str) -> Self {
        Self { user_agent: caller::user_agent(caller) }
    }

    /// A connection to this address, where requests have this authority, by which proxies route.
    pub(super) fn connect(&self, address: SocketAddr, authority: Authority) -> GrpcChannel {
        GrpcChannel::new(Client::new(Settings {
            address,
            authority,
            user_agent: self.user_agent.clone(),
            connect_timeout: CONNECT_TIMEOUT,
            keep_alive: KEEP_ALIVE,
            stream_window: STREAM_WINDOW,
            connection_window: CONNECTION_WINDOW,
            remembered_resets: REMEMBERED_RESETS,
            header_bytes: HEADER_BYTES,
        }))
    }
}
