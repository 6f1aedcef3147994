//! Where an upstream is: `SERVICE_B_URL`, as the 2021 platform named it.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use http::{Uri, uri::Authority};

use crate::environment::Environment;

/// The port of every service, unless its address says otherwise.
const DEFAULT_PORT: u16 = 50051;

/// Host and port of an upstream, in plain text: TLS between services is the mesh's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamAddress(Authority);

impl UpstreamAddress {
    /// Reads `<prefix>_URL`: `host:port` or a URL; `<name>:50051` when unset.
    ///
    /// Answers `None` after a fault.
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
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority()?;
    let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
    let is_plain = uri.scheme_str() == Some("http") && !authority.as_str().contains('@');
    let literal = authority.host().strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host =
        literal.map_or_else(|| is_name(authority.host()), |literal| literal.parse::<Ipv6Addr>().is_ok());
    if !is_bare || !is_plain || !is_host {
        return None;
    }
    if authority.port().is_some() {
        // `port_u16` refuses what is no port, and `host:` as well.
        authority.port_u16().filter(|port| *port > 0)?;
        return Some(UpstreamAddress(authority.clone()));
    }
    let with_port = format!("{}:{DEFAULT_PORT}", authority.as_str().trim_end_matches(':'));
    with_port.parse().ok().map(UpstreamAddress)
}

/// A name of letters, digits, `-`, `_` and dots between, or an IPv4 address: what ends in digits alone is no name
/// (RFC 3986 calls it an address, and resolvers agree).
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let mut labels = host.strip_suffix('.').unwrap_or(host).split('.');
    let is_numeric =
        host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    labels.all(is_label) && (!is_numeric || host.parse::<Ipv4Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_and_urls_are_taken() {
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
    fn what_is_no_plain_address_is_refused() {
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
            "[b]:1",
            "[]:1",
            "b,c:1",
            "300.1.1.1:1",
            "b..c:1",
            "12:1",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
