//! `/log-level`: shows the log filter, and changes it temporarily.

use std::time::{Duration, SystemTime};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::json;
use tokio::time::timeout;

use super::access::AdminAccess;
use crate::{
    logs::{self, LogFilter, LogLevels},
    serve::Peer,
};

/// How long a change lasts.
const DEFAULT_DURATION: Duration = Duration::from_mins(10);
const MIN_DURATION: Duration = Duration::from_secs(1);
const MAX_DURATION: Duration = Duration::from_hours(24);

/// Bytes of the longest filter.
const MAX_FILTER: usize = 4 * 1024;

/// How long a client may take to send it.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The log levels of a process, and the access to them.
#[derive(Debug, Clone)]
pub struct LogControl {
    /// The levels.
    pub levels: LogLevels,
    /// Who may change it.
    pub access: AdminAccess,
}

pub(super) fn router(control: LogControl) -> Router {
    Router::new().route("/log-level", get(show).put(change).delete(restore)).with_state(control)
}

async fn show(State(control): State<LogControl>) -> Response {
    state(&control.levels)
}

async fn change(State(control): State<LogControl>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Err(denied) = control.access.check(&parts) {
        return denied.into_response();
    }
    let lasting = match lasting(parts.uri.query().unwrap_or_default()) {
        Ok(lasting) => lasting,
        Err(problem) => return (StatusCode::BAD_REQUEST, problem).into_response(),
    };
    let filter = match filter(body).await {
        Ok(filter) => filter,
        Err(refusal) => return refusal.into_response(),
    };
    // Before the change, which may silence it.
    tracing::info!(filter = filter.text(), ?lasting, peer = peer(&parts), "log level changed");
    control.levels.change(filter, lasting);
    state(&control.levels)
}

async fn restore(State(control): State<LogControl>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if let Err(denied) = control.access.check(&parts) {
        return denied.into_response();
    }
    control.levels.restore();
    tracing::info!(
        filter = control.levels.configured().text(),
        peer = peer(&parts),
        "log level restored to LOG_LEVEL"
    );
    state(&control.levels)
}

fn state(levels: &LogLevels) -> Response {
    let active = levels.active();
    let time = |time: SystemTime| humantime::format_rfc3339_seconds(time).to_string();
    let body = json!({
        "filter": active.filter.text(),
        "since": time(active.since),
        "until": active.until.map(time),
        "configured": levels.configured().text(),
    });
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], format!("{body}\n"))
        .into_response()
}

/// `for=10m`, and no other parameter: a mistyped name must not select the default.
fn lasting(query: &str) -> Result<Duration, String> {
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

async fn filter(body: Body) -> Result<LogFilter, (StatusCode, String)> {
    let text = match timeout(BODY_TIMEOUT, Limited::new(body, MAX_FILTER).collect()).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let message = format!("the filter is longer than {MAX_FILTER} bytes\n");
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
    let filter = std::str::from_utf8(&text).ok().and_then(|text| LogFilter::parse(text.trim()));
    filter.ok_or_else(|| (StatusCode::BAD_REQUEST, format!("the body must be {}\n", logs::ALLOWED)))
}

fn peer(parts: &Parts) -> String {
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
