//! `/faults`: shows the faults of the process, and sets or adds some for a time.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use octet_fault::{Fault, parse};
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::{
    access::AdminAccess,
    lasting::{lasting, peer, text},
};
use crate::faults::{FaultState, Faults, Source, TooMany};

/// Bytes of all faults: more than 64 of the longest.
const MAX_BYTES: usize = 64 * 1024;

/// The faults of a process, and the access to them.
#[derive(Clone)]
pub struct FaultControl {
    /// The faults.
    pub faults: Faults,
    /// Who may change them.
    pub access: AdminAccess,
}

pub(super) fn router(control: FaultControl) -> Router {
    Router::new().route("/faults", get(show).put(set).patch(add).delete(clear)).with_state(control)
}

async fn show(State(control): State<FaultControl>) -> Response {
    state(&control.faults)
}

/// Replaces all that was set here before.
async fn set(State(control): State<FaultControl>, request: Request) -> Response {
    change(&control, request, Faults::replace).await
}

/// Leaves what was set here before. Not a POST: a browser lets pages of any origin send those to this host.
async fn add(State(control): State<FaultControl>, request: Request) -> Response {
    change(&control, request, Faults::add).await
}

async fn change(
    control: &FaultControl,
    request: Request,
    change: impl FnOnce(&Faults, Source, Vec<Fault>, Option<Duration>) -> Result<(), TooMany>,
) -> Response {
    let (parts, body) = request.into_parts();
    if let Err(denied) = control.access.check(&parts) {
        return denied.into_response();
    }
    let lasting = match lasting(parts.uri.query().unwrap_or_default()) {
        Ok(lasting) => lasting,
        Err(problem) => return (StatusCode::BAD_REQUEST, problem).into_response(),
    };
    let text = match text(body, "list of faults", MAX_BYTES).await {
        Ok(text) => text,
        Err(refusal) => return refusal.into_response(),
    };
    let faults = match read(&control.faults, &text) {
        Ok(faults) => faults,
        Err(problem) => return (StatusCode::BAD_REQUEST, format!("{problem}\n")).into_response(),
    };
    let shown: Vec<_> = faults.iter().map(Fault::log_text).collect();
    if let Err(error) = change(&control.faults, Source::Admin, faults, Some(lasting)) {
        return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response();
    }
    tracing::warn!(faults = shown.join("; "), ?lasting, peer = peer(&parts), "faults set");
    state(&control.faults)
}

async fn clear(State(control): State<FaultControl>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if let Err(denied) = control.access.check(&parts) {
        return denied.into_response();
    }
    match named(parts.uri.query().unwrap_or_default()) {
        Ok(Some(fault)) => {
            control.faults.end(Source::Admin, &fault);
            tracing::warn!(fault = fault.log_text(), peer = peer(&parts), "fault cleared");
        }
        Ok(None) => {
            // No faults are never too many.
            let _ = control.faults.replace(Source::Admin, Vec::new(), None);
            tracing::warn!(peer = peer(&parts), "faults cleared");
        }
        Err(problem) => return (StatusCode::BAD_REQUEST, format!("{problem}\n")).into_response(),
    }
    state(&control.faults)
}

/// The one fault that the query of a `DELETE` names, percent-encoded; `None` for all. No other parameter is allowed, because a
/// mistyped name must not clear all.
///
/// # Errors
/// What the query must be.
pub fn named(query: &str) -> Result<Option<Fault>, String> {
    if query.is_empty() {
        return Ok(None);
    }
    let text = query.strip_prefix("fault=").filter(|text| !text.contains('&'));
    // A space in a query is a plus or %20.
    let text = text.map(|text| text.replace('+', " "));
    let text = text.and_then(|text| percent_decode_str(&text).decode_utf8().map(Cow::into_owned).ok());
    let mut faults = match text.as_deref().map(parse) {
        Some(Ok(faults)) => faults,
        Some(Err(problems)) => return Err(format!("fault: {problems}")),
        None => Vec::new(),
    };
    match (faults.pop(), faults.is_empty()) {
        (Some(fault), true) => Ok(Some(fault)),
        _ => Err("the query must be fault=FAULT with one fault, percent-encoded, or absent".to_owned()),
    }
}

/// The faults of the text, all of which can act in this mesh.
fn read(control: &Faults, text: &str) -> Result<Vec<Fault>, String> {
    let faults = parse(text).map_err(|problems| problems.to_string())?;
    let wrong = faults
        .iter()
        .filter_map(|fault| control.check(fault).err().map(|why| format!("at={}: {why}", fault.at())));
    let wrong: Vec<_> = wrong.collect();
    if wrong.is_empty() { Ok(faults) } else { Err(wrong.join("\n")) }
}

fn state(faults: &Faults) -> Response {
    let time = |time: SystemTime| humantime::format_rfc3339_seconds(time).to_string();
    let shown = faults.state().into_iter().map(|FaultState { fault, source, until, acted }| {
        json!({
            "fault": fault.to_string(),
            "source": source.as_str(),
            "until": until.map(time),
            "acted": acted,
        })
    });
    let body = json!({ "seed": faults.seed().0, "faults": shown.collect::<Vec<_>>() });
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], format!("{body}\n"))
        .into_response()
}
