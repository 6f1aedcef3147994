//! Where the requests go.

use std::net::SocketAddr;

use http::uri::{Authority, PathAndQuery};
use octet_runtime::http_url::HttpUrl;

/// A resolved URL.
#[derive(Debug, Clone)]
pub struct Target {
    pub(crate) url: String,
    pub(crate) authority: Authority,
    pub(crate) path: PathAndQuery,
    /// All addresses of the host; the first that accepts a connection is used.
    pub(crate) addresses: Vec<SocketAddr>,
}

/// Why there is no such target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not a URL that a load can use.
    #[error(
        "{0:?} must be an http:// URL without user, query and fragment, such as http://127.0.0.1:8080/api/greeting"
    )]
    Invalid(String),
    /// The name has no address.
    #[error("{host}: cannot be resolved: {reason}")]
    Unresolved {
        /// The host in the URL.
        host: String,
        /// The resolver's error.
        reason: String,
    },
    /// Another host, without permission.
    #[error("{0} is not a loopback address; loading another host needs --allow-remote")]
    Remote(SocketAddr),
}

impl Target {
    /// Parses `url` and resolves its host. Hosts other than this one need `allow_remote`.
    ///
    /// # Errors
    /// [`TargetError`].
    pub async fn resolve(url: &str, allow_remote: bool) -> Result<Self, TargetError> {
        let invalid = || TargetError::Invalid(url.to_owned());
        let parsed = HttpUrl::parse_http(url).ok_or_else(invalid)?;
        let authority = parsed.authority().clone();
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(80);
        let unresolved = |reason: String| TargetError::Unresolved { host: host.clone(), reason };
        let found = tokio::net::lookup_host((host.as_str(), port)).await;
        let addresses: Vec<_> = found.map_err(|error| unresolved(error.to_string()))?.collect();
        if let Some(remote) = addresses.iter().find(|address| !address.ip().to_canonical().is_loopback())
            && !allow_remote
        {
            return Err(TargetError::Remote(*remote));
        }
        if addresses.is_empty() {
            return Err(unresolved("it has no address".to_owned()));
        }
        let path = if parsed.path().is_empty() { "/" } else { parsed.path() };
        let path = path.parse().map_err(|_| invalid())?;
        Ok(Self { url: parsed.to_string(), authority, path, addresses })
    }

    /// The URL.
    pub fn url(&self) -> &str {
        &self.url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_loopback_addresses_are_allowed_without_the_flag() {
        for url in [
            "http://127.0.0.1:8080/api/greeting",
            "http://[::1]:1",
            "http://127.8.9.1:80/",
            "http://localhost:1",
        ] {
            assert!(Target::resolve(url, false).await.is_ok(), "{url}");
        }
        for url in ["http://192.0.2.1:8080/", "http://[2001:db8::1]:1", "http://0.0.0.0:1"] {
            let refused = Target::resolve(url, false).await.expect_err(url).to_string();
            assert!(refused.contains("--allow-remote"), "{refused}");
            assert!(Target::resolve(url, true).await.is_ok(), "{url}");
        }
    }

    #[tokio::test]
    async fn invalid_urls_are_refused_with_the_url() {
        for url in
            ["", "localhost:8080", "https://localhost/", "http://a@localhost/", "http://localhost/?a=b"]
        {
            let refused = Target::resolve(url, true).await.expect_err(url).to_string();
            assert!(refused.starts_with(&format!("{url:?} must be")), "{refused}");
        }
    }
}
