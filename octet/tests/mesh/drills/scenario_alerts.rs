//! The two scenarios about alerts, and the change with which each breaks, with a real Prometheus and the shipped rules. All
//! times are shorter: those of the rules, of Prometheus and of the scenarios. In `make drill` only: how soon an
//! alert fires depends on the machine. docs/scenarios.md says how to run them at their own times.

use std::fs;

use super::{
    is_full,
    scenarios::{copied, run_with},
};
use crate::prometheus::{RULES, watching_with, with};

/// The rules with a thirtieth of the times.
fn short_rules() -> String {
    let mut rules = RULES.to_owned();
    for (from, to) in
        [("[5m]", "[10s]"), ("for: 5m", "for: 10s"), ("for: 2m", "for: 4s"), ("for: 1m", "for: 2s")]
    {
        rules = with(&rules, from, to);
    }
    rules
}

/// The same for a scenario: these texts, and what stands in their place.
const SHORT: [(&str, &[(&str, &str)]); 2] = [
    (
        "error-alert",
        &[
            ("for = \"7m\"", "for = \"42s\""),
            ("from = \"30s\"\nfor = \"6m\"", "from = \"5s\"\nfor = \"35s\""),
            ("within = \"5m\"", "within = \"25s\""),
        ],
    ),
    (
        "no-alert",
        &[
            ("for = \"5m\"", "for = \"42s\""),
            ("from = \"30s\"\nfor = \"4m\"", "from = \"5s\"\nfor = \"35s\""),
        ],
    ),
];

/// A scenario, and the change of its fault with which it breaks.
const PROOFS: [(&str, &str, &str); 2] = [
    ("error-alert", "share = \"10%\"", "share = \"0.1%\""),
    ("no-alert", "share = \"0.1%\"", "share = \"10%\""),
];

#[tokio::test]
async fn an_alert_fires_or_not_as_expected_and_the_change_breaks_it() {
    if !is_full() {
        return;
    }
    let rules = short_rules();
    for (scenario, from, to) in PROOFS {
        for breaks in [false, true] {
            let directory = tempfile::tempdir().expect("a directory");
            copied(directory.path());
            let file = directory.path().join(format!("{scenario}.toml"));
            let mut text = fs::read_to_string(&file).expect("readable");
            let (_, short) = SHORT.iter().find(|(name, _)| *name == scenario).expect("short times");
            for (from, to) in *short {
                text = with(&text, from, to);
            }
            if breaks {
                text = with(&text, from, to);
            }
            fs::write(&file, text).expect("written");
            let data = directory.path().join("data");
            // Watched from the start: the mesh writes its targets here.
            fs::create_dir_all(data.join("run")).expect("a directory");
            let prometheus = watching_with(&data, "127.0.0.1:9", &rules).await;
            let (data, url) = (data.to_str().expect("UTF-8"), prometheus.url(""));
            let more = ["--data", data, "--prometheus", &url];
            let (status, printed) = run_with(directory.path(), scenario, &more).await;
            assert_eq!(status, Some(i32::from(breaks)), "{scenario}, {to:?} {breaks}: {printed}");
            assert!(!printed.contains("not judged"), "{printed}");
            let is_case = |line: &&str| line.contains(": alert ") || line.contains(": no alert ");
            let alert = printed.lines().find(is_case).expect("a case");
            assert_eq!(alert.trim_start().starts_with("broken"), breaks, "{printed}");
        }
    }
}
