//! `/api/processes`: readiness, version, restarts, CPU, memory, queue and store of every process, from the admin servers
//! that `ADMIN_ADDRESSES` names.
//!
//! Any number of callers causes at most one round of reading at a time and one every second and a half.

mod addresses;
mod board;
mod history;

use std::sync::Arc;

pub(crate) use addresses::{AdminAddress, AdminAddresses, Name};
use axum::{
    Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use board::Board;

use crate::edge;

pub(crate) fn router(addresses: AdminAddresses) -> Router {
    Router::new().route("/api/processes", get(processes)).with_state(Arc::new(Board::new(addresses)))
}

async fn processes(State(board): State<Arc<Board>>) -> Response {
    match board.current().await {
        Some(list) => ([(header::CACHE_CONTROL, "no-store")], edge::json(list)).into_response(),
        None => edge::overloaded("too many concurrent requests for the list of processes; try again later"),
    }
}
