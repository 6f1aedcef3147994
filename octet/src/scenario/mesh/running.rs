//! A mesh that runs already, known by the URL of its gateway.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::{Context, anyhow, bail};
use http::{HeaderValue, Method, Request, StatusCode, header};
use octet_fault::{Fault, duration_text};
use octet_greeting::Connections;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::super::{model::Scenario, target};
use crate::{http_client::Getter, runner::Run};

/// The longest time for one response: the gateway waits 2 s for each process.
const LIMIT: Duration = Duration::from_secs(15);

/// How long the end of faults is tried, and the time between two attempts.
const END: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(200);

/// Bytes of the largest response.
const RESPONSE_LIMIT: usize = 4 * 1024 * 1024;

/// What faults may outlast the load, for a scenario that ends without removing them.
const MARGIN: Duration = Duration::from_mins(1);

/// The longest time for which a mesh takes faults.
const MAX_LASTING: Duration = Duration::from_hours(24);

/// How to reach a mesh.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The gateway's URL, without a slash at its end.
    pub(crate) url: String,
    /// Whether it may be on another host.
    pub(crate) allow_remote: bool,
    /// The data directory of its `octet up`, if that is known.
    pub(crate) data: Option<PathBuf>,
    /// Its stores and queues, if they are known.
    pub(crate) connections: Option<Connections>,
    /// For a gateway with an `ADMIN_TOKEN`.
    pub(crate) authorization: Option<HeaderValue>,
}

/// A mesh that runs already.
pub(crate) struct RunningMesh {
    pub(super) place: Place,
    http: Getter,
    lasting: Duration,
}

/// The response of `/api/faults`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FaultList {
    #[serde(default)]
    available: bool,
    reason: Option<String>,
    #[serde(default)]
    faults: Vec<Shown>,
    #[serde(default)]
    failed: Vec<Failed>,
}

#[derive(Deserialize)]
struct Shown {
    fault: String,
    source: String,
    #[serde(default)]
    acted: u64,
}

#[derive(Deserialize)]
struct Failed {
    process: String,
    replica: Option<u32>,
    reason: String,
}

/// The response of `/api/processes`.
#[derive(Deserialize)]
struct Processes {
    processes: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    replica: Option<u32>,
    state: String,
}

/// The name of a process in scenarios.
fn named(name: &str, replica: Option<u32>) -> String {
    replica.map_or_else(|| name.to_owned(), |replica| format!("{name}#{replica}"))
}

/// The topology of the mesh at `place`.
pub(crate) async fn topology_at(place: Place) -> anyhow::Result<Value> {
    RunningMesh { place, http: Getter::new(RESPONSE_LIMIT), lasting: Duration::ZERO }.topology().await
}

impl RunningMesh {
    /// The mesh at `place`, which must have the scenario's topology. With faults to set, it must accept them and have none.
    pub(super) async fn find(place: Place, scenario: &Scenario) -> anyhow::Result<Self> {
        let lasting = (scenario.load.lasting + MARGIN).min(MAX_LASTING);
        let mesh = Self { place, http: Getter::new(RESPONSE_LIMIT), lasting };
        if let Some(refused) = target::topology_refusal(scenario, &mesh.topology().await?) {
            bail!("{}: {refused}", mesh.place.url);
        }
        if !scenario.faults.is_empty() {
            let found = mesh.faults(Method::GET, "", String::new()).await?;
            if !found.available {
                bail!("the mesh takes no faults: {}", found.reason.unwrap_or_default());
            }
            if let Some(shown) = found.faults.iter().find(|shown| shown.source == "admin") {
                bail!(
                    "the mesh has a fault that was set at run time ({}); clear it first: a scenario replaces such faults",
                    shown.fault
                );
            }
        }
        Ok(mesh)
    }

    /// Its topology, as its gateway shows it.
    async fn topology(&self) -> anyhow::Result<Value> {
        let (status, body) = self.ask(self.request(Method::GET, "/api/topology", String::new())).await?;
        let url = &self.place.url;
        if status != StatusCode::OK {
            bail!("{url}/api/topology returned HTTP {}", status.as_u16());
        }
        serde_json::from_slice(&body).with_context(|| format!("{url} is not the gateway of a mesh of Octet"))
    }

