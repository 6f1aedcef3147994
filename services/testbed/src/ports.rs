//! Ports that nothing listens on.

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::sync::{LazyLock, Mutex, PoisonError};

/// Below the range from which systems take the ports of outgoing connections: a server that was killed
/// finds its port free when it comes back.
pub(crate) const RANGE: Range<u16> = 20_000..32_000;

/// No port is handed out twice in a process.
static HANDED_OUT: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// A port on which nothing listens now, on any address.
pub(crate) fn free() -> u16 {
    let mut handed_out = HANDED_OUT.lock().unwrap_or_else(PoisonError::into_inner);
    std::iter::repeat_with(|| fastrand::u16(RANGE))
        .take(10_000)
        .find(|port| !handed_out.contains(port) && is_free(*port) && handed_out.insert(*port))
        .expect("a port between 20000 and 32000 is free")
}

/// A port of 127.0.0.1 that nobody else gets while this lives: for servers whose callers are told of them first.
pub struct ReservedPort(TcpListener);

impl ReservedPort {
    /// Takes a free one.
    ///
    /// # Panics
    /// Where none is to be had.
    pub fn take() -> Self {
        let take = || TcpListener::bind((Ipv4Addr::LOCALHOST, free())).ok();
        Self(std::iter::repeat_with(take).take(100).flatten().next().expect("a free port can be taken"))
    }

    /// Where its server will listen.
    ///
    /// # Panics
    /// Never: it is bound.
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("it is bound")
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
        // A machine without IPv6 has nothing that listens there.
        && TcpListener::bind((Ipv6Addr::LOCALHOST, port))
            .map_or_else(|error| error.kind() != std::io::ErrorKind::AddrInUse, |_| true)
}
