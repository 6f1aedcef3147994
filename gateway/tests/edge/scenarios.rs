//! `/api/scenarios`, with a script in the place of `octet`. `octet/tests/mesh/scenario_page.rs` runs real ones.

use http::StatusCode;
use octet_testbed::eventually;
use serde_json::{Value, json};

use crate::{
    client::{ask, get},
    gateway::Gateway,
    program::{Program, run_becomes},
};

/// Lists two scenarios, and runs until SIGTERM or the end of its standard input.
const RUNS: &str = r#"
if [ "$2" = list ]; then
  echo x >> "$0.lists"
  echo "$*" > "$0.list"
  echo '[{"name":"slow-leaf","title":"slow","seconds":20,"refused":[]},
         {"name":"dead-leaf","title":"dead","seconds":20,"refused":["action[0] (kill service-h): no"]}]'
  exit 0
fi
if [ "$1" = load ]; then echo '{"state":"done"}'; exit 0; fi
echo "$*" > "$0.arguments"
export > "$0.environment"
pwd > "$0.directory"
trap 'echo "{\"state\":\"stopped\",\"verdict\":\"unjudged\"}"; exit 75' TERM
echo '{"state":"running"}'
while read -r -t 1 || [ $? -gt 128 ]; do :; done
touch "$0.cleared"
"#;

const PATH: &str = "/api/scenarios";

const PLAN: &str = r#"{"scenario": "slow-leaf", "seed": 9}"#;

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn without_the_variable_there_are_no_scenarios_and_the_page_gets_the_reason() {
    let gateway = Gateway::start().await;
    let shown = get(&gateway, PATH).await;
    assert_eq!(shown.status, StatusCode::OK);
    let reason = "scenarios are off; octet up switches them on";
    let expected = json!({"available": false, "reason": reason, "scenarios": [], "run": null});
    assert_eq!(shown.json(), expected);
    for method in ["POST", "DELETE"] {
        let refused = ask(&gateway, method, PATH, &[JSON], PLAN).await;
        assert_eq!((refused.status, &refused.json()["message"]), (StatusCode::NOT_FOUND, &reason.into()));
    }
}

