//! `UI_API_URL`: the API's address, for installations whose page and API have different hosts.

use axum::http::Uri;
use octet_runtime::environment::Environment;

/// A gateway's address: scheme, host and port, and a path before the API's, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiUrl(String);

impl ApiUrl {
    /// Reads `UI_API_URL`; if it is unset, the page calls the host it was loaded from.
    pub(crate) fn from_environment(environment: &mut Environment<'_>) -> Option<Self> {
        let allowed = "an http:// or https:// URL without user, query and fragment, for example https://api.example.com";
        environment.optional("UI_API_URL", allowed, |text| parse(text).ok_or(()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn parse(text: &str) -> Option<ApiUrl> {
    let uri: Uri = text.parse().ok()?;
    let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme))?;
    let authority = uri.authority()?;
    // `Uri` accepts invalid ports.
    let port = authority.as_str().strip_prefix(authority.host())?.trim_start_matches(':');
    let has_port = port.is_empty() || port.parse::<u16>().is_ok_and(|port| port > 0);
    // `Uri` silently drops a fragment.
    if !has_port || authority.host().is_empty() || uri.query().is_some() || text.contains('#') {
        return None;
    }
    let path = uri.path().trim_end_matches('/');
    Some(ApiUrl(format!("{scheme}://{}{path}", authority.as_str().trim_end_matches(':'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_a_port_and_a_path() {
        for (text, url) in [
            ("https://api.example.com", "https://api.example.com"),
            ("http://localhost:8080/", "http://localhost:8080"),
            ("https://example.com/octet/", "https://example.com/octet"),
        ] {
            assert_eq!(parse(text), Some(ApiUrl(url.to_owned())), "{text}");
        }
    }

    #[test]
    fn an_unusable_address_is_refused() {
        for text in [
            "api.example.com",
            "ftp://api.example.com",
            "https://user:secret@api.example.com",
            "https://api.example.com:0",
            "https://api.example.com:99999",
            "https://api.example.com/?x=1",
            "https://api.example.com/#/mesh",
            "javascript:alert(1)",
            "https://",
            "/api",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
