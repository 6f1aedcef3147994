//! Failure drills: load, a fault, and a report with figures. They are short in `make test`; `make drill` runs them longer
//! and prints the reports.
//!
//! In every drill all answers are valid, no document is missing, and the platform recovers within two seconds after the
//! fault is removed; five seconds for a broker or a database.

mod attack;
mod broker;
mod database;
mod disk;
mod endurance;
mod kill;
mod leave;
mod messages;
mod metastable;
mod overload;
mod restart;
mod scenario_alerts;
mod scenarios;
mod stop;
mod stress;

use std::{
    fmt::Write as _,
    fs::File,
    io::{BufWriter, Write as _},
    time::{Duration, Instant},
};

use octet_testbed::eventually;
use tonic::Code;

use crate::{
    client::{Client, ORDER},
    load::Report,
    platform::Mesh,
    servers::Storage,
};

/// The concurrent users of every drill.
const USERS: usize = 25;

/// How long the platform may take to recover after a fault.
const RECOVERY: Duration = Duration::from_secs(2);

/// The same for a broker or a database, whose clients reconnect with backoff.
const RECOVERY_OF_A_SERVER: Duration = Duration::from_secs(5);

/// The number of requests before and after a fault.
fn requests_around_a_fault() -> usize {
    if is_full() { 3_000 } else { 300 }
}

/// How often a drill runs.
fn rounds() -> usize {
    if is_full() { 5 } else { 1 }
}

/// The number of requests of the long load.
#[allow(clippy::disallowed_methods, reason = "a test has no configuration whose faults are collected")]
fn requests_of_a_long_load() -> usize {
    let requests =
        std::env::var("DRILL_REQUESTS").ok().map(|text| text.parse().expect("a number of requests"));
    requests.unwrap_or(if is_full() { 100_000 } else { 2_500 })
}

/// `make drill` sets it.
#[allow(clippy::disallowed_methods, reason = "a test has no configuration whose faults are collected")]
pub(crate) fn is_full() -> bool {
    std::env::var_os("DRILL").is_some_and(|value| value == "full")
}

/// Sends requests until an answer is valid, and returns how long that took.
async fn recovers(mesh: &Mesh) -> Duration {
    let client = Client::new();
    let url = mesh.url("/api/greeting");
    let started = Instant::now();
    eventually("the platform recovers", async || {
        let request = || hyper::Request::get(&url).body(http_body_util::Full::default()).expect("a request");
        match client.send_with_reconnect(request).await {
            Ok(reply) if reply.status == 200 => reply.answer().map(drop),
            Ok(reply) => Err(reply.text().to_owned()),
            Err(error) => Err(error.why),
        }
    })
    .await;
    started.elapsed()
}

/// Checks that every request got a response, and that every failure has one of these statuses and codes.
#[track_caller]
fn assert_failed_only_with(report: &Report, allowed: &[(u16, Code)]) {
    assert_eq!(report.unanswered, [""; 0]);
    for (status, body) in &report.failures {
        let failure = (status.as_u16(), Code::from(body.code));
        assert!(allowed.contains(&failure), "{failure:?}: {}", body.message);
    }
}

/// Checks what holds after every drill, and prints its report.
async fn conclude(drill: &str, mesh: &Mesh, report: &Report, recovery: Duration) {
    report.assert_all_valid();
    let verdict = audit(mesh, report).await;
    let allowed = if matches!(mesh.storage(), Storage::Embedded) { RECOVERY } else { RECOVERY_OF_A_SERVER };
    assert!(recovery <= allowed, "{drill}: recovery took {recovery:?}");

    let failures = report.failures();
    let failed: usize = failures.values().sum();
    let mut text = format!(
        "{drill}: {} requests, {failed} failed, 0 invalid, recovered after {} ms; audit {verdict}\n",
        report.requests(),
        recovery.as_millis()
    );
    for (failure, count) in failures {
        let _ = writeln!(text, "    {count:>5} × {failure}");
    }
    print_report(&text);
}

/// Checks every answer with `octet audit`, and returns the verdict.
async fn audit(mesh: &Mesh, report: &Report) -> String {
    let saved = mesh.data().join("answers");
    let mut file = BufWriter::new(File::create(&saved).expect("created"));
    for answer in &report.answers {
        let greeting =
            ORDER.map(|service| serde_json::json!({ "service": service, "id": answer.of(service) }));
        writeln!(file, "{}", serde_json::json!({ "greeting": greeting })).expect("written");
    }
    file.flush().expect("written");
    let mut audit = mesh.audit();
    let audit = audit.args(["--wait", "30s", "--answered"]).arg(&saved).output().await.expect("runs");
    let stdout = String::from_utf8_lossy(&audit.stdout).into_owned();
    assert!(audit.status.success(), "{stdout}{}", String::from_utf8_lossy(&audit.stderr));
    stdout.lines().last().unwrap_or_default().to_owned()
}

/// Prints a report; `make drill` shows the output of tests that pass.
#[allow(clippy::print_stdout, reason = "the report of a drill")]
fn print_report(report: &str) {
    print!("{report}");
}
