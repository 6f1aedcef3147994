//! Random meshes: valid topologies of any shape, with faults, run over real sockets in this process, and checked for what
//! holds in every mesh.
//!
//! `RANDOM_MESHES=200` runs more of them; `RANDOM_SEED` repeats one.

mod answer;
mod generate;
mod running;
mod trace;

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use octet_proto::greeting::v3::{Greeting, GreetingRequest};
use octet_testbed::eventually;
use tokio::runtime::Handle;
use tonic::{Code, Request, Status};

pub use self::{answer::check as check_answer, generate::Generated, running::Running};
use crate::{client, platform::octet, zipkin::Zipkin};

/// Requests of each kind that a mesh gets.
const REQUESTS: usize = 6;

/// How much later than its deadline a call may end on a busy machine.
const LATE: Duration = Duration::from_secs(5);

#[allow(clippy::disallowed_methods, reason = "a test has no configuration whose faults are collected")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "shown when the test fails, or with --nocapture")]
async fn random_meshes_answer_in_order_in_one_trace_and_leave_nothing_behind() {
    let meshes = if number("RANDOM_SEED").is_some() { 1 } else { number("RANDOM_MESHES").unwrap_or(10) };
    let (mut services, mut answered, mut failed) = (0, 0, 0);
    for _ in 0..meshes {
        let seed = number("RANDOM_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
        let generated = generate::topology(seed);
        println!("RANDOM_SEED={seed}\n{}", generated.text);
        let outcome = check(&generated).await;
        services += generated.topology.services().len();
        answered += outcome.answered;
        failed += outcome.failed;
    }
    println!("{meshes} meshes of {services} services: {answered} calls answered, {failed} failed");
    assert!(answered > 0);
}

/// How the calls of a mesh ended.
#[derive(Default)]
struct Outcome {
    answered: usize,
    failed: usize,
    /// The answers, as a file for the audit.
    answers: String,
    /// The traces of the calls, with the span that called.
    traces: Vec<(String, String)>,
}

async fn check(generated: &Generated) -> Outcome {
    let tasks = Handle::current().metrics().num_alive_tasks();
    let zipkin = Zipkin::start().await;
    let running = Running::start(generated, &zipkin).await;
    let mut outcome = Outcome::default();
    for round in 0..REQUESTS {
        let whole = call(generated, &running, false, generated.deadline());
        let stream = call(generated, &running, true, generated.deadline());
        let short = call(generated, &running, round % 2 == 0, Duration::from_millis(30));
        let left = tokio::time::timeout(
            Duration::from_millis(10),
            call(generated, &running, round % 2 == 0, generated.deadline()),
        );
        let (whole, stream, short, _) = tokio::join!(whole, stream, short, left);
        for called in [whole, stream, short] {
            called.note(&mut outcome);
        }
    }
    // Every call has ended everywhere, although some callers left.
    let served = eventually("every call has ended", async || running.served().await).await;
    let data = running.stop().await;
    trace::check(&zipkin.spans(), &outcome.traces, served);
    audit(generated, &outcome, data.path()).await;
    drop(zipkin);
    eventually("no task is left", async || {
        let now = Handle::current().metrics().num_alive_tasks();
        if now <= tasks { Ok(()) } else { Err(format!("{now} tasks instead of {tasks}")) }
    })
    .await;
    outcome
}

/// A call that ended.
struct Called {
    /// Its trace, and the span that called.
    trace: (String, String),
    greetings: Vec<Greeting>,
    end: Result<(), Status>,
    is_stream: bool,
}

/// Calls the entry, and checks what it answers.
async fn call(generated: &Generated, running: &Running, is_stream: bool, deadline: Duration) -> Called {
    let trace = (format!("{:032x}", fastrand::u128(1..)), format!("{:016x}", fastrand::u64(1..)));
    let mut request = Request::new(GreetingRequest::default());
    request.set_timeout(deadline);
    for (name, value) in [
        ("x-request-id", trace.0.as_str()),
        ("x-b3-traceid", &trace.0),
        ("x-b3-spanid", &trace.1),
        ("x-b3-sampled", "1"),
    ] {
        request.metadata_mut().insert(name, value.parse().expect("a value"));
    }
    let mut client = client::grpc(&running.entry);
    let started = Instant::now();
    let (mut greetings, mut is_partial) = (Vec::new(), false);
    let end = if is_stream {
        async {
            let mut stream = client.greeting_stream(request).await?.into_inner();
            while let Some(greeting) = stream.message().await? {
                greetings.push(greeting);
            }
            is_partial =
                stream.trailers().await?.is_some_and(|trailers| trailers.contains_key("octet-missing"));
            Ok(())
        }
        .await
    } else {
        client.greeting(request).await.map(|response| {
            is_partial = response.metadata().contains_key("octet-missing");
            greetings = response.into_inner().greeting;
        })
    };
    let elapsed = started.elapsed();
    assert!(elapsed < deadline + LATE, "{elapsed:?} instead of {deadline:?}: {end:?}");
    match &end {
        Ok(()) => {
            let names: Vec<_> = greetings.iter().map(|greeting| greeting.service.as_str()).collect();
            answer::check(&generated.topology, &names, is_partial, is_stream);
        }
        Err(status) => {
            let code = status.code();
            // The client's own timer reports its deadline as cancelled.
            let is_late = matches!(code, Code::DeadlineExceeded | Code::Cancelled);
            let is_short = deadline < Duration::from_secs(1);
            assert!(is_late && is_short || generated.may_fail(code), "{status:?}");
        }
    }
    Called { trace, greetings, end, is_stream }
}

impl Called {
    fn note(self, outcome: &mut Outcome) {
        outcome.traces.push(self.trace);
        if self.end.is_err() {
            outcome.failed += 1;
            return;
        }
        outcome.answered += 1;
        if self.is_stream {
            return;
        }
        let greetings = self.greetings.iter().map(|greeting| {
            serde_json::json!({
                "id": greeting.id, "service": greeting.service, "message": greeting.message,
                "created": greeting.created, "hostname": greeting.hostname,
            })
        });
        let greetings: serde_json::Value = greetings.collect();
        writeln!(outcome.answers, "{}", serde_json::json!({ "greeting": greetings }))
            .expect("a string grows");
    }
}

/// Whatever an answer claims is stored.
async fn audit(generated: &Generated, outcome: &Outcome, data: &std::path::Path) {
    let has_claims = generated.topology.services().iter().any(|service| service.store.is_some());
    if !has_claims || outcome.answers.is_empty() {
        return;
    }
    let file = data.join("answers");
    std::fs::write(&file, &outcome.answers).expect("written");
    let topology = data.join("topology.toml");
    std::fs::write(&topology, &generated.text).expect("written");
    let mut command = octet();
    command.arg("audit").arg("--topology").arg(topology).arg("--answered").arg(file);
    for (name, value) in running::stores(data) {
        command.env(name, value);
    }
    let audited = command.output().await.expect("octet runs");
    let output = String::from_utf8_lossy(&audited.stdout);
    // A message that is still queued, because a service stopped, is no gap without --wait.
    assert!(audited.status.success(), "{output}{}", String::from_utf8_lossy(&audited.stderr));
}