    /// The pages of the processes' metrics, or why they cannot be read.
    pub(super) fn metrics(&self) -> Result<Vec<String>, String> {
        let data = self.place.data.as_deref();
        let data = data.ok_or(
            "the gateway does not pass metrics on: name the data directory of its `octet up` with --data",
        )?;
        let run = Run::find(data).ok().flatten();
        let run = run.ok_or_else(|| format!("no `octet up` runs in {}", data.display()))?;
        Ok(run.processes.iter().map(|process| format!("http://{}/metrics", process.admin)).collect())
    }

    /// Whether each process of the gateway's list is ready; empty without a list.
    pub(super) async fn ready(&self) -> BTreeMap<String, bool> {
        let request = self.request(Method::GET, "/api/processes", String::new());
        let Ok((StatusCode::OK, body)) = self.ask(request).await else { return BTreeMap::new() };
        let list: Processes = serde_json::from_slice(&body).unwrap_or(Processes { processes: Vec::new() });
        list.processes
            .into_iter()
            .map(|listed| (named(&listed.name, listed.replica), listed.state == "ready"))
            .collect()
    }

    /// Replaces the faults of all processes. Returns what did not work.
    pub(super) async fn set_faults(&self, faults: &[Fault]) -> Vec<String> {
        let changed = if faults.is_empty() {
            self.faults(Method::DELETE, "", String::new()).await
        } else {
            let lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
            let query = format!("?for={}", duration_text(self.lasting));
            self.faults(Method::PUT, &query, lines.join("\n")).await
        };
        match changed {
            Ok(found) => found
                .failed
                .into_iter()
                .map(|failed| format!("{}: {}", named(&failed.process, failed.replica), failed.reason))
                .collect(),
            Err(error) => vec![format!("{error:#}")],
        }
    }

    /// Ends the faults of all processes. A gateway that restarts is tried again.
    pub(super) async fn end_faults(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            match self.set_faults(&[]).await.as_slice() {
                [] => return Ok(()),
                problems if started.elapsed() > END => bail!("faults may remain: {}", problems.join("; ")),
                _ => sleep(RETRY).await,
            }
        }
    }

    /// How often each fault acted since it was last set.
    pub(super) async fn acted(&self) -> BTreeMap<String, u64> {
        let mut acted = BTreeMap::new();
        let found = self.faults(Method::GET, "", String::new()).await;
        let faults = found.map(|found| found.faults).unwrap_or_default();
        for shown in faults.into_iter().filter(|shown| shown.source == "admin") {
            *acted.entry(shown.fault).or_default() += shown.acted;
        }
        acted
    }

    async fn faults(&self, method: Method, query: &str, body: String) -> anyhow::Result<FaultList> {
        let (status, body) = self.ask(self.request(method, &format!("/api/faults{query}"), body)).await?;
        if status != StatusCode::OK {
            let text = String::from_utf8_lossy(&body);
            let message = serde_json::from_slice::<Value>(&body)
                .ok()
                .and_then(|error| Some(error.get("message")?.as_str()?.to_owned()))
                .unwrap_or_else(|| {
                    text.chars().take(200).filter(|character| !character.is_control()).collect()
                });
            bail!("{}/api/faults returned HTTP {}: {message}", self.place.url, status.as_u16());
        }
        serde_json::from_slice(&body)
            .with_context(|| format!("{} is not the gateway of a mesh of Octet", self.place.url))
    }

    fn request(&self, method: Method, path: &str, body: String) -> http::Result<Request<String>> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.place.url));
        if let Some(authorization) = &self.place.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        request.body(body)
    }

    async fn ask(&self, request: http::Result<Request<String>>) -> anyhow::Result<(StatusCode, Vec<u8>)> {
        let request = request.with_context(|| format!("invalid URL {}", self.place.url))?;
        let asked = timeout(LIMIT, self.http.send(request)).await;
        asked
            .unwrap_or_else(|_| Err(anyhow!("no response within {}", duration_text(LIMIT))))
            .with_context(|| format!("cannot reach {}", self.place.url))
    }
}
