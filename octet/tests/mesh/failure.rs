//! A service dies under load: what failed says so, what was answered is whole, and all comes back.

use std::time::Duration;

use crate::{
    client::Client,
    load::Load,
    platform::{Mesh, PROCESSES},
};

#[tokio::test]
async fn killing_a_leaf_under_load_fails_some_calls_truthfully_and_ends_no_other_process() {
    let mut mesh = Mesh::start().await;
    let others: Vec<_> = PROCESSES.iter().filter(|process| **process != "service-g").collect();
    let before: Vec<_> = others.iter().map(|process| mesh.pid(process)).collect();

    let load = Load::begin(&mesh, 25, 120);
    load.reaches(500).await;
    mesh.kill("service-g");
    mesh.says("service-g was ended by signal 9: restarting at once").await;
    let report = load.finish().await;

    report.assert_none_wrong();
    for (status, body) in &report.failures {
        assert_eq!(status.as_u16(), 503, "{body:?}");
        assert_eq!(body.code, 14, "{body:?}");
        assert!(body.message.starts_with("service-b/service-e/service-g: "), "{body:?}");
    }
    assert!(report.failures.len() < 200, "{:?}", report.failures());
    assert_eq!(others.iter().map(|process| mesh.pid(process)).collect::<Vec<_>>(), before);

    // What was answered is stored, by the process that died or by its successor.
    mesh.documents("service-g").await.hold(&report.ids("service-e"), Duration::ZERO).await;
    mesh.documents("service-h").await.hold(&report.ids("service-e"), Duration::ZERO).await;
    mesh.documents("service-f").await.hold(&report.ids("service-d"), Duration::from_secs(10)).await;
    let reply = Client::new().get(&mesh.url("/api/greeting")).await;
    reply.answer().expect("the platform is whole again");
    mesh.end().await;
}

#[tokio::test]
async fn an_upstream_that_is_gone_fails_the_call_with_its_path_after_the_wait_for_it() {
    // Nothing listens there, and nothing will.
    let mesh =
        Mesh::builder().with("SERVICE_H_URL", "127.0.0.1:9").with("CONNECT_WAIT", "100ms").start().await;
    let begun = std::time::Instant::now();
    let reply = Client::new().get(&mesh.url("/api/greeting")).await;

    assert_eq!(reply.status, 503);
    let error = reply.error();
    assert_eq!(error.code, 14);
    assert_eq!(error.message, "service-b/service-e/service-h: cannot be reached: connection refused");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    mesh.end().await;
}

#[tokio::test]
async fn a_partial_answer_leaves_the_failed_out_and_says_so_at_the_edge() {
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
async fn a_partial_policy_never_forgives_the_services_own_store() {
    let mesh = Mesh::builder().with("FAILURE_POLICY", "partial").start().await;
    // A file that is no database: what a damaged disk leaves for the next start.
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
