//! Who may change a running process: a client with the token or, where none is set, a client on the same host.

use std::{fmt, net::IpAddr};

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use subtle::ConstantTimeEq;

use crate::{environment::Environment, serve::Peer};

/// Completes the sentence "must be …".
const ALLOWED: &str = "16 to 512 visible ASCII characters without spaces";

/// Headers of proxies: such a request comes through this host's proxy, from any client behind it.
const PROXY_HEADERS: [&str; 7] = [
    "forwarded",
    "via",
    "x-envoy-external-address",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

/// Who may make changes through the admin server. Reading needs no permission.
#[derive(Clone, Default)]
pub struct AdminAccess {
    token: Option<String>,
}

/// Why a change is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// A token is set, and the request has another or none.
    WrongToken,
    /// No token is set, and the request is not from this host.
    NotLocal,
}

impl AdminAccess {
    /// Reads `ADMIN_TOKEN`, or the file that `ADMIN_TOKEN_FILE` names.
    pub fn from_environment(environment: &mut Environment<'_>) -> Self {
        const VARIABLE: &str = "ADMIN_TOKEN";
        let token = environment.secret(VARIABLE);
        if token.as_ref().is_some_and(|token| !is_token(token)) {
            environment.fault(VARIABLE, format!("must be {ALLOWED}"));
        }
        Self { token }
    }

    /// Whether only the token counts.
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether the request may make a change.
    ///
    /// Without a token: only from 127.0.0.1 or `::1`, with a `Host` of these or `localhost`, and not through a proxy. A
    /// sidecar's requests come from this host too (Istio's from 127.0.0.6), and so do those of any page in a browser.
    ///
    /// # Errors
    /// [`Denied`], with the reason.
    pub fn check(&self, request: &Parts) -> Result<(), Denied> {
        match &self.token {
            Some(token) => {
                let sent = bearer(&request.headers);
                if sent.is_some_and(|sent| sent.as_bytes().ct_eq(token.as_bytes()).into()) {
                    Ok(())
                } else {
                    Err(Denied::WrongToken)
                }
            }
            None if is_local(request) => Ok(()),
            None => Err(Denied::NotLocal),
        }
    }
}

impl fmt::Debug for AdminAccess {
    /// Without the token.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AdminAccess").field("has_token", &self.token.is_some()).finish()
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        match self {
            Self::WrongToken => {
                let challenge =
                    (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"octet admin\""));
                let message = "send 'Authorization: Bearer TOKEN' with this process's ADMIN_TOKEN\n";
                (StatusCode::UNAUTHORIZED, [challenge], message).into_response()
            }
            Self::NotLocal => {
                let message = "without ADMIN_TOKEN only requests from this host may make changes: use http://localhost:PORT \
                    (kubectl port-forward works), or set ADMIN_TOKEN\n";
                (StatusCode::FORBIDDEN, message).into_response()
            }
        }
    }
}

fn is_token(text: &str) -> bool {
    (16..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// RFC 6750, 2.1: the scheme in any case, then the token.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether the request comes from 127.0.0.1 or `::1`, to a `Host` of these or `localhost`, and not through a proxy.
pub fn is_local(request: &Parts) -> bool {
    let peer = request.extensions.get::<Peer>().map(|Peer(address)| address.ip().to_canonical());
    let is_near = peer.is_some_and(is_loopback);
    is_near && !came_through_proxy(&request.headers) && has_local_host(request)
}

/// Whether a proxy has left a header.
pub fn came_through_proxy(headers: &HeaderMap) -> bool {
    PROXY_HEADERS.iter().any(|name| headers.contains_key(*name))
}

/// Whether `Host` is a loopback address or `localhost`, which no name of an attacker can be.
fn has_local_host(request: &Parts) -> bool {
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = host.and_then(|host| host.parse::<Uri>().ok()).and_then(|uri| uri.authority().cloned());
    let Some(authority) = authority.or_else(|| request.uri.authority().cloned()) else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_loopback)
}

fn is_loopback(address: IpAddr) -> bool {
    address == IpAddr::from([127, 0, 0, 1]) || address == IpAddr::from(std::net::Ipv6Addr::LOCALHOST)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::http::Request;

    use super::*;

    const TOKEN: &str = "a-token-of-enough-length";

    fn access(token: &str) -> Result<AdminAccess, String> {
        let variables = BTreeMap::from([("ADMIN_TOKEN".to_owned(), token.to_owned())]);
        let mut environment = Environment::new(&variables);
        let access = AdminAccess::from_environment(&mut environment);
        environment.finish(access).map_err(|faults| faults.to_string())
    }

    fn request(peer: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::put("/log-level");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(Peer(format!("{peer}:4711").parse().unwrap()));
        parts
    }

    #[test]
    fn with_a_token_set_only_the_token_counts() {
        let access = access(TOKEN).unwrap();
        let local = "127.0.0.1";
        let sends = |value: &str| access.check(&request("192.0.2.1", &[("authorization", value)]));
        assert_eq!(sends(&format!("Bearer {TOKEN}")), Ok(()));
        assert_eq!(sends(&format!("bearer  {TOKEN} ")), Ok(()));
        for wrong in
            ["Bearer", "Bearer ", "Basic YTpi", TOKEN, "Bearer a-token-of-enough-lengtH", "Bearer a-token"]
        {
            assert_eq!(sends(wrong), Err(Denied::WrongToken), "{wrong}");
        }
        assert_eq!(access.check(&request(local, &[("host", "localhost:9001")])), Err(Denied::WrongToken));
    }

    #[test]
    fn without_a_token_only_this_host_may_make_changes() {
        let access = AdminAccess::default();
        for (peer, host) in [
            ("127.0.0.1", "localhost:9001"),
            ("127.0.0.1", "127.0.0.1:9001"),
            ("[::1]", "[::1]:9001"),
            ("[::ffff:127.0.0.1]", "localhost"),
        ] {
            assert_eq!(access.check(&request(peer, &[("host", host)])), Ok(()), "{peer} {host}");
        }
        for (peer, host) in [
            ("192.0.2.1", "localhost:9001"),
            // Istio's sidecar.
            ("127.0.0.6", "localhost:9001"),
            // A page whose name resolves to this host (DNS rebinding).
            ("127.0.0.1", "attacker.example:9001"),
            ("127.0.0.1", "192.0.2.1"),
            ("127.0.0.1", ""),
        ] {
            assert_eq!(
                access.check(&request(peer, &[("host", host)])),
                Err(Denied::NotLocal),
                "{peer} {host}"
            );
        }
        let forwarded = [("host", "localhost"), ("x-forwarded-for", "127.0.0.1")];
        assert_eq!(access.check(&request("127.0.0.1", &forwarded)), Err(Denied::NotLocal));
    }

    #[test]
    fn an_invalid_token_is_refused_and_never_shown() {
        for wrong in ["hunter2", "hunter2 hunter2 hunter2", &"hunter2".repeat(100)] {
            let fault = access(wrong).expect_err(wrong);
            assert!(
                fault.starts_with("ADMIN_TOKEN: must be 16 to 512") && !fault.contains("hunter2"),
                "{fault}"
            );
        }
        assert!(!format!("{:?}", access(TOKEN).unwrap()).contains(TOKEN));
    }
}
