//! `octet audit` of a running platform and of a stopped one.

use std::{
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

use http_body_util::Full;
use hyper::Request;
use octet_testbed::signal;
use octet_topology::Topology;
use rustix::process::Signal;
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

/// The output of an audit.
struct Audited(Output);

impl Audited {
    fn stdout(&self) -> &str {
        std::str::from_utf8(&self.0.stdout).expect("UTF-8")
    }

    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// Its last line.
    fn verdict(&self) -> &str {
        self.stdout().trim_end().lines().last().unwrap_or_default()
    }

    #[track_caller]
    fn has_verdict(&self, verdict: &str, status: i32) {
        assert_eq!(self.verdict(), verdict, "{}{}", self.stdout(), self.stderr());
        assert_eq!(self.0.status.code(), Some(status), "{}", self.stdout());
    }
}

/// Saves answers, one per line.
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

/// All answers of a load, with ids and services only.
fn bodies(report: &Report) -> Vec<Value> {
    let greeting = |(id, service): (&Uuid, &&str)| json!({ "id": id.to_string(), "service": service });
    let body = |ids: &Ids| json!({ "greeting": ids.0.iter().zip(&ORDER).map(greeting).collect::<Vec<_>>() });
    report.answers.iter().map(body).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[tokio::test]
async fn a_load_is_complete_while_the_platform_runs_and_after_it_has_stopped() {
    let mut mesh = Mesh::start().await;
    let report = Load::start(&mesh, 25, 40).finish().await;
    report.assert_all_valid();
    assert_eq!(report.answers.len(), 1_000);
    let saved = save(&mesh, "saved.jsonl", &bodies(&report));
    let arguments = ["--answered", text(&saved), "--wait", "30s"];
    let complete = "complete: 1,000 answers claim 4,000 documents, all found";
    audit(&mesh, &arguments).await.has_verdict(complete, 0);

    let mut json: Value =
        serde_json::from_str(audit(&mesh, &["--answered", text(&saved), "--format", "json"]).await.stdout())
            .expect("JSON");
    // Under load a lease may expire, and its message is delivered again.
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
                "queued": 0,
                "deadLettered": 0,
                "altered": 0,
                "duplicates": 0,
                "invalid": 0,
                "surplus": {},
            },
            "verdict": "complete",
        })
    );

    mesh.signal_up(Signal::INT);
    assert!(mesh.ended().await.success());
    audit(&mesh, &arguments).await.has_verdict(complete, 0);

    // A deleted store is a gap, and its absence is reported.
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(mesh.data().join(format!("store/service-g.sqlite{end}")));
    }
    let without_g = audit(&mesh, &arguments).await;
    without_g.has_verdict("GAP: 1,000 of 4,000 documents missing (service-g 1,000)", 1);
    assert!(without_g.stdout().contains("empty: file "), "{}", without_g.stdout());
}

#[tokio::test]
async fn a_forged_answer_is_a_gap_with_its_ids() {
    let mesh = Mesh::start().await;
    let client = Client::new();
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(client.get(&mesh.url("/api/greeting")).await.answer().expect("a valid answer"));
    }
    let forged = Uuid::new_v4().to_string();
    let mut forged_e = body(&answers[1]);
    forged_e["greeting"][3]["id"] = json!(forged);
    let mut out_of_order = body(&answers[2]);
    out_of_order["greeting"].as_array_mut().expect("a list").swap(4, 5);
    let saved = save(&mesh, "saved.jsonl", &[body(&answers[0]), forged_e, out_of_order]);

    let audited = audit(&mesh, &["--answered", text(&saved), "--wait", "10s", "--ids"]).await;
    audited
        .has_verdict("GAP: 2 of 8 documents missing (service-g 1, service-h 1); 1 of 3 answers invalid", 1);
    let why = "missing: the greeting of service-e is not in";
    let printed: Vec<_> = audited.stdout().lines().take(3).collect();
    let listed = [
        format!(
            "{}  service-a  invalid answer: greeting 6, from service-g, is out of place in an answer of service-a (line 3)",
            answers[2].id("service-a")
        ),
        format!("{forged}  service-g  {why} service-g.greetings (line 2)"),
        format!("{forged}  service-h  {why} service-h.greetings (line 2)"),
    ];
    assert_eq!(printed, listed);
    mesh.end().await;
}

