//! Which pages of other origins may call the gateway: `ALLOWED_ORIGINS` (the Fetch standard's CORS protocol).

use std::net::Ipv6Addr;

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use octet_runtime::environment::Environment;
use tonic::Code;

use super::answer;

const VARIABLE: &str = "ALLOWED_ORIGINS";

/// How long a browser may cache a preflight, in seconds; short, so that a changed list takes effect soon.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The methods that have a field in `google.api.http`, and HEAD.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");

/// Responses depend on the origin.
const VARY: HeaderValue = HeaderValue::from_static("origin");

/// Allows pages to read resource timings (W3C, Resource Timing, 4.5.1).
const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");

/// Response headers that every page may read (Fetch, "CORS-safelisted response-header name").
const SAFELISTED: [HeaderName; 5] = [
    header::CACHE_CONTROL,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::EXPIRES,
    header::LAST_MODIFIED,
];

/// The origins whose pages may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Any, without credentials.
    Any,
    /// These, with credentials.
    Listed(Vec<HeaderValue>),
}

impl Origins {
    /// Reads `ALLOWED_ORIGINS`: `*`, or comma-separated origins such as `https://app.example`. If it is unset, CORS is off,
    /// for meshes whose ingress handles it.
    pub fn from_environment(environment: &mut Environment<'_>) -> Option<Self> {
        let text = environment.text(VARIABLE)?;
        let entries: Vec<_> = text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect();
        match entries.as_slice() {
            ["*"] => Some(Self::Any),
            entries if entries.contains(&"*") => {
                environment.fault(VARIABLE, "must be either `*` alone or a list of origins without `*`");
                None
            }
            entries => {
                let allowed =
                    "`*` or a comma-separated list of origins without a path, such as https://app.example";
                let origins: Option<Vec<_>> = entries.iter().map(|entry| origin(entry)).collect();
                if origins.is_none() {
                    environment.fault(VARIABLE, format!("must be {allowed}"));
                }
                origins.filter(|origins| !origins.is_empty()).map(Self::Listed)
            }
        }
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(origins) => origins.contains(origin),
        }
    }

    /// The response to a preflight; `None` if the request is not one.
    pub(crate) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response> {
        let origin = headers.get(header::ORIGIN)?;
        if method != Method::OPTIONS || !headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        if !self.allows(origin) {
            let message = "origin not allowed by ALLOWED_ORIGINS";
            return Some(answer::error(StatusCode::FORBIDDEN, Code::PermissionDenied, message));
        }
        let mut response = StatusCode::NO_CONTENT.into_response();
        let allowed = response.headers_mut();
        allowed.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        // Any header: the gateway drops the headers that docs/gateway.md does not let pass.
        if let Some(wanted) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            allowed.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        allowed.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        Some(response)
    }

    /// Adds the headers by which a browser decides whether the page of `origin` may read the response, and which of its
    /// headers.
    pub(crate) fn complete(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        if let Self::Listed(_) = self {
            headers.append(header::VARY, VARY);
        }
        match self {
            // Without an origin too: a cache may store the response and give it to a page.
            Self::Any => {
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            }
            Self::Listed(_) => {
                let Some(origin) = origin.filter(|origin| self.allows(origin)) else { return };
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
        }
        // By name: with credentials `*` would be a header's name. gRPC-Web sends the status as a header if the call fails
        // at once.
        let names = headers.keys().filter(|name| {
            !SAFELISTED.contains(name)
                && !name.as_str().starts_with("access-control-")
                && *name != header::VARY
        });
        let names: Vec<&str> = names.map(HeaderName::as_str).collect();
        if let Ok(names) = HeaderValue::try_from(names.join(", ")) {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, names);
        }
        // The UI's load runs measure with resource timings.
        if let Some(allowed) = headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).cloned() {
            headers.insert(TIMING_ALLOW_ORIGIN, allowed);
        }
    }
}

/// An origin as browsers send it: scheme and host in lower case, the port only if it is not the scheme's default.
fn origin(text: &str) -> Option<HeaderValue> {
    let uri: Uri = text.parse().ok()?;
    let scheme = uri.scheme_str()?;
    let authority = uri.authority()?;
    // `https://a/` parses like `https://a`, but browsers send no slash.
    if text.contains('@') || uri.query().is_some() || uri.path() != "/" || text.ends_with('/') {
        return None;
    }
    let host = authority.host();
    if !is_host(host) {
        return None;
    }
    let port = match (authority.port_u16(), scheme) {
        (None, _) if authority.port().is_some() || authority.as_str().ends_with(':') => return None,
        (None, _) | (Some(443), "https") | (Some(80), "http") => String::new(),
        (Some(port), _) => format!(":{port}"),
    };
    HeaderValue::try_from(format!("{scheme}://{host}{port}").to_ascii_lowercase()).ok()
}

/// A name or an address; `Uri` accepts brackets anywhere.
fn is_host(host: &str) -> bool {
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_name = |host: &str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    literal.map_or_else(|| is_name(host), |literal| literal.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(text: &str) -> Result<Option<Origins>, String> {
        let variables = BTreeMap::from([(VARIABLE.to_owned(), text.to_owned())]);
        let mut environment = Environment::new(&variables);
        let origins = Origins::from_environment(&mut environment);
        environment.finish(origins).map_err(|faults| faults.to_string())
    }

    #[test]
    fn origins_are_normalized_as_browsers_send_them() {
        let Ok(Some(Origins::Listed(origins))) =
            read("https://App.example, http://localhost:3000,https://a.example:443,http://[::1]:80")
        else {
            panic!("expected a list");
        };
        assert_eq!(
            origins,
            ["https://app.example", "http://localhost:3000", "https://a.example", "http://[::1]"]
        );
        assert_eq!(read("*"), Ok(Some(Origins::Any)));
        assert_eq!(read(" , "), Ok(None));
    }

    #[test]
    fn an_origin_that_no_browser_sends_is_refused() {
        for text in [
            "app.example",
            "https://app.example/",
            "https://app.example/x",
            "https://app.example?x",
            "https://u:p@app.example",
            "https://*.example",
            "http://a[::1]b:3000",
            "https://app.example:",
            "null",
            "https://",
        ] {
            assert!(read(text).expect_err(text).starts_with("ALLOWED_ORIGINS: must be"), "{text}");
        }
        assert_eq!(
            read("*,https://a.example"),
            Err("ALLOWED_ORIGINS: must be either `*` alone or a list of origins without `*`".to_owned())
        );
    }

    #[test]
    fn any_origin_and_credentials_are_never_combined() {
        for origins in [Origins::Any, read("https://a.example").unwrap().unwrap()] {
            let mut headers = HeaderMap::new();
            origins.complete(Some(&HeaderValue::from_static("https://a.example")), &mut headers);
            let any = headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).is_some_and(|origin| origin == "*");
            let credentials = headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
            assert!(any != credentials, "{headers:?}");
        }
    }
}
