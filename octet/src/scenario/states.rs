//! Looks at readiness, queues and alerts while the load runs.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::Uri;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::mesh::Mesh;
use crate::audit::Audit;

/// The time between two looks.
pub(crate) const INTERVAL: Duration = Duration::from_millis(200);

/// The longest time for one answer of Prometheus.
const LIMIT: Duration = Duration::from_secs(5);

const DEAD_LETTERED: &str = "dead_lettered";

/// What was seen at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Milliseconds after the start.
    pub(crate) at_ms: u64,
    pub(crate) ready: BTreeMap<String, bool>,
    /// By the names of conditions; empty where no queue was read.
    pub(crate) queue: BTreeMap<&'static str, u64>,
    /// The alerts that fire; `None` without a Prometheus, or an answer of it.
    pub(crate) alerts: Option<Vec<String>>,
}

/// What to look at.
#[derive(Clone)]
pub(crate) struct Observer {
    pub(crate) mesh: Arc<Mesh>,
    pub(crate) processes: Vec<String>,
    pub(crate) queues: Option<Arc<Audit>>,
    pub(crate) alerts: Option<Uri>,
    /// Messages that were dead-lettered before the load: a mesh that runs already may have some.
    pub(crate) dead_before: u64,
}

impl Observer {
    /// Looks once.
    pub(crate) async fn look(&self, start: Instant) -> Seen {
        let ready = self.mesh.ready(&self.processes).await;
        let queue = match &self.queues {
            Some(audit) => self.since_start(depth(audit).await),
            None => BTreeMap::new(),
        };
        let alerts = match &self.alerts {
            Some(url) => firing(url).await,
            None => None,
        };
        let at_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        Seen { at_ms, ready, queue, alerts }
    }

    /// Reads how many messages are dead-lettered already.
    pub(crate) async fn start(&mut self) {
        if let Some(audit) = &self.queues {
            self.dead_before = depth(audit).await.get(DEAD_LETTERED).copied().unwrap_or_default();
        }
    }

    fn since_start(&self, mut depth: BTreeMap<&'static str, u64>) -> BTreeMap<&'static str, u64> {
        if let Some(count) = depth.get_mut(DEAD_LETTERED) {
            *count = count.saturating_sub(self.dead_before);
        }
        depth
    }

    fn has_work(&self) -> bool {
        !self.processes.is_empty() || self.queues.is_some() || self.alerts.is_some()
    }

    /// Looks until it is dropped.
    pub(crate) async fn watch(self, start: Instant, seen: Arc<Mutex<Vec<Seen>>>) {
        while self.has_work() {
            let now = self.look(start).await;
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(now);
            sleep(INTERVAL).await;
        }
    }
}

async fn depth(audit: &Audit) -> BTreeMap<&'static str, u64> {
    let Ok(report) = audit.run(None, &mut |_| {}).await else { return BTreeMap::new() };
    let mut sums = BTreeMap::from([("ready", 0), ("leased", 0), ("depth", 0), (DEAD_LETTERED, 0)]);
    for depth in report.queues.iter().filter_map(|queue| queue.depth.as_ref().ok()) {
        for (name, count) in [
            ("ready", depth.ready),
            ("leased", depth.leased),
            ("depth", depth.ready + depth.leased),
            (DEAD_LETTERED, depth.dead_lettered),
        ] {
            *sums.entry(name).or_default() += count;
        }
    }
    sums
}

/// The names of the alerts that fire.
async fn firing(url: &Uri) -> Option<Vec<String>> {
    let (status, body) = timeout(LIMIT, crate::http_client::get(url.clone())).await.ok()?.ok()?;
    let answer: Value = serde_json::from_slice(&body).ok().filter(|_| status.is_success())?;
    let alerts = answer.get("data")?.get("alerts")?.as_array()?;
    let firing = alerts.iter().filter(|alert| alert.get("state").and_then(Value::as_str) == Some("firing"));
    Some(
        firing
            .filter_map(|alert| Some(alert.get("labels")?.get("alertname")?.as_str()?.to_owned()))
            .collect(),
    )
}