#[tokio::test]
async fn streams_are_audited_as_lines_and_as_events() {
    let mesh = Mesh::start().await;
    let client = Client::new();
    let mut streams = String::new();
    for accept in ["*/*", "text/event-stream", "*/*"] {
        let request = Request::get(mesh.url("/api/greeting/stream")).header("accept", accept);
        let stream = client.send(request.body(Full::default()).expect("a request")).await.expect("a stream");
        streams.push_str(stream.text());
        streams.push('\n');
    }
    let saved = mesh.data().join("streams");
    std::fs::write(&saved, &streams).expect("written");
    let arguments = ["--answered", text(&saved), "--wait", "10s"];
    audit(&mesh, &arguments).await.has_verdict("complete: 3 answers claim 12 documents, all found", 0);

    // The greeting that E handed to G and H.
    let of_e = |line: &&str| line.contains("\"service-e\"");
    let line = streams.lines().find(of_e).expect("a greeting of E");
    let id = line.split("\"id\":\"").nth(1).and_then(|rest| rest.get(..36)).expect("an id");
    std::fs::write(&saved, streams.replace(id, &Uuid::new_v4().to_string())).expect("written");
    let audited = audit(&mesh, &arguments).await;
    audited.has_verdict("GAP: 2 of 12 documents missing (service-g 1, service-h 1)", 1);

    std::fs::write(&saved, streams.replace("\n\n", "\n")).expect("written");
    let audited = audit(&mesh, &["--answered", text(&saved), "--ids"]).await;
    assert!(audited.stdout().contains("separate streams by blank lines"), "{}", audited.stdout());
    mesh.end().await;
}

#[tokio::test]
async fn servers_are_audited_like_files() {
    let servers = Servers::start().await;
    let mesh = servers.mesh().await;
    let report = Load::start(&mesh, 5, 10).finish().await;
    report.assert_all_valid();
    let mut answers = bodies(&report);
    let saved = save(&mesh, "saved.jsonl", &answers);
    let complete = audit(&mesh, &["--answered", text(&saved), "--wait", "30s"]).await;
    complete.has_verdict("complete: 50 answers claim 200 documents, all found", 0);

    // A message that D never published: RabbitMQ does not show its messages, so only the wait decides.
    let forged = Uuid::new_v4().to_string();
    answers[0]["greeting"][2]["id"] = json!(forged);
    let saved = save(&mesh, "saved.jsonl", &answers);
    let gap = audit(&mesh, &["--answered", text(&saved), "--wait", "1s", "--ids"]).await;
    gap.has_verdict("GAP: 1 of 200 documents missing (service-f 1)", 1);
    assert!(gap.stdout().starts_with(&format!("{forged}  service-f  missing: ")), "{}", gap.stdout());

    mesh.documents("service-f").await.contain(&report.ids("service-d")).await;
    let counted: Value =
        serde_json::from_str(audit(&mesh, &["--format", "json"]).await.stdout()).expect("JSON");
    assert_eq!(counted["stores"][1]["documents"], 50);
    assert_eq!(counted["queues"][0]["ready"], 0);
    assert_eq!(counted["queues"][0]["leased"], Value::Null, "unknown for a broker");
    mesh.end().await;
}

#[tokio::test]
async fn messages_of_a_stopped_consumer_are_queued_and_a_gap_after_the_wait() {
    let mesh = Mesh::start().await;
    let consumer = mesh.pid("service-f").expect("running");
    signal(consumer, Signal::STOP);
    let report = Load::start(&mesh, 5, 10).finish().await;
    report.assert_all_valid();
    assert_eq!(report.failures(), [].into());
    let saved = save(&mesh, "saved.jsonl", &bodies(&report));
    let answered = ["--answered", text(&saved)];

    audit(&mesh, &answered).await.has_verdict(
        "complete so far: 50 answers claim 200 documents, 50 still queued (use --wait 30s to wait for them)",
        0,
    );
    audit(&mesh, &[]).await.has_verdict(
        "complete so far: 150 documents, 50 messages still queued (use --wait 30s to wait for them)",
        0,
    );
    let late = audit(&mesh, &["--answered", text(&saved), "--wait", "200ms", "--ids"]).await;
    late.has_verdict("GAP: 50 still queued after 200ms (service-f 50)", 1);
    for id in report.ids("service-d") {
        assert!(late.stdout().contains(&format!("{id}  service-f  queued: ")), "{}", late.stdout());
    }

    let waiting = ["--answered", text(&saved), "--wait", "30s"];
    let (waited, ()) = tokio::join!(audit(&mesh, &waiting), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        signal(consumer, Signal::CONT);
    });
    waited.has_verdict("complete: 50 answers claim 200 documents, all found", 0);
    mesh.end().await;
}

#[tokio::test]
async fn answers_of_a_service_that_was_called_directly_are_checked() {
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
    audited.has_verdict("complete: 3 answers claim 4 documents, all found", 0);
    mesh.end().await;
}

