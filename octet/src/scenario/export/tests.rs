use super::*;
use crate::scenario::file::parse;

const SCENARIO: &str = r#"
title = "a </script> \"quoted\""
seed = 7
[load]
rate = "40/s"
for = "20s"
warm_up = "1s"
[[fault]]
at = "service-g"
delay = "600ms"
from = "5s"
for = "6s"
[[fault]]
at = "service-e>service-g"
abort = "UNAVAILABLE"
share = "10%"
from = "8s"
[[action]]
at = "service-d"
do = "kill"
from = "9s"
[[expect]]
when = "before"
errors = ["rate==0"]
latency = ["p(99)<50ms"]
[[expect]]
when = "during"
within = "2s"
failures_only = ["HTTP 503"]
goodput = ["rate>10"]
[[expect]]
when = "end"
errors = ["count<30"]
audit = "clean"
"#;

fn exported(to: ScenarioTarget) -> Exported {
    let scenario = parse(SCENARIO, "s.toml", &|name| Err(format!("{name}: cannot be read"))).expect("valid");
    export(&scenario, to)
}

#[test]
fn a_script_of_k6_has_load_faults_and_thresholds_and_names_the_rest() {
    let Exported { text, missing } = exported(ScenarioTarget::K6);
    for part in [
        "\"executor\": \"constant-arrival-rate\"",
        "\"rate\": 40",
        "\"startTime\": \"5000ms\"",
        "\"at=service-g delay=600ms\\nat=service-e>service-g abort=UNAVAILABLE share=10%\"",
        "\"http_req_failed{expect0:yes}\": [\n      \"rate==0\"",
        "\"http_req_duration{expect0:yes}\": [\n      \"p(99)<50\"",
        "\"other_failures{expect1:yes}\": [\n      \"count==0\"",
        "\"failures{expect2:yes}\": [\n      \"count<30\"",
        "\"from\": 7000,\n    \"tag\": \"expect1\",\n    \"to\": 20000",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(missing.len(), 4, "{missing:?}");
    for sentence in &missing {
        assert!(text.contains(&format!("// Not in this script: {sentence}\n")), "{sentence}");
    }
    for part in ["action `kill service-d` at 9s", "goodput rate>10", "audit clean", "latency: k6 measures"] {
        assert!(missing.iter().any(|sentence| sentence.contains(part)), "{part}: {missing:?}");
    }
}

#[test]
fn an_experiment_of_chaos_toolkit_has_the_changes_in_order_and_names_the_rest() {
    let Exported { text, missing } = exported(ScenarioTarget::Chaostoolkit);
    let experiment: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let method = experiment["method"].as_array().expect("activities");
    let pauses: Vec<_> = method.iter().map(|activity| activity["pauses"]["before"].as_f64()).collect();
    // Faults at 5 s and 8 s; one ends at 11 s, and the other with the load.
    assert_eq!(pauses, [None, Some(5.0), Some(3.0), Some(3.0), Some(9.0)]);
    assert_eq!(method[0]["background"], true);
    assert_eq!(method[3]["provider"]["arguments"], "at=service-e>service-g abort=UNAVAILABLE share=10%");
    assert_eq!(method[4]["provider"]["method"], "DELETE");
    assert_eq!(experiment["steady-state-hypothesis"]["probes"][0]["tolerance"], 200);
    assert_eq!(experiment["extensions"][0]["missing"].as_array().map(Vec::len), Some(missing.len()));
    for part in ["action `kill service-d`", "latency p(99)<50ms", "audit clean", "one greeting is probed"] {
        assert!(missing.iter().any(|sentence| sentence.contains(part)), "{part}: {missing:?}");
    }
}
