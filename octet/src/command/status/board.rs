//! The list of processes that a gateway gives: `/api/processes`.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

use super::report::{ProcessReport, Queue, Report};
use crate::{failure::Failure, http_client};

/// The gateway's list.
#[derive(Deserialize)]
struct List {
    processes: Vec<Listed>,
}

/// One process in the list; a figure that the gateway does not know is absent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    name: String,
    replica: Option<u32>,
    state: String,
    #[serde(default)]
    reasons: Vec<String>,
    version: Option<String>,
    restarts: Option<u64>,
    /// Processors in use.
    cpu: Option<f64>,
    memory_bytes: Option<u64>,
    queue: Option<ListedQueue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedQueue {
    ready: u64,
    oldest_seconds: Option<f64>,
    dead_letters: u64,
}

/// Reads the list of the gateway at `url`, within `limit`.
///
/// # Errors
/// [`Failure::Configuration`] if the URL is invalid, [`Failure::Failed`] if there is no list.
pub(super) async fn read(url: &str, limit: Duration) -> Result<Report, Failure> {
    let base = url.trim_end_matches('/');
    let list = http_client::parse(&format!("{base}/api/processes")).filter(|_| !url.contains('?'));
    let list = list.ok_or_else(|| {
        Failure::Configuration(format!("--url: {url:?} must be an http:// URL such as http://localhost:8080"))
    })?;
    let asked = tokio::time::timeout(limit, http_client::get(list)).await;
    let asked = asked.unwrap_or_else(|_| Err(anyhow::anyhow!("no response within {limit:?}")));
    let (status, body) = asked.map_err(|error| error.context(url.to_owned()))?;
    if status != StatusCode::OK {
        return Err(Failure::Failed(anyhow::anyhow!("{url}: the list of processes returned HTTP {status}")));
    }
    let list: List = serde_json::from_slice(&body).map_err(|error| {
        anyhow::anyhow!("{url}: the response is not a gateway's list of processes: {error}")
    })?;
    if list.processes.is_empty() {
        return Err(Failure::Failed(anyhow::anyhow!(
            "{url}: this gateway knows no processes; set its ADMIN_ADDRESSES"
        )));
    }
    Ok(Report::of_list(url, list.processes.into_iter().map(ProcessReport::from).collect()))
}

impl From<Listed> for ProcessReport {
    fn from(listed: Listed) -> Self {
        let ready = listed.state == "ready";
        let reasons = if listed.reasons.is_empty() { listed.state } else { listed.reasons.join("; ") };
        Self {
            name: listed.replica.map_or(listed.name.clone(), |replica| format!("{}#{replica}", listed.name)),
            ready,
            reason: (!ready).then_some(reasons),
            restarts: listed.restarts,
            version: listed.version,
            pid: None,
            cpu_percent: listed.cpu.map(|processors| (processors * 1000.0).round() / 10.0),
            memory_bytes: listed.memory_bytes,
            queue: listed.queue.map(|queue| Queue {
                waiting: queue.ready,
                oldest_seconds: queue.oldest_seconds,
                dead_letters: queue.dead_letters,
            }),
            address: None,
            admin: None,
        }
    }
}
