//! Experiments of Chaos Toolkit: a load of `octet load` in the background, and the faults by the gateway's `/api/faults`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Exported, common, expected, plan::Plan};
use crate::scenario::model::{Check, Scenario, When};

/// The name of the variable in `configuration`.
const URL: &str = "${url}";

/// The experiment of a scenario.
pub(super) fn export(scenario: &Scenario, plan: &Plan) -> Exported {
    let mut missing = common(scenario, "Chaos Toolkit");
    // Its hypothesis is judged before and after the method: whether a greeting succeeds then.
    let mut has_hypothesis = false;
    for expectation in &scenario.expectations {
        for check in &expectation.checks {
            let is_steady = matches!(check, Check::Errors(condition) if condition.is_zero())
                && matches!(expectation.when, When::Before | When::After);
            has_hypothesis |= is_steady;
            if !is_steady {
                let why = "Chaos Toolkit cannot judge it";
                missing.push(format!("{}: {why}", expected(expectation.when.name(), check)));
            }
        }
    }
    if has_hypothesis {
        missing.push("errors before and after: one greeting is probed, and not all requests".to_owned());
    }
    if scenario.seed.is_some() {
        missing.push("seed: requests have ids of their own".to_owned());
    }
    let mut experiment = json!({
        "version": "1.0.0",
        "title": scenario.title,
        "description": "Written by `octet scenario export`, for a mesh at `url`",
        "tags": ["octet"],
        "configuration": { "url": { "type": "env", "key": "URL", "default": "http://localhost:8080" } },
        "method": method(scenario, plan),
        "rollbacks": [],
    });
    let fields = experiment.as_object_mut();
    if let Some(fields) = fields {
        if !missing.is_empty() {
            fields.insert("extensions".to_owned(), json!([{ "name": "octet", "missing": missing }]));
        }
        if has_hypothesis {
            let title = "A greeting succeeds";
            let probe = json!({
                "type": "probe", "name": "greeting", "tolerance": 200,
                "provider": { "type": "http", "url": format!("{URL}/api/greeting"), "timeout": seconds(scenario.load.timeout) },
            });
            fields.insert("steady-state-hypothesis".to_owned(), json!({ "title": title, "probes": [probe] }));
        }
        if !scenario.faults.is_empty() {
            fields.insert("rollbacks".to_owned(), json!([clear("clear the faults", None)]));
        }
    }
    let text = serde_json::to_string_pretty(&experiment).unwrap_or_default();
    Exported { text, missing }
}

/// The load in the background, then each change at its time.
fn method(scenario: &Scenario, plan: &Plan) -> Vec<Value> {
    let load = &scenario.load;
    let mut arguments = vec![
        "load".to_owned(),
        format!("{URL}/api/greeting"),
        format!("--users={}", load.users),
        format!("--duration={}ms", load.lasting.as_millis()),
        format!("--timeout={}ms", load.timeout.as_millis()),
        "--allow-remote".to_owned(),
    ];
    arguments.extend(load.rate.map(|rate| format!("--rate={rate}")));
    let mut method = vec![json!({
        "type": "action", "name": "load", "background": true,
        "provider": { "type": "process", "path": "octet", "arguments": arguments },
    })];
    let mut now = Duration::ZERO;
    for change in &plan.changes {
        let pause = change.at.saturating_sub(now);
        now = change.at;
        let lines: Vec<_> = change.faults.iter().map(ToString::to_string).collect();
        if lines.is_empty() {
            method.push(clear(&format!("{}: no faults", octet_fault::duration_text(now)), Some(pause)));
            continue;
        }
        let left = (load.lasting + Duration::from_mins(1)).as_secs();
        method.push(json!({
            "type": "action",
            "name": format!("{}: {}", octet_fault::duration_text(now.max(Duration::from_millis(1))), lines.join("; ")),
            "pauses": { "before": seconds(pause) },
            "provider": {
                "type": "http", "method": "PUT", "url": format!("{URL}/api/faults?for={left}s"),
                "arguments": lines.join("\n"), "timeout": 15,
            },
        }));
    }
    // Until the load is over.
    if let Some(last) = method.last_mut().and_then(Value::as_object_mut) {
        let pauses = last.entry("pauses").or_insert_with(|| json!({}));
        if let Some(pauses) = pauses.as_object_mut() {
            pauses.insert("after".to_owned(), json!(seconds(load.lasting.saturating_sub(now))));
        }
    }
    method
}

fn clear(name: &str, pause: Option<Duration>) -> Value {
    let mut action = json!({
        "type": "action", "name": name,
        "provider": { "type": "http", "method": "DELETE", "url": format!("{URL}/api/faults"), "timeout": 15 },
    });
    if let (Some(pause), Some(fields)) = (pause, action.as_object_mut()) {
        fields.insert("pauses".to_owned(), json!({ "before": seconds(pause) }));
    }
    action
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
