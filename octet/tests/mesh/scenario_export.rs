//! `octet scenario export`: what it prints is a script of k6 and an experiment of Chaos Toolkit.

use std::fs;

use serde_json::Value;

use crate::platform::octet;

async fn export(to: &str, scenario: &str) -> (Option<i32>, String, String) {
    let output =
        octet().args(["scenario", "export", "--to", to, scenario]).output().await.expect("octet runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn a_script_of_k6_is_valid_and_what_it_lacks_is_reported() {
    let directory = tempfile::tempdir().expect("a directory");
    let script = directory.path().join("script.mjs");
    for (scenario, status, missing) in [
        ("slow-leaf", 1, Some("not exported: expectation `end: audit clean`: k6 cannot judge it")),
        ("store-away", 1, Some("not exported: expectation `end: queue depth==0`")),
        (
            "dead-leaf",
            1,
            Some("not exported: action `kill service-h for 6s` at 5s: k6 cannot act on processes"),
        ),
        ("collapse", 1, Some("not exported: topology: start the mesh")),
    ] {
        let (code, text, errors) = export("k6", scenario).await;
        assert_eq!(code, Some(status), "{errors}");
        assert!(missing.is_none_or(|missing| errors.contains(missing)), "{scenario}: {errors}");
        fs::write(&script, text).expect("written");
        let checked = tokio::process::Command::new("node").arg("--check").arg(&script).output().await;
        let checked = checked.expect("node runs");
        assert!(checked.status.success(), "{scenario}: {}", String::from_utf8_lossy(&checked.stderr));
    }
}

#[tokio::test]
async fn what_k6_can_say_in_full_is_exported_without_a_warning() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("s.toml");
    let text = "title = \"t\"\nseed = 7\n[load]\nusers = 5\nfor = \"10s\"\n[[fault]]\nat = \"service-g\"\ndelay = \"1s\"\n\
                [[expect]]\nwhen = \"end\"\nerrors = [\"rate==0\"]\nlatency = [\"p(50)>1s\"]\n";
    fs::write(&file, text).expect("written");
    let (code, text, errors) = export("k6", file.to_str().expect("UTF-8")).await;
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{text}");
}

#[tokio::test]
async fn an_experiment_of_chaos_toolkit_has_the_fields_of_its_format() {
    let (code, text, errors) = export("chaostoolkit", "slow-leaf").await;
    assert_eq!(code, Some(1));
    assert!(errors.contains("not exported: expectation `during: latency p(50)>600ms`"), "{errors}");
    let experiment: Value = serde_json::from_str(&text).expect("JSON");
    for field in ["title", "description"] {
        assert!(experiment[field].is_string(), "{field}: {text}");
    }
    let method = experiment["method"].as_array().expect("a method");
    for activity in method {
        assert!(activity["name"].is_string() && activity["type"] == "action", "{activity}");
        let provider = &activity["provider"];
        let wanted = if provider["type"] == "http" { "url" } else { "path" };
        assert!(provider[wanted].is_string(), "{activity}");
    }
    assert_eq!(method.len(), 3);
    assert_eq!(method[1]["provider"]["arguments"], "at=service-g delay=600ms");
}
