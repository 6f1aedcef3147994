//! A filter of log levels in the first line, and below it headers that are to be logged.

use octet_runtime::logs::{LogFilter, masked, masked_pairs};
use serde_json::Value;

use crate::{
    headers::{first_line, parse},
    holds::{SECRET, lossy, no_secret},
};

/// Names under which nobody may see a value.
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
        assert_eq!(LogFilter::parse(&text).as_ref(), Some(&filter), "one filter, read twice");
    }

    let mut headers = parse(block);
    for name in SECRETS {
        let value = http::HeaderValue::from_static(SECRET);
        // A map that is full is no finding of ours.
        let _ = headers.try_append(name, value);
    }
    told(&masked(&headers).to_string(), SECRETS.iter().any(|name| headers.contains_key(*name)));
    let pairs: Vec<(String, String)> =
        headers.iter().map(|(name, value)| (name.to_string(), lossy(value.as_bytes()))).collect();
    told(&masked_pairs(&pairs).to_string(), !pairs.is_empty());
}

/// One line of JSON that is bounded and keeps secrets.
fn told(line: &str, some: bool) {
    let Ok(Value::Object(names)) = serde_json::from_str(line) else { panic!("no JSON object: {line}") };
    assert!(!line.contains('\n'), "{line}");
    assert!(names.len() <= 65, "{} names", names.len());
    assert!(!some || !names.is_empty(), "nothing is shown");
    for (name, value) in &names {
        let value = value.as_str().expect("text");
        assert!(value.len() <= 1_024, "{} bytes under {name}", value.len());
    }
    // The block may hold the word anywhere; what was planted stands under its names alone.
    for name in SECRETS {
        if let Some(value) = names.get(name) {
            no_secret(&value.to_string());
        }
    }
}
