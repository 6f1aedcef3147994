//! HTTP/2 (RFC 9113) by h2, for servers and for connections to upstreams.
//!
//! Only a body for each direction stands between a stream and a service or a caller: hyper and tonic's transport took half
//! of a hop's CPU (decision 0037).

pub(crate) mod client;
mod dead_peer;
mod incoming;
mod outgoing;
pub(crate) mod server;
mod socket;

pub(crate) use dead_peer::KeepAlive;
pub(crate) use incoming::Incoming;

#[cfg(test)]
mod tests;