#[tokio::test]
async fn one_scenario_at_a_time_is_started_shown_to_all_and_stopped() {
    let program = Program::new(RUNS);
    let data = tempfile::tempdir().expect("a directory");
    let data = data.path().to_str().expect("UTF-8");
    let gateway = Gateway::with_loads_and(program.path(), &[("SCENARIO_DATA", data)]).await;
    let before = get(&gateway, PATH).await.json();
    assert_eq!((&before["available"], &before["run"]), (&Value::Bool(true), &Value::Null));
    assert_eq!(before["scenarios"][0]["name"], "slow-leaf");
    assert_eq!(before["scenarios"][1]["refused"], json!(["action[0] (kill service-h): no"]));
    let target = gateway.url("");
    let listed = program.file("list").expect("it was asked");
    assert_eq!(listed.trim(), format!("scenario list --format=json --target={target} --data={data}"));
    assert_eq!(ask(&gateway, "DELETE", PATH, &[], "").await.status, StatusCode::NOT_FOUND, "nothing runs");

    let started = ask(&gateway, "POST", PATH, &[JSON], PLAN).await;
    assert_eq!(started.status, StatusCode::CREATED, "{}", started.text());
    let run = started.json()["run"].clone();
    assert_eq!(run["plan"], json!({"scenario": "slow-leaf", "seed": 9, "seconds": 20.0}));
    eventually("the report is shown", async || {
        let shown = get(&gateway, PATH).await.json()["run"].clone();
        assert_eq!(shown["id"], run["id"]);
        if shown["report"]["state"] == "running" { Ok(()) } else { Err(shown.to_string()) }
    })
    .await;
    // A load would change what the scenario measures.
    for (path, body) in [(PATH, PLAN), ("/api/load", r#"{"users": 1, "seconds": 1}"#)] {
        let second = ask(&gateway, "POST", path, &[JSON], body).await;
        assert_eq!(second.status, StatusCode::CONFLICT, "{path}: {}", second.text());
    }
    let stopped = ask(&gateway, "DELETE", PATH, &[], "").await;
    assert_eq!((stopped.status, &stopped.json()["run"]["state"]), (StatusCode::OK, &"stopping".into()));
    let ended = run_becomes(&gateway, PATH, "stopped").await;
    assert_eq!((&ended["report"]["verdict"], &ended["failure"]), (&"unjudged".into(), &Value::Null));

    let arguments = program.file("arguments").expect("it ran");
    assert_eq!(
        arguments.trim(),
        format!(
            "scenario run slow-leaf --target={target} --format=json-lines --seed=9 --data={data} --out={data}/scenario"
        )
    );
    // A file of the gateway's directory cannot take the place of a shipped scenario.
    assert_eq!(program.file("directory").expect("it ran").trim(), "/");
    let environment = program.file("environment").expect("it ran");
    assert!(!environment.contains("CARGO") && !environment.contains("HOME="), "{environment}");
    let load = ask(&gateway, "POST", "/api/load", &[JSON], r#"{"users": 1, "seconds": 1}"#).await;
    assert_eq!(load.status, StatusCode::CREATED, "the turn is free again: {}", load.text());
    assert_eq!(program.file("lists").expect("lists").lines().count(), 1, "listed once");
}

#[tokio::test]
async fn strangers_and_unknown_or_impossible_scenarios_start_nothing() {
    let program = Program::new(RUNS);
    let gateway = Gateway::with_loads(program.path()).await;
    for (headers, body, status) in [
        (&[JSON, ("origin", "http://attacker.example")][..], PLAN, StatusCode::FORBIDDEN),
        (&[JSON, ("sec-fetch-site", "cross-site")], PLAN, StatusCode::FORBIDDEN),
        (&[JSON, ("host", "attacker.example")], PLAN, StatusCode::FORBIDDEN),
        (&[JSON, ("x-forwarded-for", "192.0.2.1")], PLAN, StatusCode::FORBIDDEN),
        (&[("content-type", "text/plain")], PLAN, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (&[JSON], "", StatusCode::BAD_REQUEST),
        (&[JSON], r#"{"scenario": "../../etc/passwd"}"#, StatusCode::BAD_REQUEST),
        (&[JSON], r#"{"scenario": "--help"}"#, StatusCode::BAD_REQUEST),
        (&[JSON], r#"{"scenario": "dead-leaf"}"#, StatusCode::BAD_REQUEST),
        (&[JSON], r#"{"scenario": "slow-leaf", "target": "http://192.0.2.1/"}"#, StatusCode::BAD_REQUEST),
        (&[JSON], &format!(r#"{{"scenario": "slow-leaf"{}}}"#, " ".repeat(5_000)), StatusCode::BAD_REQUEST),
        (&[JSON], &" ".repeat(8 * 1024 * 1024), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let refused = ask(&gateway, "POST", PATH, headers, body).await;
        assert_eq!(refused.status, status, "{headers:?}: {}", refused.text());
        assert!(refused.json()["message"].as_str().is_some_and(|text| text.len() > 10), "{}", refused.text());
    }
    let impossible = ask(&gateway, "POST", PATH, &[JSON], r#"{"scenario": "dead-leaf"}"#).await;
    assert!(impossible.text().contains("kill service-h"), "{}", impossible.text());
    assert_eq!(program.file("arguments"), None, "nothing was started");
    let shown = ask(&gateway, "GET", PATH, &[("x-forwarded-for", "192.0.2.1")], "").await.json();
    assert_eq!((&shown["available"], &shown["scenarios"]), (&Value::Bool(false), &json!([])));
    assert!(shown["reason"].as_str().is_some_and(|why| why.contains("may start scenarios")), "{shown}");
}

#[tokio::test]
async fn a_list_that_fails_is_reported_and_asked_for_again() {
    let program = Program::new("echo 'octet: secret path' >&2; exit 64");
    let gateway = Gateway::with_loads(program.path()).await;
    for script in ["exit 64", "echo '{'", "echo '[{\"name\": 7}]'"] {
        program.replace(script);
        let shown = get(&gateway, PATH).await.json();
        assert_eq!(
            (&shown["available"], &shown["reason"]),
            (&Value::Bool(false), &"the scenarios cannot be listed; see the gateway's log".into()),
        );
    }
    program.replace(RUNS);
    assert_eq!(get(&gateway, PATH).await.json()["available"], true);
}

/// It removes its faults first: it is not killed.
#[tokio::test]
async fn a_scenario_ends_itself_when_the_gateway_drains() {
    let program = Program::new(RUNS);
    let mut gateway = Gateway::with_loads(program.path()).await;
    assert_eq!(ask(&gateway, "POST", PATH, &[JSON], PLAN).await.status, StatusCode::CREATED);
    eventually("it runs", async || program.file("directory")).await;
    gateway.drain();
    eventually("it has ended in order", async || program.file("cleared")).await;
}
