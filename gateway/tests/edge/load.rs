//! `/api/load`, with a script in the place of `octet`.

use std::path::PathBuf;

use http::StatusCode;
use octet_testbed::eventually;
use serde_json::Value;

use crate::{
    client::{Reply, ask, get},
    gateway::Gateway,
    program::{Program, run_becomes},
};

/// Reports, and ends at SIGTERM or when its standard input closes.
const RUNS: &str = r#"
echo "$*" > "$0.arguments"
export > "$0.environment"
echo $$ > "$0.pid"
trap 'echo "{\"state\":\"stopped\",\"requests\":2}"; exit 0' TERM
echo '{"state":"running","requests":1}'
while read -r -t 1 || [ $? -gt 128 ]; do :; done
"#;

const PATH: &str = "/api/load";

const PLAN: &str = r#"{"users": 2, "seconds": 60, "rate": 10}"#;

const JSON: (&str, &str) = ("content-type", "application/json");

async fn start(gateway: &Gateway, plan: &str) -> Reply {
    ask(gateway, "POST", PATH, &[JSON], plan).await
}

#[tokio::test]
async fn without_the_variable_there_are_no_runs_and_the_page_gets_the_reason() {
    let gateway = Gateway::start().await;
    let shown = get(&gateway, PATH).await;
    assert_eq!(shown.status, StatusCode::OK);
    let shown = shown.json();
    assert_eq!((&shown["available"], &shown["run"]), (&Value::Bool(false), &Value::Null));
    assert!(shown["reason"].as_str().expect("a reason").contains("octet up"), "{shown}");
    for method in ["POST", "DELETE"] {
        let refused = ask(&gateway, method, PATH, &[JSON], PLAN).await;
        assert_eq!((refused.status, &refused.json()["code"]), (StatusCode::NOT_FOUND, &5.into()));
    }
}

#[tokio::test]
async fn one_run_at_a_time_is_started_shown_to_all_and_stopped() {
    let program = Program::new(RUNS);
    let gateway = Gateway::with_loads(program.path()).await;
    let before = get(&gateway, PATH).await.json();
    assert_eq!((&before["available"], &before["run"]), (&Value::Bool(true), &Value::Null));
    assert_eq!(before["limits"]["users"]["max"], 1_000);
    assert_eq!(ask(&gateway, "DELETE", PATH, &[], "").await.status, StatusCode::NOT_FOUND, "nothing runs");

    let started = start(&gateway, PLAN).await;
    assert_eq!(started.status, StatusCode::CREATED, "{}", started.text());
    let id = started.json()["run"]["id"].clone();
    // Anybody sees it, with its report.
    eventually("the report is shown", async || {
        let run = get(&gateway, PATH).await.json()["run"].clone();
        assert_eq!((&run["id"], &run["plan"]["users"]), (&id, &2.into()));
        if run["report"]["requests"] == 1 { Ok(()) } else { Err(run.to_string()) }
    })
    .await;
    let second = start(&gateway, PLAN).await;
    assert_eq!(second.status, StatusCode::CONFLICT, "{}", second.text());

    let stopped = ask(&gateway, "DELETE", PATH, &[], "").await;
    assert_eq!((stopped.status, &stopped.json()["run"]["state"]), (StatusCode::OK, &"stopping".into()));
    let run = run_becomes(&gateway, PATH, "stopped").await;
    assert_eq!((&run["id"], &run["report"]["requests"], &run["failure"]), (&id, &2.into(), &Value::Null));
    assert_eq!(ask(&gateway, "DELETE", PATH, &[], "").await.status, StatusCode::NOT_FOUND);

    assert_eq!(start(&gateway, PLAN).await.status, StatusCode::CREATED, "another one");
    let arguments = program.file("arguments").expect("it ran");
    assert_eq!(
        arguments.trim(),
        format!(
            "load {} --format=json-lines --protocol=http1 --users=2 --duration=60s --timeout=15s --rate=10",
            gateway.url("/api/greeting")
        )
    );
    let environment = program.file("environment").expect("it ran");
    assert!(environment.contains("OCTET_LIFELINE=\"stdin\""), "{environment}");
    assert!(!environment.contains("CARGO") && !environment.contains("HOME="), "{environment}");
}

