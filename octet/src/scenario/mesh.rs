//! The mesh of a scenario: one of its own, or one that runs already.

mod own;
mod running;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Context;
use octet_fault::Fault;
use octet_greeting::Connections;

use self::running::RunningMesh;
pub(crate) use self::{
    own::{OwnMesh, from_environment},
    running::{Place, topology_at},
};
use super::model::Scenario;

/// A mesh.
pub(crate) enum Mesh {
    Own(Box<OwnMesh>),
    Running(Box<RunningMesh>),
}

impl Mesh {
    /// Starts an `octet up` in `data`.
    pub(crate) async fn start(
        scenario: &Scenario,
        data: &Path,
        base_port: Option<u16>,
        seed: u64,
    ) -> anyhow::Result<Self> {
        OwnMesh::start(scenario, data, base_port, seed).await.map(Box::new).map(Self::Own)
    }

    /// The mesh at `place`, which must take the scenario's faults.
    pub(crate) async fn running(scenario: &Scenario, place: Place) -> anyhow::Result<Self> {
        RunningMesh::find(place, scenario).await.map(Box::new).map(Self::Running)
    }

    /// The mesh whose processes a scenario may act on.
    pub(crate) fn own(&self) -> anyhow::Result<&OwnMesh> {
        match self {
            Self::Own(mesh) => Ok(mesh),
            Self::Running(_) => Err(anyhow::anyhow!("the processes of a running mesh cannot be acted on")),
        }
    }

    /// The gateway's URL.
    pub(crate) fn url(&self) -> anyhow::Result<String> {
        match self {
            Self::Own(mesh) => mesh.find().map(|run| run.url).context("the mesh has ended"),
            Self::Running(mesh) => Ok(mesh.place.url.clone()),
        }
    }

    /// Whether its URL may name another host.
    pub(crate) fn allows_remote(&self) -> bool {
        matches!(self, Self::Running(mesh) if mesh.place.allow_remote)
    }

    /// Where its traces are.
    pub(crate) fn traces(&self) -> anyhow::Result<String> {
        match self {
            Self::Own(mesh) => mesh.traces(),
            Self::Running(mesh) => Ok(format!("{}/zipkin", mesh.place.url)),
        }
    }

    /// The pages of the processes' metrics, or why they cannot be read.
    pub(crate) fn metrics(&self) -> Result<Vec<String>, String> {
        match self {
            Self::Own(mesh) => mesh.metrics(),
            Self::Running(mesh) => mesh.metrics(),
        }
    }

    /// The directory of its `octet up`, if that is known.
    pub(crate) fn data(&self) -> Option<PathBuf> {
        match self {
            Self::Own(mesh) => Some(mesh.data().to_path_buf()),
            Self::Running(mesh) => mesh.place.data.clone(),
        }
    }

    /// Its stores and queues, if they are known.
    pub(crate) fn connections(&self) -> anyhow::Result<Option<Connections>> {
        match self {
            Self::Own(mesh) => mesh.connections().map(Some),
            Self::Running(mesh) => Ok(mesh.place.connections.clone()),
        }
    }

    /// Whether each of these processes is ready; without those about which nobody knows.
    pub(crate) async fn ready(&self, processes: &[String]) -> BTreeMap<String, bool> {
        match self {
            Self::Own(mesh) => {
                let mut ready = BTreeMap::new();
                for process in processes {
                    ready.insert(process.clone(), mesh.is_ready(process).await);
                }
                ready
            }
            Self::Running(_) if processes.is_empty() => BTreeMap::new(),
            Self::Running(mesh) => mesh.ready().await,
        }
    }

    /// Replaces the faults of a running mesh; `None` for one of the scenario's own, whose processes are asked themselves.
    pub(crate) async fn set_faults(&self, faults: &[Fault]) -> Option<Vec<String>> {
        match self {
            Self::Own(_) => None,
            Self::Running(mesh) => Some(mesh.set_faults(faults).await),
        }
    }

    /// How often each fault of a running mesh acted; `None` as in [`set_faults`](Self::set_faults).
    pub(crate) async fn acted(&self) -> Option<BTreeMap<String, u64>> {
        match self {
            Self::Own(_) => None,
            Self::Running(mesh) => Some(mesh.acted().await),
        }
    }

    /// Ends a mesh of its own; a running one keeps no fault.
    pub(crate) async fn stop(&self, scenario: &Scenario) -> anyhow::Result<()> {
        match self {
            Self::Own(mesh) => mesh.stop().await,
            Self::Running(_) if scenario.faults.is_empty() => Ok(()),
            Self::Running(mesh) => mesh.end_faults().await,
        }
    }
}
