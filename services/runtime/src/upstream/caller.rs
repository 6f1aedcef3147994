//! The name by which a caller introduces itself to its upstreams: the first product of `user-agent`.
//!
//! gRPC has no header for it, and every call has this one anyway: HPACK sends a repeated value as one byte. Proxies and
//! sidecars pass it on.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};

use crate::identity;

/// The user agent of a process whose spans have this name: `service-a/1.2.3 octet/1.2.3`. Without the name if it is not a token
/// (RFC 9110, 5.6.2).
pub(super) fn user_agent(name: &str) -> HeaderValue {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_product = !name.is_empty() && name.bytes().all(is_token);
    let (version, octet) = (identity::VERSION, concat!("octet/", env!("CARGO_PKG_VERSION")));
    let named = is_product.then(|| HeaderValue::try_from(format!("{name}/{version} {octet}")).ok());
    named.flatten().unwrap_or(HeaderValue::from_static(octet))
}

/// The callers that a service has by its topology. Others are not believed, so that no caller can invent services.
#[derive(Debug, Clone, Default)]
pub struct Callers(Arc<[Arc<str>]>);

impl Callers {
    /// The names that are believed.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        Self(names.into_iter().map(Arc::from).collect())
    }

    /// The caller that a request names, if it is one of them.
    pub fn caller(&self, headers: &HeaderMap) -> Option<&Arc<str>> {
        let agent = headers.get(header::USER_AGENT)?.as_bytes();
        let name = agent.split(|byte| *byte == b'/').next()?;
        self.0.iter().find(|known| known.as_bytes() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_caller_of_the_topology_is_believed() {
        let callers = Callers::new(["service-a", "gateway"]);
        let agent = user_agent("service-a");
        let agent = agent.to_str().expect("a text");
        for (agent, caller) in [
            (agent, Some("service-a")),
            ("gateway/1", Some("gateway")),
            ("service-a", Some("service-a")),
            ("service-ab/1", None),
            ("service-b/1 service-a/1", None),
            ("grpcurl/1.9 grpc-go/1.61", None),
            ("", None),
            ("/", None),
        ] {
            let headers = HeaderMap::from_iter([(header::USER_AGENT, agent.parse().expect("a value"))]);
            assert_eq!(callers.caller(&headers).map(|name| &**name), caller, "{agent}");
        }
        assert_eq!(callers.caller(&HeaderMap::new()), None);
    }

    #[test]
    fn a_name_that_is_no_token_is_not_sent() {
        for name in ["", "my service", "sérvice", "a/b", "a(b)"] {
            let agent = user_agent(name);
            assert!(agent.as_bytes().starts_with(b"octet/"), "{name}: {agent:?}");
        }
    }
}
