//! The page's scenarios: which there are, and the arguments of `octet scenario run`.

use std::{process::Stdio, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{process::Command, sync::OnceCell, time::timeout};

use super::{Kind, Target};

/// How long the list of scenarios may take.
const LIST: Duration = Duration::from_secs(30);

/// What a run may take beyond its load: queues drain, spans arrive and answers are audited, each within 30 s by default.
const SPARE: Duration = Duration::from_mins(5);

/// The largest seed, which a number of JSON has exactly in any language.
const MAX_SEED: u64 = (1 << 53) - 1;

/// `octet scenario run` against the gateway.
#[derive(Default)]
pub(crate) struct Scenarios {
    /// Listed once: neither the program nor the topology changes while the gateway runs.
    listed: OnceCell<Vec<Listed>>,
}

/// The shipped scenarios.
#[derive(Clone, Default, Serialize)]
pub(crate) struct Details {
    scenarios: Vec<Listed>,
}

/// As `octet scenario list` prints it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Listed {
    name: String,
    title: String,
    /// The length of its load.
    seconds: f64,
    /// Why it cannot run against this mesh; empty if it can.
    refused: Vec<String>,
}

/// A valid plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Plan {
    scenario: String,
    /// Instead of the file's.
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    /// The length of its load.
    seconds: f64,
}

/// What a client sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    scenario: String,
    #[serde(default)]
    seed: Option<u64>,
}

impl Kind for Scenarios {
    type Plan = Plan;
    type Details = Details;

    const PATH: &'static str = "/api/scenarios";
    const NAME: &'static str = "scenario";
    const NAMES: &'static str = "scenarios";
    const PROGRAM: &'static str = "octet scenario";

    async fn details(&self, target: &Target) -> Result<Details, String> {
        Ok(Details { scenarios: self.listed(target).await?.to_vec() })
    }

    async fn read(&self, body: &[u8], target: &Target) -> Result<Plan, String> {
        let asked: Asked = serde_json::from_slice(body).map_err(|error| format!("invalid plan: {error}"))?;
        plan(asked, self.listed(target).await?)
    }

    fn arguments(&self, plan: &Plan, target: &Target) -> Vec<String> {
        let mut arguments = vec!["scenario".to_owned(), "run".to_owned(), plan.scenario.clone()];
        arguments.extend([format!("--target={}", target.url("")), "--format=json-lines".to_owned()]);
        arguments.extend(plan.seed.map(|seed| format!("--seed={seed}")));
        if let Some(data) = &target.data {
            // The reports of the last run only, so that they do not fill the disk.
            let out = data.join("scenario");
            arguments.extend([format!("--data={}", data.display()), format!("--out={}", out.display())]);
        }
        arguments
    }

    fn patience(&self, plan: &Plan) -> Duration {
        Duration::try_from_secs_f64(plan.seconds).unwrap_or_default() + SPARE
    }
}

impl Scenarios {
    async fn listed(&self, target: &Target) -> Result<&[Listed], String> {
        let listed = self.listed.get_or_try_init(|| list(target)).await;
        listed.map(Vec::as_slice).map_err(|error| {
            tracing::error!(error, "cannot list the scenarios");
            "the scenarios cannot be listed; see the gateway's log".to_owned()
        })
    }
}

/// The plan, if the mesh can do it.
fn plan(asked: Asked, listed: &[Listed]) -> Result<Plan, String> {
    let Asked { scenario, seed } = asked;
    let Some(found) = listed.iter().find(|listed| listed.name == scenario) else {
        let names: Vec<_> = listed.iter().map(|listed| listed.name.as_str()).collect();
        return Err(format!("`scenario` must be one of {}", names.join(", ")));
    };
    if !found.refused.is_empty() {
        return Err(format!("`scenario`: {scenario} cannot run here: {}", found.refused.join("; ")));
    }
    if seed.is_some_and(|seed| seed > MAX_SEED) {
        return Err(format!("`seed` must be from 0 to {MAX_SEED}"));
    }
    Ok(Plan { scenario, seed, seconds: found.seconds })
}

/// Asks the program.
async fn list(target: &Target) -> Result<Vec<Listed>, String> {
    let mut command = Command::new(&target.program);
    command.args(["scenario", "list", "--format=json"]).arg(format!("--target={}", target.url("")));
    if let Some(data) = &target.data {
        command.arg(format!("--data={}", data.display()));
    }
    let command = command.current_dir("/").env_clear().stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(LIST, command.output())
        .await
        .map_err(|_| format!("no list within {} s", LIST.as_secs()))?
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("the list is not valid: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(name: &str, refused: &[&str]) -> Listed {
        let refused = refused.iter().map(|line| (*line).to_owned()).collect();
        Listed { name: name.to_owned(), title: String::new(), seconds: 20.0, refused }
    }

    fn read(body: &str) -> Result<Plan, String> {
        let listed = [listed("slow-leaf", &[]), listed("dead-leaf", &["action[0] (kill service-h)"])];
        let asked = serde_json::from_str(body).map_err(|error| error.to_string())?;
        plan(asked, &listed)
    }

    #[test]
    fn a_plan_becomes_arguments_with_the_data_of_the_mesh() {
        let plan = read(r#"{"scenario": "slow-leaf", "seed": 9}"#).unwrap();
        let data = Some("/home/a b/.octet".into());
        let target = Target::new(Some("octet".into()), "http", "0.0.0.0:8080".parse().ok(), data).unwrap();
        let kind = Scenarios::default();
        assert_eq!(
            kind.arguments(&plan, &target),
            [
                "scenario",
                "run",
                "slow-leaf",
                "--target=http://127.0.0.1:8080",
                "--format=json-lines",
                "--seed=9",
                "--data=/home/a b/.octet",
                "--out=/home/a b/.octet/scenario",
            ]
        );
        assert_eq!(kind.patience(&plan), Duration::from_secs(320));
    }

    #[test]
    fn what_the_mesh_cannot_do_is_refused_with_its_reason() {
        for (body, reason) in [
            (r#"{"scenario": "../x"}"#, "`scenario` must be one of slow-leaf, dead-leaf"),
            (r#"{"scenario": "dead-leaf"}"#, "dead-leaf cannot run here: action[0] (kill service-h)"),
            (
                r#"{"scenario": "slow-leaf", "seed": 9007199254740992}"#,
                "`seed` must be from 0 to 9007199254740991",
            ),
            (r#"{"scenario": "slow-leaf", "seed": -1}"#, "invalid value"),
            (r#"{"scenario": "slow-leaf", "target": "http://192.0.2.1"}"#, "unknown field `target`"),
            ("{}", "missing field `scenario`"),
        ] {
            let refused = read(body).expect_err(body);
            assert!(refused.contains(reason), "{body}: {refused}");
        }
    }
}
