//! The address of an upstream: `SERVICE_B_URL`, as the 2021 platform named it.

use std::fmt;

use http::uri::Authority;

use crate::{environment::Environment, http_url::HttpUrl};

/// The port of every service by default.
const DEFAULT_PORT: u16 = 50051;

/// Host and port of an upstream, without TLS, which between services is the mesh's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamAddress(Authority);

impl UpstreamAddress {
    /// Reads `<prefix>_URL`: `host:port` or a URL; `<name>:50051` when unset.
    ///
    /// Returns `None` after a fault.
    pub fn from_environment(environment: &mut Environment<'_>, name: &str, prefix: &str) -> Option<Self> {
        let variable = format!("{prefix}_URL");
        let text = environment.text(&variable).unwrap_or_else(|| format!("{name}:{DEFAULT_PORT}"));
        let address = parse(&text);
        if address.is_none() {
            environment.fault(
                variable,
                format!("must be host:port or http://host:port, for example {name}:{DEFAULT_PORT}"),
            );
        }
        address
    }

    /// The host's name or address, and the port.
    pub(crate) fn host_and_port(&self) -> (&str, Option<u16>) {
        (self.0.host(), self.0.port_u16())
    }

    /// The address as a URI without a path.
    pub(crate) fn uri(&self) -> String {
        format!("http://{}", self.0)
    }
}

impl fmt::Display for UpstreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn parse(text: &str) -> Option<UpstreamAddress> {
    let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = HttpUrl::parse_http(&url).filter(|url| url.path().is_empty())?;
    let authority = url.authority();
    if authority.port().is_some() {
        return Some(UpstreamAddress(authority.clone()));
    }
    format!("{authority}:{DEFAULT_PORT}").parse().ok().map(UpstreamAddress)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_and_urls_are_accepted() {
        for (text, address) in [
            ("service-b:50051", "service-b:50051"),
            ("http://service-b:1", "service-b:1"),
            ("http://service-b/", "service-b:50051"),
            ("service-b", "service-b:50051"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(parse(text).map(|parsed| parsed.to_string()).as_deref(), Some(address), "{text}");
        }
    }

    #[test]
    fn invalid_addresses_are_refused() {
        for text in [
            "",
            ":80",
            "http://",
            "https://b:1",
            "b:port",
            "b:99999",
            "b:0",
            "b:1/path",
            "b:1?q",
            "user:secret@b:1",
            "a b",
            "12:1",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
