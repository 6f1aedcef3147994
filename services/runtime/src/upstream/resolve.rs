//! The addresses behind the names of an upstream.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use futures_util::future::BoxFuture;
use http::uri::Authority;

/// Finds the addresses of a name.
pub(super) trait Resolve: Send + Sync {
    /// The addresses of `host`, in the order of the answer.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// The system's resolver.
pub(super) struct System;

impl Resolve for System {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// The socket address that needs no resolution: that of an IP address.
pub(super) fn literal(authority: &Authority) -> Option<SocketAddr> {
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    Some(SocketAddr::new(host.parse::<IpAddr>().ok()?, authority.port_u16()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ip_addresses_are_not_resolved() {
        for (text, is_literal) in [("127.0.0.1:1", true), ("[::1]:1", true), ("localhost:1", false)] {
            assert_eq!(literal(&text.parse().unwrap()).is_some(), is_literal, "{text}");
        }
    }

    #[tokio::test]
    async fn the_system_finds_localhost_and_reports_what_it_does_not_find() {
        let found = System.resolve("localhost", 7).await.unwrap();
        assert!(!found.is_empty() && found.iter().all(|address| address.ip().is_loopback()), "{found:?}");
        System.resolve("name.invalid", 7).await.expect_err("no such name");
    }
}
