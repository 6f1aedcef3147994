//! Headers for a log line: secrets masked, sizes bounded, one line of JSON.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use http::HeaderMap;

/// The target of every line with headers; `LOG_LEVEL=info,octet_headers=debug` enables exactly these lines.
pub const HEADERS: &str = "octet_headers";

/// Bytes of a value.
const MAX_VALUE: usize = 256;

/// Names; a request may have hundreds.
const MAX_NAMES: usize = 64;

/// Parts of the names of secrets. The list errs on the side of masking: a logged secret stays in the log.
const SECRET: [&str; 16] = [
    "auth",
    "cookie",
    "token",
    "secret",
    "passw",
    "pwd",
    "credential",
    "key",
    "session",
    "sig",
    "jwt",
    "oidc",
    "private",
    "otp",
    "client-cert",
    "nonce",
];

/// Headers with URLs, whose query may contain secrets.
const URLS: [&str; 7] = [
    "referer",
    "location",
    "content-location",
    "x-envoy-original-path",
    "x-original-url",
    "x-forwarded-uri",
    "x-rewrite-url",
];

/// Replaces a secret.
const MASK: &str = "***";

/// Whether a header or a query key of this name holds a secret.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    SECRET.iter().any(|part| name.contains(part))
}

/// Whether a header of this name, in lower case, holds a URL, whose query may contain secrets.
pub fn is_url(name: &str) -> bool {
    URLS.contains(&name)
}

/// Headers or metadata, as `{"x-request-id":"…","authorization":"***"}`.
pub fn masked(headers: &HeaderMap) -> impl fmt::Display {
    let mut masked = Masked::default();
    for (name, value) in headers {
        masked.add(name.as_str(), value.as_bytes());
    }
    masked
}

/// As [`masked`], for the headers of a message.
pub fn masked_pairs(headers: &[(String, String)]) -> impl fmt::Display {
    let mut masked = Masked::default();
    for (name, value) in headers {
        masked.add(name, value.as_bytes());
    }
    masked
}

/// Name to value; the values of a repeated name are joined by commas.
#[derive(Default)]
struct Masked(BTreeMap<String, String>);

impl Masked {
    fn add(&mut self, name: &str, value: &[u8]) {
        let name = name.to_ascii_lowercase();
        let value = presentable(&name, value);
        if let Some(before) = self.0.get_mut(&name) {
            if before.len() < MAX_VALUE {
                before.push_str(", ");
                before.push_str(&value);
            }
        } else if self.0.len() < MAX_NAMES {
            self.0.insert(name, value.into_owned());
        } else {
            self.0.insert("…".to_owned(), format!("more than {MAX_NAMES}"));
        }
    }
}

impl fmt::Display for Masked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Text to text always has a JSON form.
        formatter.write_str(&serde_json::to_string(&self.0).unwrap_or_default())
    }
}

fn presentable<'a>(name: &str, value: &'a [u8]) -> Cow<'a, str> {
    if is_secret(name) {
        return MASK.into();
    }
    let text = std::str::from_utf8(value).ok().filter(|_| !name.ends_with("-bin"));
    let Some(text) = text else { return format!("({} bytes)", value.len()).into() };
    if is_url(name) {
        return without_query(text);
    }
    if text.len() <= MAX_VALUE {
        return text.into();
    }
    let end = text.floor_char_boundary(MAX_VALUE);
    format!("{}… ({} bytes)", text.get(..end).unwrap_or_default(), text.len()).into()
}

/// Scheme, host and path of a URL.
fn without_query(text: &str) -> Cow<'_, str> {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    if path.contains('@') || path.len() > MAX_VALUE { MASK.into() } else { path.into() }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Value {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        serde_json::from_str(&masked(&headers).to_string()).unwrap()
    }

    #[test]
    fn other_headers_are_unchanged() {
        let sent = [("x-request-id", "7f9c"), ("accept", "a"), ("accept", "b"), ("grpc-timeout", "5S")];
        assert_eq!(of(&sent), json!({"x-request-id": "7f9c", "accept": "a, b", "grpc-timeout": "5S"}));
    }

    #[test]
    fn secrets_are_masked_by_their_names() {
        for name in [
            "authorization",
            "proxy-authorization",
            "cookie",
            "set-cookie",
            "x-api-key",
            "x-amz-security-token",
            "x-client-secret",
            "x-db-password",
            "x-credentials",
            "x-forwarded-client-cert",
            "x-session-id",
            "x-sig",
            "api_key",
            "x-pwd",
            "x-otp",
            "client_cert",
        ] {
            assert_eq!(of(&[(name, "hunter2")]), json!({name: "***"}), "{name}");
        }
    }

    #[test]
    fn bytes_are_counted_and_long_texts_are_cut() {
        assert_eq!(
            of(&[("grpc-status-details-bin", "AAEC")]),
            json!({"grpc-status-details-bin": "(4 bytes)"})
        );
        let long = of(&[("x-long", &"ä".repeat(300))]);
        let text = long["x-long"].as_str().unwrap();
        assert!(text.ends_with("… (600 bytes)") && text.len() < 300, "{text}");
    }

    #[test]
    fn a_url_loses_its_query_and_its_user_info() {
        let sent =
            [("referer", "https://a/b?access_token=hunter2#x"), ("location", "https://user:hunter2@a/b")];
        assert_eq!(of(&sent), json!({"referer": "https://a/b", "location": "***"}));
    }

    #[test]
    fn the_number_of_names_is_bounded() {
        let names: Vec<String> = (0..300).map(|index| format!("x-{index}")).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
        assert_eq!(of(&many).as_object().unwrap().len(), MAX_NAMES + 1);
    }

    proptest! {
        #[test]
        fn no_secret_is_shown_whatever_surrounds_its_name(before in "[a-z-]{0,8}", after in "[a-z-]{0,8}", which in 0..SECRET.len()) {
            let name = format!("x{before}{}{after}", SECRET[which]);
            prop_assert!(!of(&[(&name, "hunter2")]).to_string().contains("hunter2"));
        }

        #[test]
        fn any_bytes_make_one_line_of_json(value in proptest::collection::vec(any::<u8>(), 0..400), name in "[a-z-]{1,20}") {
            let mut masked = Masked::default();
            masked.add(&name, &value);
            let text = masked.to_string();
            prop_assert!(!text.contains('\n'));
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
        }
    }
}
