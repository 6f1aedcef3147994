//! The addresses of an upstream: `SERVICE_B_URL`, as the 2021 platform named it.

use std::fmt;

use http::uri::Authority;

use crate::{environment::Environment, http_url::HttpUrl};

/// The port of every service by default.
const DEFAULT_PORT: u16 = 50051;

/// The most addresses of one upstream, listed or found by DNS.
pub(super) const MAX_ADDRESSES: usize = 64;

/// Host and port of an upstream, without TLS, which between services is the mesh's. Several where it has replicas that no
/// name and no proxy unites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamAddress {
    first: Authority,
    others: Vec<Authority>,
}

impl UpstreamAddress {
    /// Reads `<prefix>_URL`: `host:port` or a URL, or several of them, separated by commas; `<name>:50051` when unset.
    ///
    /// Returns `None` after a fault.
    pub fn from_environment(environment: &mut Environment<'_>, name: &str, prefix: &str) -> Option<Self> {
        let variable = format!("{prefix}_URL");
        let text = environment.text(&variable).unwrap_or_else(|| format!("{name}:{DEFAULT_PORT}"));
        match parse(&text) {
            Ok(address) => Some(address),
            Err(problem) => {
                let message = match problem {
                    Problem::Malformed => format!(
                        "must be host:port or http://host:port, for example {name}:{DEFAULT_PORT}; several are separated by \
                         commas"
                    ),
                    Problem::Twice(address) => format!("{address} is named twice"),
                    Problem::TooMany => format!("must have at most {MAX_ADDRESSES} addresses"),
                };
                environment.fault(variable, message);
                None
            }
        }
    }

    /// The host's name or address, and the port; of the first, where there are several.
    pub(crate) fn host_and_port(&self) -> (&str, Option<u16>) {
        (self.first.host(), self.first.port_u16())
    }

    /// The address, if it is one.
    pub(super) fn only(&self) -> Option<&Authority> {
        self.others.is_empty().then_some(&self.first)
    }

    /// Each address.
    pub(super) fn all(&self) -> impl Iterator<Item = &Authority> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl fmt::Display for UpstreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        self.others.iter().try_for_each(|other| write!(f, ",{other}"))
    }
}

/// Why a text is not an address.
#[derive(Debug, PartialEq, Eq)]
enum Problem {
    Malformed,
    Twice(Authority),
    TooMany,
}

fn parse(text: &str) -> Result<UpstreamAddress, Problem> {
    let mut addresses = text.split(',').map(|text| one(text.trim()).ok_or(Problem::Malformed));
    let first = addresses.next().ok_or(Problem::Malformed)??;
    let mut address = UpstreamAddress { first, others: Vec::new() };
    for other in addresses {
        let other = other?;
        if address.all().any(|known| *known == other) {
            return Err(Problem::Twice(other));
        }
        address.others.push(other);
        if address.others.len() >= MAX_ADDRESSES {
            return Err(Problem::TooMany);
        }
    }
    Ok(address)
}

fn one(text: &str) -> Option<Authority> {
    let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = HttpUrl::parse_http(&url).filter(|url| url.path().is_empty())?;
    let authority = url.authority();
    if authority.port().is_some() {
        return Some(authority.clone());
    }
    format!("{authority}:{DEFAULT_PORT}").parse().ok()
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
            ("127.0.0.1:1, http://127.0.0.1:2,b", "127.0.0.1:1,127.0.0.1:2,b:50051"),
        ] {
            let parsed = parse(text).map(|parsed| parsed.to_string());
            assert_eq!(parsed.as_deref(), Ok(address), "{text}");
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
            "a:1,",
            ",a:1",
            "a:1,,b:1",
            "a:1;b:1",
        ] {
            assert_eq!(parse(text), Err(Problem::Malformed), "{text:?}");
        }
    }

    #[test]
    fn a_list_names_no_address_twice_and_is_bounded() {
        assert!(matches!(parse("a,b:1,a:50051"), Err(Problem::Twice(_))));
        let list = |length: u16| (1..=length).map(|port| format!("a:{port}")).collect::<Vec<_>>().join(",");
        let most = u16::try_from(MAX_ADDRESSES).unwrap();
        assert!(parse(&list(most)).is_ok());
        assert_eq!(parse(&list(most + 1)), Err(Problem::TooMany));
    }
}
