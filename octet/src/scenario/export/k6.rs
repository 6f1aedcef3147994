//! Scripts of k6: the load, the faults by the gateway's `/api/faults`, and thresholds for what is expected of requests.

use std::{fmt::Write as _, time::Duration};

use serde_json::{Value, json};

use super::{Exported, common, expected, plan::Plan};
use crate::scenario::{
    ledger::millis,
    model::{Check, Scenario},
};

/// The script of a scenario.
pub(super) fn export(scenario: &Scenario, plan: &Plan) -> Exported {
    let mut missing = common(scenario, "k6");
    let mut thresholds = serde_json::Map::new();
    let mut windows = Vec::new();
    let mut allowed = Vec::new();
    for (number, expectation) in scenario.expectations.iter().enumerate() {
        let when = expectation.when.name();
        let mut is_used = false;
        for check in &expectation.checks {
            let threshold = match check {
                // Limits are in milliseconds, as k6's are.
                Check::Latency(condition) => Some(("http_req_duration", condition.bare())),
                Check::Errors(condition) if condition.name == "rate" => {
                    Some(("http_req_failed", condition.bare()))
                }
                Check::Errors(condition) => Some(("failures", condition.bare())),
                Check::FailuresOnly(outcomes) => {
                    let statuses: Option<Vec<u16>> =
                        outcomes.iter().map(|outcome| outcome.strip_prefix("HTTP ")?.parse().ok()).collect();
                    statuses.map(|statuses| {
                        allowed.push(json!({ "expectation": number, "statuses": statuses }));
                        ("other_failures", "count==0".to_owned())
                    })
                }
                _ => None,
            };
            match threshold {
                Some((metric, condition)) if !condition.contains("!=") => {
                    is_used = true;
                    let key = format!("{metric}{{expect{number}:yes}}");
                    if let Value::Array(all) = thresholds.entry(key).or_insert_with(|| json!([])) {
                        all.push(json!(condition));
                    }
                }
                _ => missing.push(format!("{}: k6 cannot judge it", expected(when, check))),
            }
        }
        if is_used {
            let (from, to) = plan.window(expectation);
            windows.push(json!({ "tag": format!("expect{number}"), "from": millis(from), "to": millis(to) }));
        }
    }
    if scenario.load.rate.is_some() && thresholds.keys().any(|key| key.starts_with("http_req_duration")) {
        missing.push(
            "latency: k6 measures it from the moment at which a request is sent, not from when it was due"
                .to_owned(),
        );
    }
    let changes: Vec<_> = plan
        .changes
        .iter()
        .map(|change| {
            let faults: Vec<_> = change.faults.iter().map(ToString::to_string).collect();
            json!(faults.join("\n"))
        })
        .collect();
    let options = json!({ "scenarios": scenarios(scenario, plan), "thresholds": thresholds });
    Exported { text: script(scenario, &missing, &options, &windows, &allowed, &changes), missing }
}

fn duration(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

fn scenarios(scenario: &Scenario, plan: &Plan) -> Value {
    let load = &scenario.load;
    let mut all = serde_json::Map::new();
    let main = match load.rate {
        Some(rate) => json!({
            "executor": "constant-arrival-rate", "exec": "greet", "rate": rate, "timeUnit": "1s",
            "duration": duration(load.lasting), "preAllocatedVUs": load.users, "maxVUs": load.users,
        }),
        None => json!({
            "executor": "constant-vus", "exec": "greet", "vus": load.users, "duration": duration(load.lasting),
        }),
    };
    all.insert("load".to_owned(), main);
    for (number, change) in plan.changes.iter().enumerate() {
        all.insert(
            format!("faults{number}"),
            json!({
                "executor": "shared-iterations", "exec": "changeFaults", "vus": 1, "iterations": 1,
                "startTime": duration(change.at), "env": { "CHANGE": number.to_string() },
            }),
        );
    }
    Value::Object(all)
}

/// JSON is JavaScript. `</` and line separators do no harm outside of HTML.
fn shown(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn script(
    scenario: &Scenario,
    missing: &[String],
    options: &Value,
    windows: &[Value],
    allowed: &[Value],
    changes: &[Value],
) -> String {
    let mut text = format!(
        "// {}\n// Written by `octet scenario export`. Run it with: k6 run -e URL=http://localhost:8080 FILE\n",
        scenario.title
    );
    for sentence in missing {
        let _ = writeln!(text, "// Not in this script: {sentence}");
    }
    let seed = scenario.seed.unwrap_or_default();
    let (timeout, lasting) =
        (duration(scenario.load.timeout), (scenario.load.lasting + Duration::from_mins(1)).as_secs());
    let (options, windows, allowed, changes) =
        (shown(options), shown(&json!(windows)), shown(&json!(allowed)), shown(&json!(changes)));
    let _ = write!(
        text,
        r#"
import http from "k6/http";
import exec from "k6/execution";
import {{ Counter }} from "k6/metrics";

export const options = {options};

// The parts of the run, in milliseconds after its start, by the tags that thresholds use.
const windows = {windows};

// The statuses that failures may have.
const allowed = {allowed};

// The faults from each change on; none where the text is empty.
const changes = {changes};

// The same seed and the same faults: the same requests meet them, if the mesh has the same SEED.
const seed = __ENV.SEED || "{seed}";
const url = __ENV.URL || "http://localhost:8080";
const failures = new Counter("failures");
const otherFailures = new Counter("other_failures");

export function greet() {{
  const at = Date.now() - exec.scenario.startTime;
  const tags = {{}};
  for (const window of windows) {{
    if (at >= window.from && at < window.to) tags[window.tag] = "yes";
  }}
  const headers = {{ "x-request-id": "scenario-" + seed + "-" + exec.scenario.iterationInTest }};
  const response = http.get(url + "/api/greeting", {{ headers, tags, timeout: "{timeout}" }});
  const failed = response.status < 200 || response.status > 299;
  failures.add(failed ? 1 : 0, tags);
  for (const {{ expectation, statuses }} of allowed) {{
    const tag = "expect" + expectation;
    if (tags[tag]) otherFailures.add(failed && !statuses.includes(response.status) ? 1 : 0, {{ [tag]: "yes" }});
  }}
}}

export function changeFaults() {{
  const faults = changes[Number(__ENV.CHANGE)];
  const headers = __ENV.ADMIN_TOKEN ? {{ Authorization: "Bearer " + __ENV.ADMIN_TOKEN }} : {{}};
  const response = faults
    ? http.put(url + "/api/faults?for={lasting}s", faults, {{ headers }})
    : http.del(url + "/api/faults", null, {{ headers }});
  if (response.status !== 200) exec.test.abort("cannot change faults: " + response.body);
}}
"#
    );
    text
}
