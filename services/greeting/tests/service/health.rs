//! gRPC health of a service.

use std::{collections::BTreeMap, time::Duration};

use octet_proto::{
    greeting::v3::{GreetingRequest, greeting_service_client::GreetingServiceClient},
    grpc::health::v1::{
        HealthCheckRequest, HealthListRequest, health_check_response::ServingStatus,
        health_client::HealthClient,
    },
};
use octet_testbed::eventually;
use tokio::time::timeout;
use tonic::{Code, transport::Channel};

use crate::service::Service;

#[tokio::test]
async fn one_caller_cannot_open_any_number_of_health_watches() {
    let service = Service::start("service-c").await;
    let channel = service.channel().await;
    let watch = |channel: Channel| async move {
        HealthClient::new(channel).watch(HealthCheckRequest::default()).await
    };
    let mut watches = Vec::new();
    for _ in 0..100 {
        watches.push(watch(channel.clone()).await.expect("a stream").into_inner());
    }
    let refused = watch(service.channel().await).await.expect_err("too many");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");

    GreetingServiceClient::new(channel.clone()).greeting(GreetingRequest::default()).await.expect("greeted");
    drop(watches);
    eventually("closed watches make room", async || watch(channel.clone()).await).await;
    service.stop().await;
}

#[tokio::test]
async fn a_watch_of_an_unknown_name_reports_that_and_stays_open() {
    let service = Service::start("service-c").await;
    let mut client = HealthClient::new(service.channel().await);
    let unknown = || HealthCheckRequest { service: "service-z".to_owned() };
    assert_eq!(client.check(unknown()).await.expect_err("unknown").code(), Code::NotFound);

    let mut watch = client.watch(unknown()).await.expect("watched").into_inner();
    let first = watch.message().await.expect("a status").expect("a status");
    assert_eq!(first.status(), ServingStatus::ServiceUnknown);
    timeout(Duration::from_millis(300), watch.message()).await.expect_err("it stays open");
    service.stop().await;
    assert_eq!(watch.message().await.expect("a regular end"), None);
}

#[tokio::test]
async fn the_list_contains_every_name() {
    let service = Service::start("service-c").await;
    let mut client = HealthClient::new(service.channel().await);
    let serving = ["", "greeting.v3.GreetingService", "liveness", "service-c"];
    let serving: BTreeMap<_, _> =
        serving.iter().map(|name| ((*name).to_owned(), ServingStatus::Serving)).collect();
    eventually("every name is listed as SERVING", async || {
        let listed = client.list(HealthListRequest {}).await.expect("listed").into_inner().statuses;
        let listed: BTreeMap<_, _> =
            listed.into_iter().map(|(name, response)| (name, response.status())).collect();
        if listed == serving { Ok(()) } else { Err(format!("{listed:?}")) }
    })
    .await;
    service.stop().await;
}

#[tokio::test]
async fn a_watch_cannot_keep_a_long_name_in_memory() {
    let service = Service::start("service-c").await;
    let mut client = HealthClient::new(service.channel().await);
    let long = HealthCheckRequest { service: "z".repeat(2_000) };
    assert_eq!(client.watch(long).await.expect_err("too long").code(), Code::OutOfRange);
    service.stop().await;
}
