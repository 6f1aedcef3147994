//! Temporary changes: how long they last, who makes them, and what they say.

use std::time::Duration;

use axum::{
    body::Body,
    http::{StatusCode, request::Parts},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

use crate::serve::Peer;

/// How long a change lasts.
const DEFAULT_DURATION: Duration = Duration::from_mins(10);
const MIN_DURATION: Duration = Duration::from_secs(1);
const MAX_DURATION: Duration = Duration::from_hours(24);

/// How long a client may take to send the body.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a change lasts, by the query: `for=10m`, and no other parameter, because a mistyped name must not select the
/// default.
///
/// # Errors
/// What the query must be.
pub fn lasting(query: &str) -> Result<Duration, String> {
    if query.is_empty() {
        return Ok(DEFAULT_DURATION);
    }
    let value = query.strip_prefix("for=").filter(|value| !value.contains('&'));
    // A space in a query is a plus or %20.
    let value = value.map(|value| value.replace("%20", " ").replace('+', " "));
    let lasting = value.and_then(|value| humantime::parse_duration(&value).ok());
    lasting.filter(|lasting| (MIN_DURATION..=MAX_DURATION).contains(lasting)).ok_or_else(|| {
        format!(
            "the query must be for=DURATION, such as for=30s or for=2h, from {} to {} (default {})\n",
            humantime::format_duration(MIN_DURATION),
            humantime::format_duration(MAX_DURATION),
            humantime::format_duration(DEFAULT_DURATION)
        )
    })
}

/// The body as a text of at most `most` bytes; `what` is what messages call it.
pub(super) async fn text(body: Body, what: &str, most: usize) -> Result<String, (StatusCode, String)> {
    let bytes = match timeout(BODY_TIMEOUT, Limited::new(body, most).collect()).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let message = format!("the {what} is longer than {most} bytes\n");
            return Err((StatusCode::PAYLOAD_TOO_LARGE, message));
        }
        Ok(Err(_)) => {
            let message = "the request body ended early\n".to_owned();
            return Err((StatusCode::BAD_REQUEST, message));
        }
        Err(_) => {
            return Err((StatusCode::REQUEST_TIMEOUT, "timed out reading the request body\n".to_owned()));
        }
    };
    // What is no text is invalid wherever this is read.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The client's address, for the log.
pub(super) fn peer(parts: &Parts) -> String {
    parts.extensions.get::<Peer>().map(|Peer(peer)| peer.ip().to_canonical().to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_within_the_range_is_accepted() {
        for (query, seconds) in
            [("", 600), ("for=1s", 1), ("for=24h", 86_400), ("for=1m%2030s", 90), ("for=1m+30s", 90)]
        {
            assert_eq!(lasting(query), Ok(Duration::from_secs(seconds)), "{query}");
        }
    }

    #[test]
    fn any_other_query_is_refused_with_the_allowed_values() {
        for query in ["for=", "for=0s", "for=25h", "for=soon", "form=10m", "for=1s&for=2s", "for=-1s", "for"]
        {
            let problem = lasting(query).expect_err(query);
            assert!(problem.contains("from 1s to 1day (default 10m)"), "{problem}");
        }
    }
}
