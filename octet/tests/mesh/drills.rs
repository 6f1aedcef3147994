//! Failure drills: load, a fault, and a report with figures. Short in `make test`; `make drill` runs them longer
//! and prints the reports.
//!
//! Every drill ends with no wrong body, no missing document, and recovery within two seconds of the return of
//! what had failed; five, where that is a broker or a database.

mod broker;
mod database;
mod disk;
mod endurance;
mod kill;
mod messages;
mod overload;
mod restart;
mod stop;

use std::{
    fmt::Write as _,
    fs::File,
    io::{BufWriter, Write as _},
    time::{Duration, Instant},
};

use tonic::Code;

use crate::{
    client::{Client, ORDER},
    load::Report,
    platform::{Mesh, PATIENCE},
    servers::Place,
};

/// The users of every drill.
const USERS: usize = 25;

/// How long the platform may take to answer again once what failed has returned.
const RECOVERY: Duration = Duration::from_secs(2);

/// The same for a broker or a database, whose clients look for it at intervals.
const RECOVERY_OF_A_SERVER: Duration = Duration::from_secs(5);

/// How much load lies before and after a fault.
fn requests_around_a_fault() -> usize {
    if is_full() { 3_000 } else { 300 }
}

/// How often a drill is run.
fn rounds() -> usize {
    if is_full() { 5 } else { 1 }
}

/// How many requests the long load sends.
#[allow(clippy::disallowed_methods, reason = "a test has no configuration to gather faults of")]
fn requests_of_a_long_load() -> usize {
    let asked = std::env::var("DRILL_REQUESTS").ok().map(|text| text.parse().expect("a number of requests"));
    asked.unwrap_or(if is_full() { 100_000 } else { 2_500 })
}

/// `make drill` sets it.
#[allow(clippy::disallowed_methods, reason = "a test has no configuration to gather faults of")]
fn is_full() -> bool {
    std::env::var_os("DRILL").is_some_and(|value| value == "full")
}

/// Asks until an answer is whole, and says how long that took.
async fn recovers(mesh: &Mesh) -> Duration {
    let client = Client::new();
    let url = mesh.url("/api/greeting");
    let begun = Instant::now();
    loop {
        let request = || hyper::Request::get(&url).body(http_body_util::Full::default()).expect("a request");
        let reply = client.send_to_a_restarting_gateway(request).await;
        let last = match &reply {
            Ok(reply) if reply.status == 200 && reply.answer().is_ok() => return begun.elapsed(),
            Ok(reply) => reply.text(),
            Err(none) => &none.why,
        };
        assert!(begun.elapsed() < PATIENCE, "it never recovers: {last}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Every request was answered, if not with greetings, with one of these statuses and codes.
#[track_caller]
fn assert_failed_only_with(report: &Report, allowed: &[(u16, Code)]) {
    assert_eq!(report.unanswered, [""; 0]);
    for (status, body) in &report.failures {
        let failure = (status.as_u16(), Code::from(body.code));
        assert!(allowed.contains(&failure), "{failure:?}: {}", body.message);
    }
}

/// Checks what every drill promises, and prints its report.
async fn conclude(drill: &str, mesh: &Mesh, report: &Report, recovery: Duration) {
    report.assert_none_wrong();
    let verdict = audit(mesh, report).await;
    let allowed = if matches!(mesh.place(), Place::Embedded) { RECOVERY } else { RECOVERY_OF_A_SERVER };
    assert!(recovery <= allowed, "{drill}: recovery took {recovery:?}");

    let failures = report.failures();
    let failed: usize = failures.values().sum();
    let mut text = format!(
        "{drill}: {} requests, {failed} failed, 0 wrong, recovered after {} ms; audit {verdict}\n",
        report.requests(),
        recovery.as_millis()
    );
    for (failure, count) in failures {
        let _ = writeln!(text, "    {count:>5} × {failure}");
    }
    say(&text);
}

/// Has `octet audit` check every answer, and says its verdict.
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
    let said = String::from_utf8_lossy(&audit.stdout).into_owned();
    assert!(audit.status.success(), "{said}{}", String::from_utf8_lossy(&audit.stderr));
    said.lines().last().unwrap_or_default().to_owned()
}

/// Prints a report; `make drill` shows what a test that passes has printed.
#[allow(clippy::print_stdout, reason = "a report is what a drill is for")]
fn say(report: &str) {
    print!("{report}");
}
