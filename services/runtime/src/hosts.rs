//! Which values of `Host` a server accepts: `ALLOWED_HOSTS`.
//!
//! A web page can have its own name resolve to a server inside a network (DNS rebinding), and then read its responses as its
//! own. The browser sends that name as `Host`.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{StatusCode, Uri, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::environment::Environment;

/// Top-level domains that nobody can register: those of hosts, networks and clusters.
const LOCAL_DOMAINS: [&str; 5] = ["localhost", "local", "internal", "svc", "arpa"];

/// The accepted hosts: IP addresses, names without a dot, names in domains that cannot be registered, and those of
/// `ALLOWED_HOSTS`. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct AllowedHosts(Arc<[String]>);

impl AllowedHosts {
    /// Reads `ALLOWED_HOSTS`: a comma-separated list of names; one with a leading dot includes its subdomains.
    pub fn from_environment(environment: &mut Environment<'_>) -> Self {
        let allowed = "a comma-separated list of host names, such as octet.example.com or .example.com";
        let names = environment.or("ALLOWED_HOSTS", allowed, Vec::new(), |text| {
            let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
            names.map(|name| if is_name(name) { Ok(name.to_ascii_lowercase()) } else { Err(()) }).collect()
        });
        Self(names.into())
    }

    /// Whether a request's `Host`, or its `:authority` in HTTP/2, is accepted. A request with neither is not.
    pub fn accept(&self, request: &Parts) -> bool {
        let mut hosts = request.headers.get_all(header::HOST).iter();
        let host = match (request.uri.host(), hosts.next(), hosts.next()) {
            (Some(host), _, None) => host.to_owned(),
            (None, Some(host), None) => {
                let uri = host.to_str().ok().and_then(|host| host.parse::<Uri>().ok());
                let Some(host) = uri.as_ref().and_then(Uri::host) else { return false };
                host.to_owned()
            }
            _ => return false,
        };
        self.contain(host.trim_start_matches('[').trim_end_matches(']'))
    }

    fn contain(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        if host.parse::<IpAddr>().is_ok() {
            return true;
        }
        let is_local = host.rsplit('.').next().is_none_or(|domain| LOCAL_DOMAINS.contains(&domain));
        let is_allowed = |name: &String| match name.strip_prefix('.') {
            Some(domain) => host == domain || host.ends_with(name.as_str()),
            None => host == *name,
        };
        !host.contains('.') || is_local || self.0.iter().any(is_allowed)
    }
}

/// Middleware that refuses requests to other hosts.
pub async fn check(State(hosts): State<AllowedHosts>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if hosts.accept(&parts) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let message = "host not allowed: use an IP address or a local name, or set ALLOWED_HOSTS\n";
    (StatusCode::FORBIDDEN, message).into_response()
}

fn is_name(name: &str) -> bool {
    let name = name.strip_prefix('.').unwrap_or(name);
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty() && name.bytes().all(is_allowed) && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn hosts(list: &str) -> Result<AllowedHosts, String> {
        let variables = BTreeMap::from([("ALLOWED_HOSTS".to_owned(), list.to_owned())]);
        let mut environment = Environment::new(&variables);
        let hosts = AllowedHosts::from_environment(&mut environment);
        environment.finish(hosts).map_err(|faults| faults.to_string())
    }

    fn accept(hosts: &AllowedHosts, uri: &str, headers: &[&str]) -> bool {
        let request = headers.iter().fold(Request::get(uri), |request, host| request.header("host", *host));
        hosts.accept(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn addresses_local_names_and_configured_names_are_accepted() {
        let hosts = hosts("octet.example.com, .Example.org").unwrap();
        for host in [
            "127.0.0.1:9001",
            "192.0.2.1",
            "[::1]:9001",
            "localhost:9001",
            "LOCALHOST",
            "service-a:9001",
            "octet-service-a.shop.svc.cluster.local:9001",
            "octet-service-a.shop.svc",
            "octet.example.com",
            "Octet.Example.Com.",
            "example.org",
            "a.b.example.org:443",
        ] {
            assert!(accept(&hosts, "/", &[host]), "{host}");
        }
        assert!(accept(&hosts, "http://service-a:9001/", &[]), "the authority of HTTP/2");
    }

    #[test]
    fn other_missing_repeated_and_malformed_hosts_are_refused() {
        let hosts = hosts("octet.example.com").unwrap();
        for host in [
            "attacker.example:9001",
            "example.com",
            "x.octet.example.com",
            "octet.example.com.attacker.example",
            "",
            "a b",
        ] {
            assert!(!accept(&hosts, "/", &[host]), "{host}");
        }
        assert!(!accept(&hosts, "/", &[]));
        assert!(!accept(&hosts, "/", &["localhost", "localhost"]));
        assert!(!accept(&hosts, "http://attacker.example/", &["localhost"]), "the authority decides");
    }

    #[test]
    fn an_invalid_list_is_refused() {
        for list in ["a b", "http://a", "a:1", "*", ".", "a..b"] {
            assert!(hosts(list).unwrap_err().starts_with("ALLOWED_HOSTS: must be"), "{list}");
        }
    }
}