#[tokio::test]
async fn strangers_and_plans_beyond_the_limits_start_nothing() {
    let program = Program::new(RUNS);
    let gateway = Gateway::with_loads(program.path()).await;
    let own = format!("http://{}", gateway.address);
    for (headers, body, status) in [
        (&[JSON, ("origin", "http://attacker.example")][..], PLAN, StatusCode::FORBIDDEN),
        (&[JSON, ("origin", "http://localhost:1")], PLAN, StatusCode::FORBIDDEN),
        (&[JSON, ("origin", "null")], PLAN, StatusCode::FORBIDDEN),
        (&[JSON, ("sec-fetch-site", "cross-site")], PLAN, StatusCode::FORBIDDEN),
        (&[JSON, ("host", "attacker.example")], PLAN, StatusCode::FORBIDDEN),
        (&[JSON, ("x-forwarded-for", "192.0.2.1")], PLAN, StatusCode::FORBIDDEN),
        (&[("content-type", "text/plain")], PLAN, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (&[], PLAN, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (&[JSON], "", StatusCode::BAD_REQUEST),
        (&[JSON], r#"{"users": 1001, "seconds": 1}"#, StatusCode::BAD_REQUEST),
        (&[JSON], r#"{"users": 1, "seconds": 601}"#, StatusCode::BAD_REQUEST),
        (&[JSON], r#"{"users": 1, "seconds": 1, "url": "http://192.0.2.1/"}"#, StatusCode::BAD_REQUEST),
        (&[JSON], &format!(r#"{{"users": 1, "seconds": 1{}}}"#, " ".repeat(5_000)), StatusCode::BAD_REQUEST),
        (&[JSON], &" ".repeat(8 * 1024 * 1024), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let refused = ask(&gateway, "POST", PATH, headers, body).await;
        assert_eq!(refused.status, status, "{headers:?}: {}", refused.text());
        assert!(refused.json()["message"].as_str().is_some_and(|text| text.len() > 10), "{}", refused.text());
    }
    assert_eq!(program.file("arguments"), None, "nothing was started");
    // A stranger may not stop a run either.
    assert_eq!(
        ask(&gateway, "POST", PATH, &[JSON, ("origin", &own)], PLAN).await.status,
        StatusCode::CREATED
    );
    let refused = ask(&gateway, "DELETE", PATH, &[("origin", "http://attacker.example")], "").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    run_becomes(&gateway, PATH, "running").await;
}

#[tokio::test]
async fn a_client_behind_a_proxy_that_is_not_trusted_starts_nothing() {
    let program = Program::new(RUNS);
    let gateway = Gateway::with_loads_and(program.path(), &[("TRUSTED_PROXIES", "192.0.2.0/24")]).await;
    for header in ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"] {
        let refused = ask(&gateway, "POST", PATH, &[JSON, (header, "203.0.113.9")], PLAN).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{header}: {}", refused.text());
    }
    assert_eq!(program.file("arguments"), None);
}

#[tokio::test]
async fn cors_for_everybody_does_not_let_other_pages_start_loads() {
    let program = Program::new(RUNS);
    let gateway = Gateway::with_loads_and(program.path(), &[("ALLOWED_ORIGINS", "*")]).await;
    let refused = ask(&gateway, "POST", PATH, &[JSON, ("origin", "http://other.example")], PLAN).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
    assert_eq!(program.file("arguments"), None);
}

#[tokio::test]
async fn a_program_that_fails_is_reported_with_its_reason() {
    for (script, says) in [
        ("echo 'octet: no such host' >&2; exit 64", "no such host"),
        ("exit 3", "exit status: 3"),
        ("echo '{\"state\":\"running\"}'; kill -9 $$", "signal"),
        ("echo 'not JSON'; sleep 60", "is not JSON"),
        ("head -c 2000000 /dev/zero | tr '\\0' 1; sleep 60", "too long"),
    ] {
        let program = Program::new(script);
        let gateway = Gateway::with_loads(program.path()).await;
        assert_eq!(start(&gateway, PLAN).await.status, StatusCode::CREATED);
        let run = run_becomes(&gateway, PATH, "failed").await;
        assert!(run["failure"].as_str().is_some_and(|text| text.contains(says)), "{script}: {run}");
    }
    let gateway = Gateway::with_loads("/nowhere/octet".into()).await;
    let refused = start(&gateway, PLAN).await;
    assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!refused.text().contains("nowhere"), "{}", refused.text());
}

#[tokio::test]
async fn the_program_ends_with_the_gateway() {
    let program = Program::new(RUNS);
    let mut gateway = Gateway::with_loads(program.path()).await;
    assert_eq!(start(&gateway, PLAN).await.status, StatusCode::CREATED);
    let pid = eventually("it runs", async || program.file("pid").filter(|pid| pid.ends_with('\n'))).await;
    let process = PathBuf::from(format!("/proc/{}", pid.trim()));
    assert!(process.exists());
    gateway.drain();
    eventually("it has ended", async || !process.exists()).await;
}
