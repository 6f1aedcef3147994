//! Rules of HTTP that hyper leaves to the application.

use std::net::Ipv6Addr;

use axum::{
    http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header, request::Parts, uri::Authority},
    response::Response,
};
use tonic::Code;

use super::answer::error;

/// The response to a request that no route may see; `None` if the request is fine.
pub(crate) fn refuse(parts: &Parts) -> Option<Response> {
    let (status, code, message) = fault(parts)?;
    let mut response = error(status, code, message);
    if parts.version < Version::HTTP_2 {
        // Where the request ends, or for whom it is meant, is doubtful.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Some(response)
}

fn fault(parts: &Parts) -> Option<(StatusCode, Code, &'static str)> {
    if parts.method == Method::CONNECT {
        let message = "CONNECT is not supported: this is not a proxy";
        return Some((StatusCode::NOT_IMPLEMENTED, Code::Unimplemented, message));
    }
    if !is_plain_or_chunked(&parts.headers) {
        let message = "unsupported transfer encoding; allowed: chunked";
        return Some((StatusCode::NOT_IMPLEMENTED, Code::Unimplemented, message));
    }
    let problem = host_problem(parts)?;
    Some((StatusCode::BAD_REQUEST, Code::InvalidArgument, problem))
}

/// RFC 9112, 6.1.
fn is_plain_or_chunked(headers: &HeaderMap) -> bool {
    headers.get_all(header::TRANSFER_ENCODING).iter().all(|it| it.as_bytes().eq_ignore_ascii_case(b"chunked"))
}

/// RFC 9112, 3.2 and RFC 9113, 8.3.1.
fn host_problem(parts: &Parts) -> Option<&'static str> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => Some("more than one `Host` header"),
        (Some(host), None) if !is_host_and_port(host) => Some("malformed `Host` header"),
        (None, None) if parts.version == Version::HTTP_11 => Some("no `Host` header"),
        (None, None) if parts.version == Version::HTTP_2 && parts.uri.authority().is_none() => {
            Some("no `:authority` and no `Host` header")
        }
        _ => None,
    }
}

fn is_host_and_port(value: &HeaderValue) -> bool {
    let Some(authority) = value.to_str().ok().and_then(|text| text.parse::<Authority>().ok()) else {
        return false;
    };
    let host = authority.host();
    let is_literal = |host: &str| {
        let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        literal.is_some_and(|literal| literal.parse::<Ipv6Addr>().is_ok())
    };
    // A comma is how proxies join repeated headers.
    let is_host = !host.is_empty() && !host.contains(',') && (!host.contains(['[', ']']) || is_literal(host));
    let port = authority.as_str().strip_prefix(host).and_then(|rest| match rest {
        "" | ":" => Some(0),
        _ => rest.strip_prefix(':')?.parse::<u16>().ok(),
    });
    is_host && port.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_and_without_a_port_are_accepted() {
        for host in ["localhost", "a.example:8080", "127.0.0.1", "[::1]:80", "a_b.example", "a.example:"] {
            assert!(is_host_and_port(&HeaderValue::from_static(host)), "{host}");
        }
    }

    #[test]
    fn malformed_hosts_are_refused() {
        for host in
            ["", "a b", "a/b", "user@a", "a:99999", "a:x", "[::1", "a[::1]", "[x]", ":80", "a,b", "a?b"]
        {
            assert!(!is_host_and_port(&HeaderValue::from_static(host)), "{host}");
        }
    }
}
