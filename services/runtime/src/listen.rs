//! The address of a server: parsed from `PORT` and `ADMIN_PORT`, bound before any work starts.

use std::{
    fmt,
    net::{Ipv6Addr, SocketAddr},
};

use tokio::net::TcpListener;

use crate::environment::Environment;

/// Completes the sentence "must be …".
const ALLOWED: &str =
    "a port (50051), a port with a colon (:50051) or an address with a port (127.0.0.1:50051)";

/// Where to listen, and the variable that configured it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    address: SocketAddr,
    variable: &'static str,
}

impl ListenAddress {
    /// Reads `variable`. `default` is a port on every interface.
    pub fn from_environment(environment: &mut Environment<'_>, variable: &'static str, default: u16) -> Self {
        let everywhere = SocketAddr::from((Ipv6Addr::UNSPECIFIED, default));
        let address = environment.or(variable, ALLOWED, everywhere, parse);
        Self { address, variable }
    }

    /// The configured address. Port 0 lets the system choose a free one.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Binds it.
    ///
    /// # Errors
    /// [`BindError`] when the port is in use or forbidden, or the address is not this host's.
    pub async fn bind(&self) -> Result<TcpListener, BindError> {
        let bound = match TcpListener::bind(self.address).await {
            // A host without IPv6 still has every IPv4 interface.
            Err(error) if is_everywhere(self.address) && is_unsupported(&error) => {
                TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], self.address.port()))).await
            }
            bound => bound,
        };
        bound.map_err(|source| BindError { address: self.address, variable: self.variable, source })
    }
}

/// A port that cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: cannot listen on {address}: {source}")]
pub struct BindError {
    address: SocketAddr,
    variable: &'static str,
    source: std::io::Error,
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

fn parse(text: &str) -> Result<SocketAddr, ()> {
    let digits = text.strip_prefix(':').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let port = digits.parse::<u16>().map_err(drop)?;
        return Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
    }
    match text.strip_prefix("localhost:") {
        Some(port) => port.parse::<u16>().map(|port| SocketAddr::from(([127, 0, 0, 1], port))).map_err(drop),
        None => text.parse().map_err(drop),
    }
}

fn is_everywhere(address: SocketAddr) -> bool {
    address.is_ipv6() && address.ip().is_unspecified()
}

fn is_unsupported(error: &std::io::Error) -> bool {
    // EAFNOSUPPORT and EADDRNOTAVAIL, from kernels without IPv6.
    matches!(error.raw_os_error(), Some(97 | 99))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_a_port_is_accepted() {
        for (text, address) in [
            ("50051", "[::]:50051"),
            (":50051", "[::]:50051"),
            ("127.0.0.1:50051", "127.0.0.1:50051"),
            ("localhost:1", "127.0.0.1:1"),
            ("[::1]:0", "[::1]:0"),
        ] {
            assert_eq!(parse(text), Ok(address.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn invalid_ports_are_refused() {
        for text in ["", ":", "65536", "-1", "http://x:1", "1.2.3.4", "a:b", "50051 "] {
            assert_eq!(parse(text), Err(()), "{text:?}");
        }
    }
}
