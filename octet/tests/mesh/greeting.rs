//! The seven greetings of a request, alone and under load, and every document that they claim.

use crate::{client::Client, load::Load, platform::Mesh};

#[tokio::test]
async fn a_request_returns_seven_greetings_and_everything_they_claim_is_stored() {
    let mesh = Mesh::start().await;
    let reply = Client::new().get(&mesh.url("/api/greeting")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.answer().expect("a valid answer");

    // C received the greeting of A, G and H that of E.
    for (service, received) in
        [("service-c", "service-a"), ("service-g", "service-e"), ("service-h", "service-e")]
    {
        mesh.documents(service).await.assert_contain(&[answer.id(received)]).await;
        assert_eq!(mesh.documents(service).await.count().await, 1, "{service}");
    }
    mesh.documents("service-f").await.contain(&[answer.id("service-d")]).await;
    mesh.end().await;
}

#[tokio::test]
async fn under_25_users_every_answer_is_valid_and_every_document_is_claimed_by_one() {
    let mesh = Mesh::start().await;
    let report = Load::start(&mesh, 25, 200).finish().await;
    report.assert_all_valid();
    assert_eq!(report.failures(), [].into());
    assert_eq!(report.answers.len(), 5_000);

    for (service, received) in [
        ("service-c", "service-a"),
        ("service-g", "service-e"),
        ("service-h", "service-e"),
        ("service-f", "service-d"),
    ] {
        mesh.documents(service).await.contain(&report.ids(received)).await;
        assert_eq!(mesh.documents(service).await.count().await, 5_000, "{service}");
    }
    mesh.end().await;
}

#[tokio::test]
async fn a_service_that_is_called_directly_returns_the_greetings_of_its_subtree() {
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
