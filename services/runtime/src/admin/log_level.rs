//! `/log-level`: shows the log filter, and changes it temporarily.

use std::time::SystemTime;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use super::{
    access::AdminAccess,
    lasting::{lasting, peer, text},
};
use crate::logs::{self, LogFilter, LogLevels};

/// Bytes of the longest filter.
const MAX_FILTER: usize = 4 * 1024;

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

async fn filter(body: Body) -> Result<LogFilter, (StatusCode, String)> {
    let text = text(body, "filter", MAX_FILTER).await?;
    let filter = LogFilter::parse(text.trim());
    filter.ok_or_else(|| (StatusCode::BAD_REQUEST, format!("the body must be {}\n", logs::ALLOWED)))
}
