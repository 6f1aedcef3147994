//! `octet scenario run --target` against a mesh that runs.

use std::{fs, path::Path, process::Output};

use serde_json::Value;

use crate::{
    client::Client,
    platform::{Mesh, octet},
};

/// Half of the calls to G fail for two seconds.
const SCENARIO: &str = r#"
title = "G fails for two seconds"
seed = 7
[load]
rate = "15/s"
for = "5s"
warm_up = "500ms"
[[fault]]
at = "service-e>service-g"
abort = "UNAVAILABLE"
from = "1500ms"
for = "2s"
[[expect]]
when = "before"
errors = ["rate==0"]
[[expect]]
when = "during"
errors = ["rate>0.9"]
failures_only = ["HTTP 503"]
[[expect]]
when = "after"
within = "1s"
errors = ["rate==0"]
[[expect]]
when = "end"
audit = "clean"
queue = ["depth==0"]
readiness = { ready = ["service-g"] }
telemetry = { lost = ["rate==0"], counters = "agree" }
"#;

async fn run(mesh: &Mesh, directory: &Path, scenario: &str, more: &[&str]) -> Output {
    let file = directory.join("s.toml");
    fs::write(&file, scenario).expect("written");
    let mut command = octet();
    command.args(["scenario", "run", "--target", &mesh.url("/")]).arg(file).args(more);
    command.output().await.expect("octet runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

#[tokio::test]
async fn a_running_mesh_is_loaded_faulted_and_judged_and_keeps_no_fault() {
    let mesh = Mesh::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let data = mesh.data().to_str().expect("UTF-8").to_owned();
    let out = directory.path().join("out");
    let out = out.to_str().expect("UTF-8");
    let held = run(&mesh, directory.path(), SCENARIO, &["--data", &data, "--out", out]).await;
    assert_eq!(held.status.code(), Some(0), "{}", text(&held));
    assert!(!text(&held).contains("not judged"), "{}", text(&held));
    let report = fs::read_to_string(format!("{out}/report.json")).expect("a report");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert!(report["rounds"][0]["ledger"][0]["acted"].as_u64() > Some(15), "{report}");

    let faults = async || {
        let reply = Client::new().get(&mesh.url("/api/faults")).await;
        serde_json::from_slice::<Value>(&reply.body).expect("JSON")["faults"].clone()
    };
    assert_eq!(faults().await, Value::Array(Vec::new()));

    // Without the data directory, what needs the stores is not judged, and the rest is. The change breaks it.
    let weaker = SCENARIO.replace("abort = \"UNAVAILABLE\"", "abort = \"UNAVAILABLE\"\nshare = \"20%\"");
    let broken = run(&mesh, directory.path(), &weaker, &[]).await;
    assert_eq!(broken.status.code(), Some(1), "{}", text(&broken));
    for part in ["not judged end: audit clean", "not judged end: queue", "not judged end: counters agree"] {
        assert!(text(&broken).contains(part), "{part}: {}", text(&broken));
    }

    // Somebody else's faults are not replaced.
    let put = octet().args(["fault", "put", "--data", &data, "at=service-g delay=1ms"]).output().await;
    assert!(put.expect("octet runs").status.success());
    let refused = run(&mesh, directory.path(), SCENARIO, &[]).await;
    assert_eq!(refused.status.code(), Some(75), "{}", text(&refused));
    assert!(
        text(&refused).contains("the mesh has a fault that was set at run time (at=service-g delay=1ms)")
    );
    assert_eq!(faults().await.as_array().map(Vec::len), Some(1));
    mesh.end().await;
}

/// One message that nobody can read.
const POISON: &str = r#"
title = "One message is dead-lettered"
[load]
rate = "5/s"
for = "3s"
[[action]]
at = "service-d"
do = "poison"
from = "1s"
[[expect]]
when = "end"
queue = ["dead_lettered==1", "depth==0"]
"#;

#[tokio::test]
async fn each_run_in_one_mesh_counts_its_own_dead_letters() {
    let mesh = Mesh::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let data = mesh.data().to_str().expect("UTF-8").to_owned();
    for _ in 0..2 {
        let held = run(&mesh, directory.path(), POISON, &["--data", &data]).await;
        assert_eq!(held.status.code(), Some(0), "{}", text(&held));
    }
    mesh.end().await;
}

/// Nothing of the built-in topology.
const OTHER_TOPOLOGY: &str = r#"
title = "Nothing happens"
[load]
rate = "5/s"
for = "1s"
[[expect]]
when = "end"
errors = ["rate==0"]
"#;

#[tokio::test]
async fn what_a_running_mesh_does_not_allow_is_refused_with_the_step() {
    let mesh = Mesh::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let steps = "[environment]\nCONNECT_WAIT = \"1s\"\n[[action]]\nat = \"service-d\"\ndo = \"kill\"\nfor = \"1s\"\n\
                 [[action]]\nat = \"service-d\"\ndo = \"poison\"\n";
    let scenario = SCENARIO.replace(", counters = \"agree\"", "");
    let refused = run(&mesh, directory.path(), &format!("{scenario}{steps}"), &[]).await;
    assert_eq!(refused.status.code(), Some(64), "{}", text(&refused));
    for part in [
        "[environment]: not possible in a running mesh",
        "action[0] (kill service-d for 1s): not possible in a running mesh: a scenario acts on the processes of its own mesh only",
        "action[1] (poison service-d): not possible in a running mesh: the queues are not known",
    ] {
        assert!(text(&refused).contains(part), "{part}: {}", text(&refused));
    }
    let topology = "topology = \"t.toml\"\n";
    fs::write(directory.path().join("t.toml"), "entry = \"a\"\n[[service]]\nname = \"a\"\n")
        .expect("written");
    let other = run(&mesh, directory.path(), &format!("{topology}{OTHER_TOPOLOGY}"), &[]).await;
    assert_eq!(other.status.code(), Some(75), "{}", text(&other));
    assert!(
        text(&other).contains("the mesh does not have the topology that the scenario names"),
        "{}",
        text(&other)
    );
    let nowhere = octet()
        .args(["scenario", "run", "--target", "http://127.0.0.1:9", "slow-leaf"])
        .output()
        .await
        .expect("octet runs");
    assert_eq!(nowhere.status.code(), Some(75));
    assert!(text(&nowhere).contains("cannot reach http://127.0.0.1:9"), "{}", text(&nowhere));
    mesh.end().await;
}
