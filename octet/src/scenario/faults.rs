//! Sets the faults of the moment at the admin servers of the mesh.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::join_all;
use http::HeaderValue;
use octet_fault::Fault;
use octet_runtime::admin::{AdminClient, FaultChange};

use super::mesh::{Mesh, OwnMesh};
use crate::runner::Run;

/// The longest time for one process.
const LIMIT: Duration = Duration::from_secs(5);

/// Faults last longer than any scenario, which removes them itself.
const LASTING: &str = "for=24h";

/// The admin servers of the mesh.
#[derive(Clone)]
pub(crate) struct Faults {
    mesh: Arc<Mesh>,
    client: AdminClient,
    authorization: Option<HeaderValue>,
}

impl Faults {
    /// `authorization` is for processes with an `ADMIN_TOKEN`.
    pub(crate) fn new(mesh: Arc<Mesh>, authorization: Option<HeaderValue>) -> Self {
        Self { mesh, client: AdminClient::new(LIMIT), authorization }
    }

    fn run(&self) -> Option<Run> {
        self.mesh.own().ok().and_then(OwnMesh::find)
    }

    /// Replaces the faults. Returns what did not work.
    pub(crate) async fn set(&self, faults: &[Fault]) -> Vec<String> {
        if let Some(problems) = self.mesh.set_faults(faults).await {
            return problems;
        }
        let Some(run) = self.run() else { return vec!["the mesh has ended".to_owned()] };
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
        let change = if faults.is_empty() {
            FaultChange::Clear
        } else {
            let lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
            FaultChange::Set { text: lines.join("\n"), query: LASTING.to_owned() }
        };
        let set = self.client.faults(admin, &change, self.authorization.as_ref()).await;
        set.err().map(|error| format!("{process}: {error}"))
    }

    /// How often each fault acted since it was last set; empty where no process reports that.
    pub(crate) async fn acted(&self) -> BTreeMap<String, u64> {
        if let Some(acted) = self.mesh.acted().await {
            return acted;
        }
        let mut acted = BTreeMap::new();
        let Some(run) = self.run() else { return acted };
        let running =
            run.processes.iter().filter(|process| process.pid.is_some() && process.name != "collector");
        let asked = running.map(|process| {
            self.client.faults(process.admin, &FaultChange::None, self.authorization.as_ref())
        });
        let reports = join_all(asked).await.into_iter().flatten().flatten();
        for report in reports.filter(|report| report.source == "admin") {
            *acted.entry(report.fault).or_default() += report.acted;
        }
        acted
    }
}
