//! `octet audit` over a platform that runs, and over what it leaves behind.

use std::{
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    client::{Answer, Client, Ids, ORDER},
    load::{Load, Report},
    platform::{Mesh, octet},
    servers::Servers,
};

/// Runs `octet audit` on the data of `mesh`.
async fn audit(mesh: &Mesh, arguments: &[&str]) -> Audited {
    Audited(mesh.audit().args(arguments).output().await.expect("octet starts"))
}

/// What an audit said.
struct Audited(Output);

impl Audited {
    fn said(&self) -> &str {
        std::str::from_utf8(&self.0.stdout).expect("UTF-8")
    }

    fn complained(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// Its last line.
    fn verdict(&self) -> &str {
        self.said().trim_end().lines().last().unwrap_or_default()
    }

    #[track_caller]
    fn concludes(&self, verdict: &str, status: i32) {
        assert_eq!(self.verdict(), verdict, "{}{}", self.said(), self.complained());
        assert_eq!(self.0.status.code(), Some(status), "{}", self.said());
    }
}

/// Saves answers as `curl` would have.
fn save(mesh: &Mesh, name: &str, answers: &[Value]) -> PathBuf {
    let path = mesh.data().join(name);
    let lines: Vec<_> = answers.iter().map(ToString::to_string).collect();
    std::fs::write(&path, lines.join("\n")).expect("written");
    path
}

fn body(answer: &Answer) -> Value {
    let greetings = answer.greeting.iter().map(
        |greeting| json!({ "id": greeting.id, "service": greeting.service, "message": greeting.message }),
    );
    json!({ "greeting": greetings.collect::<Vec<_>>() })
}

/// All answers of a load, which keeps their ids alone.
fn bodies(report: &Report) -> Vec<Value> {
    let greeting = |(id, service): (&Uuid, &&str)| json!({ "id": id.to_string(), "service": service });
    let body = |ids: &Ids| json!({ "greeting": ids.0.iter().zip(&ORDER).map(greeting).collect::<Vec<_>>() });
    report.answers.iter().map(body).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[tokio::test]
async fn a_load_is_complete_while_the_platform_runs_and_after_it_has_ended() {
    let mut mesh = Mesh::start().await;
    let report = Load::begin(&mesh, 25, 40).finish().await;
    report.assert_none_wrong();
    assert_eq!(report.answers.len(), 1_000);
    let saved = save(&mesh, "saved.jsonl", &bodies(&report));
    let arguments = ["--answered", text(&saved), "--wait", "30s"];
    let complete = "complete: 1,000 answers claim 4,000 documents, all there";
    audit(&mesh, &arguments).await.concludes(complete, 0);

    let mut json: Value =
        serde_json::from_str(audit(&mesh, &["--answered", text(&saved), "--format", "json"]).await.said())
            .expect("JSON");
    // Under load a lease may run out, and its message come twice; that is what idempotence is for.
    json["queues"][0]["redelivered"] = json!(0);
    let store = |service: &str, collection: &str| json!({ "service": service, "database": service, "collection": collection, "documents": 1_000 });
    assert_eq!(
        json,
        json!({
            "stores": [
                store("service-c", "greetings"),
                store("service-f", "messages"),
                store("service-g", "greetings"),
                store("service-h", "greetings"),
            ],
            "queues": [{
                "queue": "service-d.greeting",
                "ready": 0,
                "leased": 0,
                "deadLettered": 0,
                "redelivered": 0,
                "newestDeadLetters": [],
            }],
            "answered": {
                "answers": 1_000,
                "greetings": 7_000,
                "checked": 4_000,
                "missing": 0,
                "onTheirWay": 0,
                "deadLettered": 0,
                "wrong": 0,
            },
            "verdict": "complete",
        })
    );

    mesh.signal_up(Signal::INT);
    assert!(mesh.ended().await.success());
    audit(&mesh, &arguments).await.concludes(complete, 0);

    // What somebody deletes is a gap, and its absence is named.
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(mesh.data().join(format!("store/service-g.sqlite{end}")));
    }
    let without_g = audit(&mesh, &arguments).await;
    without_g.concludes("GAP: 1,000 of 4,000 documents missing (service-g 1,000)", 1);
    assert!(without_g.said().contains("nothing stored yet: there is no file "), "{}", without_g.said());
}

#[tokio::test]
async fn an_invented_answer_is_a_gap_with_its_ids() {
    let mesh = Mesh::start().await;
    let client = Client::new();
    let answer = client.get(&mesh.url("/api/greeting")).await.answer().expect("whole");
    let invented = Uuid::new_v4().to_string();
    let mut false_e = body(&answer);
    false_e["greeting"][3]["id"] = json!(invented);
    let mut out_of_order = body(&answer);
    out_of_order["greeting"].as_array_mut().expect("a list").swap(4, 5);
    let saved = save(&mesh, "saved.jsonl", &[body(&answer), false_e, out_of_order]);

    let audited = audit(&mesh, &["--answered", text(&saved), "--wait", "10s", "--ids"]).await;
    audited.concludes("GAP: 2 of 8 documents missing (service-g 1, service-h 1); 1 of 3 answers wrong", 1);
    let why = "missing: the greeting of service-e is not in";
    let said: Vec<_> = audited.said().lines().take(3).collect();
    let listed = [
        format!(
            "{}  service-a  wrong answer: greeting 6, of service-g, has no place in an answer of service-a (line 3)",
            answer.id("service-a")
        ),
        format!("{invented}  service-g  {why} service-g.greetings (line 2)"),
        format!("{invented}  service-h  {why} service-h.greetings (line 2)"),
    ];
    assert_eq!(said, listed);
    mesh.end().await;
}

#[tokio::test]
async fn servers_are_audited_as_files_are() {
    let servers = Servers::start().await;
    let mesh = servers.mesh().await;
    let report = Load::begin(&mesh, 5, 10).finish().await;
    report.assert_none_wrong();
    let mut answers = bodies(&report);
    let saved = save(&mesh, "saved.jsonl", &answers);
    let complete = audit(&mesh, &["--answered", text(&saved), "--wait", "30s"]).await;
    complete.concludes("complete: 50 answers claim 200 documents, all there", 0);

    // An id of D that nobody published: the queue does not show its messages, so that only the wait decides.
    let invented = Uuid::new_v4().to_string();
    answers[0]["greeting"][2]["id"] = json!(invented);
    let saved = save(&mesh, "saved.jsonl", &answers);
    let gap = audit(&mesh, &["--answered", text(&saved), "--wait", "1s", "--ids"]).await;
    gap.concludes("GAP: 1 of 200 documents missing (service-f 1)", 1);
    assert!(gap.said().starts_with(&format!("{invented}  service-f  missing: ")), "{}", gap.said());

    mesh.documents("service-f").await.hold(&report.ids("service-d"), Duration::from_secs(10)).await;
    let counted: Value =
        serde_json::from_str(audit(&mesh, &["--format", "json"]).await.said()).expect("JSON");
    assert_eq!(counted["stores"][1]["documents"], 50);
    assert_eq!(counted["queues"][0]["ready"], 0);
    assert_eq!(counted["queues"][0]["leased"], Value::Null, "a broker does not tell");
    mesh.end().await;
}

#[tokio::test]
async fn what_a_stopped_consumer_has_not_stored_is_on_its_way_until_the_wait_is_over() {
    let mesh = Mesh::start().await;
    let consumer = mesh.pid("service-f").expect("it runs");
    kill_process(consumer, Signal::STOP).expect("stopped");
    let report = Load::begin(&mesh, 5, 10).finish().await;
    report.assert_none_wrong();
    assert_eq!(report.failures(), [].into());
    let saved = save(&mesh, "saved.jsonl", &bodies(&report));
    let answered = ["--answered", text(&saved)];

    audit(&mesh, &answered).await.concludes(
        "complete so far: 50 answers claim 200 documents, 50 of them still on the way (--wait 30s waits)",
        0,
    );
    audit(&mesh, &[])
        .await
        .concludes("complete so far: 150 documents, 50 messages on the way (--wait 30s waits)", 0);
    let late = audit(&mesh, &["--answered", text(&saved), "--wait", "200ms", "--ids"]).await;
    late.concludes("GAP: 50 still on the way after 200ms (service-f 50)", 1);
    for id in report.ids("service-d") {
        assert!(late.said().contains(&format!("{id}  service-f  on its way: ")), "{}", late.said());
    }

    let waiting = ["--answered", text(&saved), "--wait", "30s"];
    let (waited, ()) = tokio::join!(audit(&mesh, &waiting), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        kill_process(consumer, Signal::CONT).expect("continued");
    });
    waited.concludes("complete: 50 answers claim 200 documents, all there", 0);
    mesh.end().await;
}

