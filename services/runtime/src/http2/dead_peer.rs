//! Notices a peer that vanished without closing its connection.

use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{sleep, timeout};

use super::socket::LastRead;

/// When a silent peer is asked, and how long it may take to respond.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeepAlive {
    /// Silence after which a ping is sent.
    pub(crate) interval: Duration,
    /// How long the response may take.
    pub(crate) timeout: Duration,
}

impl KeepAlive {
    /// Resolves when the peer does not respond to a ping.
    pub(super) async fn lost(self, mut pings: PingPong, last_read: LastRead) {
        loop {
            let silence = last_read.elapsed();
            if let Some(rest) = self.interval.checked_sub(silence).filter(|rest| !rest.is_zero()) {
                sleep(rest).await;
            } else if !matches!(timeout(self.timeout, pings.ping(Ping::opaque())).await, Ok(Ok(_))) {
                return;
            }
        }
    }
}
