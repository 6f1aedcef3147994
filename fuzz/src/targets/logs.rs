//! A filter of log levels in the first line, then headers to be logged.

use octet_runtime::logs::{LogFilter, masked, masked_pairs};
use serde_json::Value;

use crate::{
    checks::{SECRET, lossy, no_secret},
    headers::{first_line, parse},
};

/// Headers whose values must not be shown.
const SECRETS: [&str; 8] = [
    "authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "x-auth-request-access-token",
    "x-client-secret",
    "x-db-password",
    "x-credential",
];

pub(crate) fn run(bytes: &[u8]) {
    let (filter, block) = first_line(bytes);
    let text = lossy(filter);
    if let Some(filter) = LogFilter::parse(&text) {
        assert_eq!(filter.text(), text);
        assert_eq!(LogFilter::parse(&text).as_ref(), Some(&filter), "reading again gives another filter");
    }

    let mut headers = parse(block);
    for name in SECRETS {
        let value = http::HeaderValue::from_static(SECRET);
        // A full map is not an error of a parser.
        let _ = headers.try_append(name, value);
    }
    check(&masked(&headers).to_string(), SECRETS.iter().any(|name| headers.contains_key(*name)));
    let pairs: Vec<(String, String)> =
        headers.iter().map(|(name, value)| (name.to_string(), lossy(value.as_bytes()))).collect();
    check(&masked_pairs(&pairs).to_string(), !pairs.is_empty());
}

/// The line is one bounded JSON object without secrets.
fn check(line: &str, some: bool) {
    let Ok(Value::Object(names)) = serde_json::from_str(line) else { panic!("not a JSON object: {line}") };
    assert!(!line.contains('\n'), "{line}");
    assert!(names.len() <= 65, "{} names", names.len());
    assert!(!some || !names.is_empty(), "nothing is shown");
    for (name, value) in &names {
        let value = value.as_str().expect("text");
        assert!(value.len() <= 1_024, "{} bytes under {name}", value.len());
    }
    // The headers can contain the word anywhere; it was planted under these names only.
    for name in SECRETS {
        if let Some(value) = names.get(name) {
            no_secret(&value.to_string());
        }
    }
}