#[tokio::test]
async fn a_service_that_was_called_directly_is_held_to_what_it_answered() {
    let mesh = Mesh::start().await;
    let mut answers = Vec::new();
    for service in ["service-e", "service-d", "service-c"] {
        let answer = crate::client::grpc(&mesh.address(service))
            .greeting(octet_proto::greeting::v3::GreetingRequest::default())
            .await
            .expect("greets")
            .into_inner();
        let greetings =
            answer.greeting.iter().map(|greeting| json!({ "id": greeting.id, "service": greeting.service }));
        answers.push(json!({ "greeting": greetings.collect::<Vec<_>>() }));
    }
    let saved = save(&mesh, "saved.jsonl", &answers);
    let audited = audit(&mesh, &["--answered", text(&saved), "--wait", "10s"]).await;
    audited.concludes("complete: 3 answers claim 4 documents, all there", 0);
    mesh.end().await;
}

#[tokio::test]
async fn a_partial_answer_is_held_to_what_is_in_it_where_the_audit_knows_the_policy() {
    let mesh = Mesh::builder()
        .with("SERVICE_H_URL", "127.0.0.1:9")
        .with("CONNECT_WAIT", "50ms")
        .with("FAILURE_POLICY", "partial")
        .start()
        .await;
    let reply = Client::new().get(&mesh.url("/api/greeting")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let saved = save(&mesh, "saved.jsonl", &[serde_json::from_slice(&reply.body).expect("JSON")]);

    let audited = |policy: &str| {
        let mut command = octet();
        command.args(["audit", "--wait", "10s", "--answered", text(&saved), "--data"]).arg(mesh.data());
        command.env("FAILURE_POLICY", policy);
        async move { Audited(command.output().await.expect("octet starts")) }
    };
    audited("partial").await.concludes("complete: 1 answer claims 3 documents, all there", 0);
    audited("strict").await.concludes("GAP: 1 of 1 answer wrong", 1);
    mesh.end().await;
}

#[tokio::test]
async fn a_file_that_holds_no_answers_is_a_fault_with_its_line() {
    let nowhere = tempfile::tempdir().expect("a directory");
    let run = |file: &str, lines: &str| {
        let path = nowhere.path().join(file);
        if !lines.is_empty() {
            std::fs::write(&path, lines).expect("written");
        }
        let mut command = octet();
        command.args(["audit", "--answered"]).arg(&path).arg("--data").arg(nowhere.path());
        async move { Audited(command.output().await.expect("octet starts")) }
    };
    for (audited, complaint) in [
        (run("absent.jsonl", "").await, "absent.jsonl: No such file or directory"),
        (
            run("errors.jsonl", "{\"greeting\":[]}\n{\"code\":14}\n").await,
            "errors.jsonl, line 2: no list \"greeting\"",
        ),
    ] {
        assert_eq!(audited.0.status.code(), Some(64));
        assert!(audited.complained().contains(complaint), "{}", audited.complained());
        assert_eq!(audited.said(), "");
    }
}
