//! What every request has at the edge, whatever answers it: the client's address, a log line, CORS, security headers.

mod answer;
mod cors;
mod leftover;
mod log;
mod proxies;
mod request_check;
mod security;
mod weight;

use std::net::IpAddr;

pub(crate) use self::{
    answer::{error, json, no_route, not_allowed, overloaded},
    leftover::Leftover,
    log::{Labels, Observed},
    request_check::refuse,
    security::complete as complete_security,
    weight::is_refusal,
};
pub use self::{cors::Origins, proxies::TrustedProxies};

/// The client's address: the connection's peer, or the one that trusted proxies report.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// The request came through a proxy. Headers that say so are removed where the proxy is not trusted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proxied;
