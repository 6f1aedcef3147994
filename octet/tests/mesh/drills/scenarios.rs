//! The shipped scenarios hold, and each breaks with one change: a counter-proof. All of them in `make drill`, and in
//! `make test` one that does not depend on time.

use std::{
    fs,
    path::{Path, PathBuf},
};

use octet_testbed::PortBlock;

use super::is_full;
use crate::platform::octet;

/// A scenario, and the change with which it breaks.
struct Proof {
    scenario: &'static str,
    /// The file that is changed, in examples/scenarios.
    file: &'static str,
    from: &'static str,
    to: &'static str,
    is_short: bool,
}

const fn proof(
    scenario: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
    is_short: bool,
) -> Proof {
    Proof { scenario, file, from, to, is_short }
}

/// Those about alerts are in `scenario_alerts`.
const PROOFS: [Proof; 15] = [
    proof("find-the-fault", "find-the-fault.toml", "share = \"30%\"", "share = \"1%\"", false),
    proof("collector-away", "collector-away.toml", "do = \"freeze\"", "do = \"kill\"", true),
    proof("overload", "topologies/limited.toml", "queue = 8", "queue = 4000", false),
    proof(
        "slow-leaf-with-deadline",
        "topologies/leaf-with-deadline.toml",
        "deadline = \"500ms\"",
        "deadline = \"4s\"",
        false,
    ),
    proof(
        "poison-messages",
        "poison-messages.toml",
        "do = \"poison\"\nfrom = \"6s\"",
        "do = \"thaw\"\nfrom = \"6s\"",
        true,
    ),
    proof("dead-leaf", "dead-leaf.toml", "do = \"kill\"", "do = \"freeze\"", false),
    proof("frozen-leaf", "frozen-leaf.toml", "for = \"8s\"", "for = \"1s\"", false),
    proof("slow-leaf", "slow-leaf.toml", "delay = \"600ms\"", "delay = \"6s\"", false),
    proof("error-share-retried", "topologies/retried.toml", "attempts = 3", "attempts = 1", false),
    proof("broker-away", "broker-away.toml", "abort = \"UNAVAILABLE\"", "drop = true", false),
    proof(
        "store-away",
        "store-away.toml",
        "abort = \"UNAVAILABLE\"",
        "lose = \"UNAVAILABLE\"\nshare = \"5%\"",
        false,
    ),
    proof(
        "collapse",
        "collapse.toml",
        "topologies/collapse.toml",
        "topologies/collapse-with-budget.toml",
        false,
    ),
    proof(
        "collapse-cured-by-budget",
        "topologies/collapse-with-budget.toml",
        "budget = \"10%\", ",
        "",
        false,
    ),
    proof("sick-replica", "sick-replica.toml", "at = \"stock#2\"", "at = \"stock\"", false),
    proof(
        "rolling-restart",
        "rolling-restart.toml",
        "CONNECT_WAIT = \"4s\"",
        "CONNECT_WAIT = \"1ms\"",
        false,
    ),
];

/// A copy of the shipped scenarios.
pub(super) fn copied(to: &Path) {
    let from = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/scenarios");
    for part in ["", "topologies"] {
        fs::create_dir_all(to.join(part)).expect("a directory");
        for entry in fs::read_dir(from.join(part)).expect("scenarios") {
            let path = entry.expect("a file").path();
            if path.is_file() {
                fs::copy(&path, to.join(part).join(path.file_name().expect("a name"))).expect("copied");
            }
        }
    }
}

/// Runs a scenario, and returns its exit status and what it printed.
async fn run(directory: &Path, scenario: &str) -> (Option<i32>, String) {
    run_with(directory, scenario, &[]).await
}

/// As [`run`], with further arguments.
pub(super) async fn run_with(directory: &Path, scenario: &str, more: &[&str]) -> (Option<i32>, String) {
    let ports = PortBlock::take_for_replicas();
    let out = directory.join("out");
    let output = octet()
        .args(["scenario", "run", "--base-port", &ports.base().to_string(), "--out"])
        .arg(&out)
        .arg(directory.join(format!("{scenario}.toml")))
        .args(more)
        .output()
        .await
        .expect("octet runs");
    let junit = fs::read_to_string(out.join("junit.xml")).expect("a report");
    assert!(junit.starts_with("<?xml") && out.join("report.md").exists(), "{junit}");
    let report = fs::read_to_string(out.join("report.json")).expect("a report");
    serde_json::from_str::<serde_json::Value>(&report).expect("JSON");
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[tokio::test]
async fn every_scenario_holds_and_breaks_with_one_change() {
    for proof in PROOFS.iter().filter(|proof| proof.is_short || is_full()) {
        let directory = tempfile::tempdir().expect("a directory");
        copied(directory.path());
        let (status, text) = run(directory.path(), proof.scenario).await;
        assert_eq!(status, Some(0), "{}: {text}", proof.scenario);

        let file = directory.path().join(proof.file);
        let before = fs::read_to_string(&file).expect("readable");
        assert!(before.contains(proof.from), "{}: no {:?}", proof.file, proof.from);
        fs::write(&file, before.replace(proof.from, proof.to)).expect("written");
        let (status, text) = run(directory.path(), proof.scenario).await;
        assert_eq!(status, Some(1), "{} with {:?}: {text}", proof.scenario, proof.to);
    }
}

#[tokio::test]
async fn a_wrong_file_and_an_unmet_condition_before_the_faults_have_exit_statuses_of_their_own() {
    let directory = tempfile::tempdir().expect("a directory");
    copied(directory.path());
    let file = directory.path().join("dead-leaf.toml");
    let check = async || octet().args(["scenario", "check"]).arg(&file).output().await.expect("octet runs");
    assert_eq!(check().await.status.code(), Some(0));
    let text = fs::read_to_string(&file).expect("readable");
    fs::write(&file, text.replace("do = \"kill\"", "do = \"stab\"")).expect("written");
    let refused = check().await;
    assert_eq!(refused.status.code(), Some(64));
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        error.contains("dead-leaf.toml:") && error.contains("action[0].do: must be one of kill"),
        "{error}"
    );

    let short = text
        .replace("for = \"20s\"", "for = \"8s\"")
        .replace("errors = [\"rate==0\"]", "errors = [\"rate>0.5\"]");
    fs::write(&file, short).expect("written");
    let (status, text) = run(directory.path(), "dead-leaf").await;
    assert_eq!(status, Some(75), "{text}");
    assert!(text.contains("before the faults: errors rate>0.5 was not met"), "{text}");
}
