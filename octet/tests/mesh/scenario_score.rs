//! A detection drill: blind faults, and the grade of a diagnosis.

use std::{collections::BTreeMap, fs, path::Path};

use octet_testbed::PortBlock;
use serde_json::{Value, json};

use crate::{drills::is_full, platform::octet, prometheus::with};

/// The shipped drill; except in `make drill` in less time.
fn drill() -> String {
    let text = include_str!("../../../examples/scenarios/find-the-fault.toml").to_owned();
    if is_full() {
        return text;
    }
    let text = with(&text, "for = \"16s\"", "for = \"10s\"");
    let text = with(&text, "from = \"4s\"\nfor = \"6s\"", "from = \"2s\"\nfor = \"3s\"");
    with(&text, "from = \"8s\"\nfor = \"5s\"", "from = \"3s\"\nfor = \"4s\"")
}

/// Runs the drill, and returns what it printed.
async fn run(out: &Path) -> String {
    let ports = PortBlock::take();
    let file = out.with_file_name("drill.toml");
    fs::write(&file, drill()).expect("written");
    let output = octet()
        .args(["scenario", "run", "--base-port", &ports.base().to_string(), "--out"])
        .arg(out)
        .arg(file)
        .output()
        .await
        .expect("octet runs");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    text
}

async fn score(directory: &Path, findings: Value, more: &[&str]) -> (Option<i32>, String) {
    let answer = directory.join("answer.json");
    fs::write(&answer, json!({ "findings": findings }).to_string()).expect("written");
    let output = octet()
        .args(["scenario", "score", "--report"])
        .arg(directory.join("out/report.json"))
        .arg(answer)
        .args(more)
        .output()
        .await
        .expect("octet runs");
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[tokio::test]
async fn blind_faults_are_shown_nowhere_and_a_diagnosis_is_graded_against_the_ledger() {
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("out");
    let printed = run(&out).await;
    assert!(printed.contains("fault: a blind fault"), "{printed}");
    // Neither the terminal nor the logs of any process say what it is.
    let mut logs = BTreeMap::from([("the terminal".to_owned(), printed)]);
    for entry in fs::read_dir(out.join("round-1/logs")).expect("logs") {
        let path = entry.expect("a file").path();
        logs.insert(path.display().to_string(), fs::read_to_string(path).expect("readable"));
    }
    assert!(logs.len() > 9, "{:?}", logs.keys());
    for (name, text) in &logs {
        for hint in ["injected", "abort=UNAVAILABLE", "delay=400ms"] {
            assert!(!text.contains(hint), "{name} shows {hint}");
        }
    }
    let report = fs::read_to_string(out.join("report.json")).expect("a report");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let ledger = report["rounds"][0]["ledger"].as_array().expect("a ledger");
    assert!(
        ledger.iter().all(|entry| entry["blind"] == true && entry["acted"].as_u64() > Some(10)),
        "{ledger:?}"
    );

    let time = |index: usize, key: &str| ledger[index][key].as_u64().expect("milliseconds");
    let right = json!([
        { "at": "service-e>service-g", "what": "abort", "from": format!("{}ms", time(0, "fromMs")), "until": format!("{}ms", time(0, "untilMs")) },
        { "at": "service-d", "what": "delay", "from": format!("{}ms", time(1, "fromMs")), "until": format!("{}ms", time(1, "untilMs")) },
    ]);
    let (status, text) = score(directory.path(), right, &["--pass", "100"]).await;
    assert_eq!(status, Some(0), "{text}");
    let vague =
        json!([{ "at": "service-g", "what": "abort", "from": 2 }, { "at": "service-h", "what": "stall" }]);
    let (status, text) = score(directory.path(), vague.clone(), &[]).await;
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("not found") && text.contains("did not take place: stall at service-h"), "{text}");
    let (status, text) = score(directory.path(), vague, &["--pass", "20", "--format", "json"]).await;
    let grade: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(status, Some(0), "{text}");
    assert!((0.2..0.5).contains(&grade["score"].as_f64().expect("a number")), "{text}");
    let (status, text) = score(directory.path(), json!("x"), &[]).await;
    assert_eq!(status, Some(64));
    assert!(text.contains("answer.json: invalid type"), "{text}");
}
