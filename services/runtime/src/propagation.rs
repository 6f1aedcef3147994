//! Which headers a call propagates to the next hop.
//!
//! Istio's rule: an application forwards the headers that its sidecar needs to join a trace, and nothing else. Credentials
//! and cookies never pass.

use http::{HeaderMap, HeaderName};

use crate::environment::Environment;

// B3's headers, then W3C's.
pub(crate) const X_B3_TRACEID: HeaderName = HeaderName::from_static("x-b3-traceid");
pub(crate) const X_B3_SPANID: HeaderName = HeaderName::from_static("x-b3-spanid");
pub(crate) const X_B3_PARENTSPANID: HeaderName = HeaderName::from_static("x-b3-parentspanid");
pub(crate) const X_B3_SAMPLED: HeaderName = HeaderName::from_static("x-b3-sampled");
pub(crate) const X_B3_FLAGS: HeaderName = HeaderName::from_static("x-b3-flags");
pub(crate) const B3: HeaderName = HeaderName::from_static("b3");
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The headers of a call's trace context. Where an exporter is on, every hop replaces them.
pub(crate) static TRACE_HEADERS: [HeaderName; 8] =
    [X_B3_TRACEID, X_B3_SPANID, X_B3_PARENTSPANID, X_B3_SAMPLED, X_B3_FLAGS, B3, TRACEPARENT, TRACESTATE];

/// Further headers that every hop propagates.
static OTHER_HEADERS: [HeaderName; 3] =
    [X_REQUEST_ID, HeaderName::from_static("x-ot-span-context"), HeaderName::from_static("baggage")];

/// Never propagated, even if `PROPAGATE_HEADERS` names them: credentials, and headers of one connection (RFC 9110, 7.6.1)
/// or of the framing of one message.
const REFUSED: [&str; 22] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "www-authenticate",
    "x-api-key",
    "x-forwarded-client-cert",
];

/// Identifies a request from the edge to the last log line.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The headers that are propagated.
#[derive(Debug, Clone)]
pub struct Propagation {
    names: Vec<HeaderName>,
}

impl Propagation {
    /// The fixed list and what `PROPAGATE_HEADERS` adds to it.
    pub fn from_environment(environment: &mut Environment<'_>) -> Self {
        const VARIABLE: &str = "PROPAGATE_HEADERS";
        let mut propagation = Self::default();
        for name in environment.text(VARIABLE).unwrap_or_default().split(',').map(str::trim) {
            match added(name) {
                Ok(Some(name)) if !propagation.carries(&name) => propagation.names.push(name),
                Ok(_) => {}
                Err(problem) => environment.fault(VARIABLE, problem),
            }
        }
        propagation
    }

    /// Whether `name` is propagated.
    pub fn carries(&self, name: &HeaderName) -> bool {
        self.names.contains(name)
    }

    /// The headers that the next hop receives, byte for byte. Empty values are omitted: an empty `x-b3-parentspanid` breaks
    /// the trace at the next proxy.
    pub fn carried(&self, headers: &HeaderMap) -> HeaderMap {
        let mut carried = HeaderMap::new();
        // A call has fewer headers than there are names to look up.
        for (name, value) in headers {
            if !value.is_empty() && self.carries(name) {
                carried.append(name, value.clone());
            }
        }
        carried
    }
}

impl Default for Propagation {
    fn default() -> Self {
        Self { names: fixed().cloned().collect() }
    }
}

/// Propagated by every hop, when present and not empty.
fn fixed() -> impl Iterator<Item = &'static HeaderName> {
    TRACE_HEADERS.iter().chain(&OTHER_HEADERS)
}

/// One entry of `PROPAGATE_HEADERS`; `None` where it is empty.
fn added(name: &str) -> Result<Option<HeaderName>, String> {
    if name.is_empty() {
        return Ok(None);
    }
    let name = HeaderName::try_from(name)
        .map_err(|_| "must be a comma-separated list of header names".to_owned())?;
    if name.as_str().starts_with("octet-") {
        return Err(format!("must not name {name}: Octet decides itself where its headers go"));
    }
    if REFUSED.contains(&name.as_str()) || name.as_str().starts_with("grpc-") {
        return Err(format!(
            "must not name {name}: credentials, grpc-* and hop-by-hop headers are never propagated"
        ));
    }
    Ok(Some(name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use http::HeaderValue;

    use super::*;

    fn with(value: &str) -> Result<Propagation, String> {
        let variables = BTreeMap::from([("PROPAGATE_HEADERS".to_owned(), value.to_owned())]);
        let mut environment = Environment::new(&variables);
        let propagation = Propagation::from_environment(&mut environment);
        environment.finish(propagation).map_err(|faults| faults.to_string())
    }

    #[test]
    fn trace_headers_are_propagated_and_credentials_are_not() {
        let mut headers = HeaderMap::new();
        for name in fixed() {
            headers.insert(name, HeaderValue::from_static("1"));
        }
        let expected = headers.clone();
        for name in ["authorization", "cookie", "x-other", "grpc-timeout", "te"] {
            headers.insert(name, HeaderValue::from_static("1"));
        }
        assert_eq!(Propagation::default().carried(&headers), expected);
    }

    #[test]
    fn an_empty_header_is_omitted_and_a_repeated_one_is_kept_whole() {
        let mut headers = HeaderMap::new();
        headers.insert("x-b3-parentspanid", HeaderValue::from_static(""));
        headers.append("tracestate", HeaderValue::from_static("a=1"));
        headers.append("tracestate", HeaderValue::from_static("b=2"));
        let carried = Propagation::default().carried(&headers);
        assert!(!carried.contains_key("x-b3-parentspanid"));
        assert_eq!(carried.get_all("tracestate").iter().count(), 2);
    }

    #[test]
    fn a_list_adds_names() {
        let propagation = with("X-User, end-user ,,x-user").expect("valid");
        assert!(propagation.carries(&HeaderName::from_static("x-user")));
        assert!(propagation.carries(&HeaderName::from_static("end-user")));
        assert_eq!(propagation.names.len(), fixed().count() + 2);
    }

    #[test]
    fn credentials_and_protocol_headers_are_refused_each_with_its_fault() {
        let faults = with("Cookie,grpc-timeout,te,x y").expect_err("four faults");
        assert_eq!(faults.lines().count(), 4, "{faults}");
        assert!(faults.starts_with("PROPAGATE_HEADERS: must not name cookie"), "{faults}");
    }
}
