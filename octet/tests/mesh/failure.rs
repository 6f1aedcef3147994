//! A service dies under load: failed calls are reported as failed, answers are valid, and the platform recovers.

use std::time::Duration;

use crate::{
    client::Client,
    load::Load,
    platform::{Mesh, PROCESSES},
};

#[tokio::test]
async fn killing_a_leaf_under_load_fails_some_calls_and_ends_no_other_process() {
    let mut mesh = Mesh::start().await;
    let others: Vec<_> = PROCESSES.iter().filter(|process| **process != "service-g").collect();
    let before: Vec<_> = others.iter().map(|process| mesh.pid(process)).collect();

    let load = Load::start(&mesh, 25, 120);
    load.reaches(500).await;
    mesh.kill("service-g");
    mesh.prints("service-g was killed by signal 9; restarting at once").await;
    let report = load.finish().await;

    report.assert_all_valid();
    for (status, body) in &report.failures {
        assert_eq!(status.as_u16(), 503, "{body:?}");
        assert_eq!(body.code, 14, "{body:?}");
        assert!(body.message.starts_with("service-a/service-b/service-e/service-g: "), "{body:?}");
    }
    assert!(report.failures.len() < 200, "{:?}", report.failures());
    assert_eq!(others.iter().map(|process| mesh.pid(process)).collect::<Vec<_>>(), before);

    // What answers claim is stored, by the process that died or by the new one.
    mesh.documents("service-g").await.assert_contain(&report.ids("service-e")).await;
    mesh.documents("service-h").await.assert_contain(&report.ids("service-e")).await;
    mesh.documents("service-f").await.contain(&report.ids("service-d")).await;
    let reply = Client::new().get(&mesh.url("/api/greeting")).await;
    reply.answer().expect("a valid answer after the restart");
    mesh.end().await;
}

#[tokio::test]
async fn an_unreachable_upstream_fails_the_call_with_its_path_after_connect_wait() {
    // Nothing listens on this port.
    let mesh =
        Mesh::builder().with("SERVICE_H_URL", "127.0.0.1:9").with("CONNECT_WAIT", "100ms").start().await;
    let started = std::time::Instant::now();
    let reply = Client::new().get(&mesh.url("/api/greeting")).await;

    assert_eq!(reply.status, 503);
    let error = reply.error();
    assert_eq!(error.code, 14);
    assert_eq!(
        error.message,
        "service-a/service-b/service-e/service-h: cannot be reached: connection refused"
    );
    assert!(started.elapsed() >= Duration::from_millis(100), "{:?}", started.elapsed());
    mesh.end().await;
}

#[tokio::test]
async fn a_partial_answer_omits_failed_upstreams_and_names_them_in_a_header() {
    let mesh = Mesh::builder()
        .with("SERVICE_H_URL", "127.0.0.1:9")
        .with("CONNECT_WAIT", "50ms")
        .with("FAILURE_POLICY", "partial")
        .start()
        .await;
    let reply = Client::new().get(&mesh.url("/api/greeting")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("grpc-metadata-octet-missing"), "service-b/service-e/service-h=UNAVAILABLE");
    let answer: crate::client::Answer = serde_json::from_slice(&reply.body).expect("JSON");
    let services: Vec<_> = answer.greeting.iter().map(|greeting| greeting.service.as_str()).collect();
    assert_eq!(services, ["service-a", "service-b", "service-d", "service-e", "service-g", "service-c"]);
    mesh.end().await;
}

#[tokio::test]
async fn under_the_partial_policy_a_failed_insert_still_fails_the_call() {
    let mesh = Mesh::builder().with("FAILURE_POLICY", "partial").start().await;
    // Not a SQLite file, as after damage to the disk.
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(mesh.data().join(format!("store/service-c.sqlite{end}")));
    }
    std::fs::write(mesh.data().join("store/service-c.sqlite"), vec![b'x'; 8192]).expect("written");
    mesh.kill("service-c");
    Client::new().becomes(&mesh.admin("service-c", "/readyz"), hyper::StatusCode::SERVICE_UNAVAILABLE).await;

    let status = crate::client::grpc(&mesh.address("service-c"))
        .greeting(octet_proto::greeting::v3::GreetingRequest::default())
        .await
        .expect_err("not stored");
    assert_eq!((status.code(), status.message()), (tonic::Code::Unavailable, "the store is unavailable"));
    mesh.end().await;
}
