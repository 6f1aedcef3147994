//! Who may change something through the gateway: start a load, set a fault.
//!
//! A program on this host, and the gateway's own page in a browser on this host. No page of another origin: `Origin` names
//! the page, and `Host` is an address or `localhost`, which no page of an attacker can have as its own name (DNS
//! rebinding). `ALLOWED_ORIGINS` does not extend this.

use axum::http::{HeaderValue, Uri, header, request::Parts, uri::Authority};
use octet_runtime::admin::is_local;

use crate::edge::Proxied;

/// Why a request may not change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// It is not from this host, or came through a proxy.
    Remote,
    /// It is from a page of another origin.
    OtherPage,
}

impl Stranger {
    /// The reason; `what` says what the request may not do.
    pub(crate) fn reason(self, what: &str) -> String {
        match self {
            Self::Remote => {
                format!(
                    "only clients on the gateway's host may {what}, at http://localhost and not through a proxy"
                )
            }
            Self::OtherPage => format!("pages of other origins may not {what}"),
        }
    }
}

/// Whether the request comes from this host, not through a proxy, and not from a page of another origin.
pub(crate) fn check(request: &Parts) -> Result<(), Stranger> {
    if !is_local(request) || request.extensions.get::<Proxied>().is_some() {
        return Err(Stranger::Remote);
    }
    if !has_own_origin(request) {
        return Err(Stranger::OtherPage);
    }
    Ok(())
}

/// `application/json`. A form of another page cannot have it without the gateway's consent (CORS).
pub(crate) fn is_json(request: &Parts) -> bool {
    let content_type = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next());
    media_type.is_some_and(|it| it.trim().eq_ignore_ascii_case("application/json"))
}

/// Whether `Origin`, if there is one, is the host to which the request was sent.
fn has_own_origin(request: &Parts) -> bool {
    let mut origins = request.headers.get_all(header::ORIGIN).iter();
    let origin = match (origins.next(), origins.next()) {
        (None, _) => return !is_cross_site(request),
        (Some(origin), None) => origin,
        _ => return false,
    };
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri.authority().map(Authority::as_str));
    let uri = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    let authority = uri.as_ref().and_then(Uri::authority).map(Authority::as_str);
    authority.is_some() && authority == host
}

/// Browsers say where a request comes from, also where they send no `Origin`.
fn is_cross_site(request: &Parts) -> bool {
    let site = request.headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    site.is_some_and(|site| site != b"same-origin" && site != b"none")
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use octet_runtime::serve::Peer;

    use super::*;

    fn checked(peer: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::post("/api/load");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).expect("a request").into_parts();
        parts.extensions.insert(Peer(format!("{peer}:4711").parse().expect("an address")));
        check(&parts).is_ok()
    }

    #[test]
    fn programs_on_this_host_and_the_gateways_own_page_may() {
        for headers in [
            &[("host", "127.0.0.1:8080")][..],
            &[("host", "localhost:8080"), ("origin", "http://localhost:8080")],
            &[("host", "[::1]:8080"), ("origin", "http://[::1]:8080"), ("sec-fetch-site", "same-origin")],
        ] {
            assert!(checked("127.0.0.1", headers), "{headers:?}");
        }
    }

    #[test]
    fn other_pages_other_hosts_and_proxies_may_not() {
        for (peer, headers) in [
            ("127.0.0.1", &[("host", "localhost:8080"), ("origin", "http://attacker.example")][..]),
            ("127.0.0.1", &[("host", "localhost:8080"), ("origin", "http://localhost:3000")]),
            ("127.0.0.1", &[("host", "localhost:8080"), ("origin", "null")]),
            ("127.0.0.1", &[("host", "localhost"), ("origin", "http://localhost"), ("origin", "http://b")]),
            ("127.0.0.1", &[("host", "localhost:8080"), ("sec-fetch-site", "cross-site")]),
            ("127.0.0.1", &[("host", "attacker.example"), ("origin", "http://attacker.example")]),
            ("127.0.0.1", &[("host", "localhost"), ("x-forwarded-for", "192.0.2.1")]),
            ("192.0.2.1", &[("host", "localhost")]),
        ] {
            assert!(!checked(peer, headers), "{peer} {headers:?}");
        }
    }

    #[test]
    fn a_plan_is_json() {
        let is = |value: &str| {
            let request = Request::post("/").header("content-type", value).body(()).expect("a request");
            is_json(&request.into_parts().0)
        };
        assert!(is("application/json") && is("Application/JSON; charset=utf-8"));
        assert!(!is("text/plain") && !is("application/x-www-form-urlencoded") && !is(""));
    }
}