#[tokio::test]
async fn a_partial_answer_is_checked_under_the_policy_of_the_services() {
    let mesh = Mesh::builder()
        .with("SERVICE_H_URL", "127.0.0.1:9")
        .with("CONNECT_WAIT", "50ms")
        .with("FAILURE_POLICY", "partial")
        .start()
        .await;
    let reply = Client::new().get(&mesh.url("/api/greeting")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let saved = save(&mesh, "saved.jsonl", &[serde_json::from_slice(&reply.body).expect("JSON")]);

    let arguments = ["--wait", "10s", "--answered", text(&saved)];
    // `octet up` has recorded the policy; the environment overrides it.
    audit(&mesh, &arguments).await.has_verdict("complete: 1 answer claims 3 documents, all found", 0);
    let strict = mesh.audit().args(arguments).env("FAILURE_POLICY", "strict").output().await;
    Audited(strict.expect("octet starts")).has_verdict("GAP: 1 of 1 answer invalid", 1);
    mesh.end().await;
}

#[tokio::test]
async fn the_topology_that_ran_is_known_from_the_data_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("topology.toml");
    let stored = r#"database = "service-c", collection = "greetings""#;
    let renamed = Topology::BUILT_IN.replace(stored, r#"database = "service-c", collection = "salutations""#);
    assert_ne!(renamed, Topology::BUILT_IN);
    std::fs::write(&file, renamed).expect("written");
    let mesh = Mesh::builder().with("TOPOLOGY", text(&file)).start().await;
    let report = Load::start(&mesh, 2, 5).finish().await;
    report.assert_all_valid();
    // The record survives the file.
    std::fs::remove_file(&file).expect("removed");
    let saved = save(&mesh, "saved.jsonl", &bodies(&report));
    let arguments = ["--wait", "10s", "--answered", text(&saved)];
    let audited = audit(&mesh, &arguments).await;
    audited.has_verdict("complete: 10 answers claim 40 documents, all found", 0);
    assert!(audited.stdout().contains("service-c.salutations"), "{}", audited.stdout());
    mesh.end().await;
}

#[tokio::test]
async fn edited_answers_edited_documents_and_repeated_ids_are_gaps() {
    let mesh = Mesh::start().await;
    let mut answers: Vec<Value> = Vec::new();
    for _ in 0..4 {
        let reply = Client::new().get(&mesh.url("/api/greeting")).await;
        answers.push(serde_json::from_slice(&reply.body).expect("JSON"));
    }
    let original = answers.clone();
    let arguments = ["--wait", "10s", "--ids", "--answered"];
    let audited = async |answers: &[Value]| {
        let saved = save(&mesh, "saved.jsonl", answers);
        audit(&mesh, &[&arguments[..], &[text(&saved)]].concat()).await
    };
    audited(&answers).await.has_verdict("complete: 4 answers claim 16 documents, all found", 0);

    // UUIDs may be in upper case.
    for greeting in answers[0]["greeting"].as_array_mut().expect("greetings") {
        greeting["id"] = json!(greeting["id"].as_str().expect("an id").to_uppercase());
    }
    audited(&answers).await.has_verdict("complete: 4 answers claim 16 documents, all found", 0);

    // The greeting of A is stored, that of B is not; the last answer repeats the first one.
    answers[1]["greeting"][0]["message"] = json!("Hello, from somebody else!");
    answers[2]["greeting"][1]["message"] = json!("Hello, from somebody else!");
    answers[3] = answers[0].clone();
    let gaps = audited(&answers).await;
    gaps.has_verdict(
        "GAP: 1 of 12 documents altered (service-c 1); 7 ids in more than one answer; 1 of 4 answers invalid",
        1,
    );
    let id =
        |answer: &Value, index: usize| answer["greeting"][index]["id"].as_str().expect("an id").to_owned();
    for line in [
        format!(
            "{}  service-c  altered: the message of the stored greeting of service-a differs from the answer (line 2)",
            id(&original[1], 0)
        ),
        format!(
            "{}  service-a  invalid answer: greeting 2, from service-b, has the message \"Hello, from somebody else!\", \
             but \"Namasté (नमस्ते), from Service B!\" in the topology (line 3)",
            id(&original[2], 0)
        ),
        format!(
            "{}  service-e  duplicate: the id is in the answer of line 1 too (line 4)",
            id(&original[0], 3)
        ),
    ] {
        assert!(gaps.stdout().contains(&line), "{line}\n{}", gaps.stdout());
    }

    // A document that was edited in the store.
    let edit = "import sqlite3, sys; database = sqlite3.connect(sys.argv[1], timeout=30); \
                database.execute('UPDATE greetings SET service = ? WHERE _id = ?', ('mallory', sys.argv[2])); \
                database.commit()";
    let store = mesh.data().join("store/service-g.sqlite");
    let edited = id(&original[2], 3);
    let python =
        tokio::process::Command::new("python3").args(["-c", edit]).arg(store).arg(&edited).status().await;
    assert!(python.expect("python3 runs").success());
    let gaps = audited(&original).await;
    gaps.has_verdict("GAP: 1 of 16 documents altered (service-g 1)", 1);
    let line = format!(
        "{edited}  service-g  altered: the service of the stored greeting of service-e differs from the answer"
    );
    assert!(gaps.stdout().contains(&line), "{}", gaps.stdout());
    mesh.end().await;
}

#[tokio::test]
async fn a_malformed_file_is_refused_with_the_line() {
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
    for (audited, error) in [
        (run("absent.jsonl", "").await, "absent.jsonl: No such file or directory"),
        (
            run("errors.jsonl", "{\"greeting\":[]}\n{\"code\":14}\n").await,
            "errors.jsonl, line 2: no array \"greeting\"",
        ),
    ] {
        assert_eq!(audited.0.status.code(), Some(64));
        assert!(audited.stderr().contains(error), "{}", audited.stderr());
        assert_eq!(audited.stdout(), "");
    }
}
