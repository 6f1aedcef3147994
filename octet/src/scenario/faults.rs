//! Sets the faults of the moment at the admin servers of the mesh.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use futures_util::future::join_all;
use http::Method;
use octet_fault::Fault;
use serde_json::Value;

use super::mesh::Mesh;
use crate::http_client::ask;

/// Faults last longer than any scenario, which removes them itself.
const LASTING: &str = "/faults?for=24h";

/// The admin servers of the mesh.
#[derive(Clone)]
pub(crate) struct Faults {
    pub(crate) mesh: Arc<Mesh>,
    pub(crate) token: Option<String>,
}

impl Faults {
    /// Replaces the faults. Returns what did not work.
    pub(crate) async fn set(&self, faults: &[Fault]) -> Vec<String> {
        let Some(run) = self.mesh.find() else { return vec!["the mesh has ended".to_owned()] };
        // A process without id is down on purpose, and gets its faults when it is back.
        let running = run.processes.iter().filter(|process| process.pid.is_some());
        join_all(running.map(|process| self.set_at(&process.name, process.admin, faults)))
            .await
            .into_iter()
            .flatten()
            .collect()
    }

    /// Sets the faults of one process. Returns what did not work.
    pub(crate) async fn set_at(&self, process: &str, admin: SocketAddr, faults: &[Fault]) -> Option<String> {
        // The collector serves no calls.
        if process == "collector" {
            return None;
        }
        let text: Vec<_> = faults.iter().map(ToString::to_string).collect();
        let token = self.token.as_deref();
        let asked = if faults.is_empty() {
            ask(admin, &Method::DELETE, "/faults", "", token).await
        } else {
            ask(admin, &Method::PUT, LASTING, &text.join("\n"), token).await
        };
        asked.err().map(|error| format!("{process}: {error}"))
    }

    /// How often each fault acted since it was last set; empty where no process reports that.
    pub(crate) async fn acted(&self) -> BTreeMap<String, u64> {
        let mut acted = BTreeMap::new();
        let Some(run) = self.mesh.find() else { return acted };
        let running =
            run.processes.iter().filter(|process| process.pid.is_some() && process.name != "collector");
        let asked =
            running.map(|process| ask(process.admin, &Method::GET, "/faults", "", self.token.as_deref()));
        for answer in join_all(asked).await.into_iter().flatten() {
            let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
            for fault in answer.get("faults").and_then(Value::as_array).into_iter().flatten() {
                let is_ours = fault.get("source").and_then(Value::as_str) == Some("admin");
                let count = fault.get("acted").and_then(Value::as_u64).unwrap_or_default();
                if let Some(text) = fault.get("fault").and_then(Value::as_str).filter(|_| is_ours) {
                    *acted.entry(text.to_owned()).or_default() += count;
                }
            }
        }
        acted
    }
}
