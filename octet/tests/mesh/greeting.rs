//! Seven true greetings, one at a time and under load, and every document that they claim.

use std::time::Duration;

use crate::{client::Client, load::Load, platform::Mesh};

#[tokio::test]
async fn a_request_answers_with_seven_greetings_and_everything_they_claim_is_stored() {
    let mesh = Mesh::start().await;
    let reply = Client::new().get(&mesh.url("/api/greeting")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.answer().expect("whole");

    // C was handed A's greeting, G and H were handed E's.
    for (service, handed) in
        [("service-c", "service-a"), ("service-g", "service-e"), ("service-h", "service-e")]
    {
        mesh.documents(service).await.hold(&[answer.id(handed)], Duration::ZERO).await;
        assert_eq!(mesh.documents(service).await.count().await, 1, "{service}");
    }
    mesh.documents("service-f").await.hold(&[answer.id("service-d")], Duration::from_secs(1)).await;
    mesh.end().await;
}

#[tokio::test]
async fn under_25_users_every_body_is_whole_and_every_document_is_the_one_an_answer_names() {
    let mesh = Mesh::start().await;
    let report = Load::begin(&mesh, 25, 200).finish().await;
    report.assert_none_wrong();
    assert_eq!(report.failures(), [].into());
    assert_eq!(report.answers.len(), 5_000);

    for (service, handed) in [
        ("service-c", "service-a"),
        ("service-g", "service-e"),
        ("service-h", "service-e"),
        ("service-f", "service-d"),
    ] {
        mesh.documents(service).await.hold(&report.ids(handed), Duration::from_secs(10)).await;
        assert_eq!(mesh.documents(service).await.count().await, 5_000, "{service}");
    }
    mesh.end().await;
}

#[tokio::test]
async fn a_service_called_directly_greets_with_what_is_below_it() {
    let mesh = Mesh::start().await;
    let answer = crate::client::grpc(&mesh.address("service-e"))
        .greeting(octet_proto::greeting::v3::GreetingRequest::default())
        .await
        .expect("greets")
        .into_inner();
    let services: Vec<_> = answer.greeting.iter().map(|greeting| greeting.service.as_str()).collect();
    assert_eq!(services, ["service-e", "service-g", "service-h"]);
    mesh.end().await;
}
