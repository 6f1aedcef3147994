//! URLs in configuration: `http` or `https`, a host, perhaps a port and a path.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use http::{Uri, uri::Authority};

/// An absolute URL without user info, query and fragment, whose host and port are valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl {
    is_https: bool,
    authority: Authority,
    path: String,
}

impl HttpUrl {
    /// Parses `text`, whose scheme must be `http`.
    pub fn parse_http(text: &str) -> Option<Self> {
        Self::parse(text).filter(|url| !url.is_https)
    }

    /// Parses `text`, whose scheme is `http` or `https`.
    pub fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let is_https = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = uri.authority()?;
        let host = authority.host();
        // `Uri` accepts invalid ports, text after an IPv6 address, and drops a fragment.
        let rest = authority.as_str().strip_prefix(host)?;
        let port = if rest.is_empty() { rest } else { rest.strip_prefix(':')? };
        let has_valid_port = port.is_empty() || port.parse::<u16>().is_ok_and(|port| port > 0);
        if !has_valid_port || !is_host(host) || uri.query().is_some() || text.contains('#') {
            return None;
        }
        let authority = authority.as_str().trim_end_matches(':').parse().ok()?;
        Some(Self { is_https, authority, path: uri.path().trim_end_matches('/').to_owned() })
    }

    /// Host, and port where the URL has one.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Scheme and authority.
    pub fn origin(&self) -> String {
        let scheme = if self.is_https { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }

    /// The path without a slash at its end; empty for `/`.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for HttpUrl {
    /// Without a slash at its end.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.origin(), self.path)
    }
}

/// An IP address, or a name of letters, digits, `-` and `_` in labels. A name whose last label is numeric is an IPv4 address
/// or invalid (RFC 3986, 3.2.2).
fn is_host(host: &str) -> bool {
    if let Some(literal) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return literal.parse::<Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_numeric =
        host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    name.split('.').all(is_label) && (!is_numeric || host.parse::<Ipv4Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_accepted_with_and_without_port_and_path() {
        for (text, url) in [
            ("http://127.0.0.1:9411", "http://127.0.0.1:9411"),
            ("http://zipkin/", "http://zipkin"),
            ("http://zipkin:", "http://zipkin"),
            ("http://[::1]:9411/prefix/", "http://[::1]:9411/prefix"),
            ("https://api.example.com", "https://api.example.com"),
            ("https://example.com/octet/", "https://example.com/octet"),
        ] {
            assert_eq!(HttpUrl::parse(text).map(|url| url.to_string()).as_deref(), Some(url), "{text}");
        }
        assert_eq!(HttpUrl::parse_http("https://zipkin"), None);
    }

    #[test]
    fn invalid_urls_are_refused() {
        for text in [
            "",
            "zipkin:9411",
            "api.example.com",
            "ftp://api.example.com",
            "javascript:alert(1)",
            "https://",
            "/path",
            "http://user:secret@zipkin",
            "http://zipkin:0",
            "http://zipkin:99999",
            "http://zipkin:port",
            "http://zipkin?x",
            "http://zipkin/?x=1",
            "http://zipkin/#x",
            "http://a b",
            "http://[b]:1",
            "http://[::1]88",
            "http://[::1]x:88",
            "http://[]:1",
            "http://b,c:1",
            "http://300.1.1.1:1",
            "http://b..c:1",
            "http://12:1",
        ] {
            assert_eq!(HttpUrl::parse(text), None, "{text:?}");
        }
    }
}
