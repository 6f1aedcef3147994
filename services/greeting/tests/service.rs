//! One service over real sockets.
#![allow(clippy::expect_used, reason = "a failing helper fails its test")]

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use octet_greeting::{ServiceSettings, server};
use octet_proto::greeting::v3::{Greeting, GreetingRequest, greeting_service_client::GreetingServiceClient};
use octet_runtime::{
    drain::{Drain, DrainTrigger},
    environment::Environment,
};
use octet_topology::Topology;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::{Code, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

/// A service with embedded store and queue.
struct Service {
    address: SocketAddr,
    drain: DrainTrigger,
    serving: JoinHandle<()>,
    _data: TempDir,
}

impl Service {
    async fn start(name: &str) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let directory = |kind: &str| format!("sqlite:{}", data.path().join(kind).display());
        let variables = BTreeMap::from(
            [
                ("PORT", "127.0.0.1:0".to_owned()),
                ("ADMIN_PORT", "127.0.0.1:0".to_owned()),
                ("STORE_URL", directory("store")),
                ("QUEUE_URL", directory("queue")),
            ]
            .map(|(key, value)| (key.to_owned(), value)),
        );
        let mut environment = Environment::new(&variables);
        let topology = Topology::built_in().expect("valid");
        let settings = ServiceSettings::from_environment(&mut environment, topology, Some(name));
        let settings = environment.finish(settings).expect("valid").expect("a service");
        let ports = settings.process.bind().await.expect("bound");
        let address = ports.main.local_addr().expect("bound");
        let (trigger, drain) = Drain::on_trigger(Duration::ZERO);
        let serving = tokio::spawn(async { server::run_on(ports, settings, drain).await.expect("served") });
        Self { address, drain: trigger, serving, _data: data }
    }

    async fn channel(&self) -> Channel {
        let endpoint = Channel::from_shared(format!("http://{}", self.address)).expect("a URL");
        endpoint.connect().await.expect("connected")
    }

    async fn stop(self) {
        self.drain.start();
        self.serving.await.expect("stopped");
    }
}

#[tokio::test]
async fn one_caller_cannot_open_any_number_of_health_watches() {
    let service = Service::start("service-c").await;
    let channel = service.channel().await;
    let watch = |channel: Channel| async move {
        HealthClient::new(channel).watch(HealthCheckRequest { service: String::new() }).await
    };
    let mut watches = Vec::new();
    for _ in 0..100 {
        watches.push(watch(channel.clone()).await.expect("a stream").into_inner());
    }
    let refused = watch(service.channel().await).await.expect_err("too many");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");

    GreetingServiceClient::new(channel.clone()).greeting(GreetingRequest::default()).await.expect("greeted");
    drop(watches);
    octet_testbed::eventually("closed watches make room", async || watch(channel.clone()).await).await;
    service.stop().await;
}

#[tokio::test]
async fn an_id_in_upper_case_names_the_same_document() {
    let service = Service::start("service-c").await;
    let mut client = GreetingServiceClient::new(service.channel().await);
    let request = |id: &str| GreetingRequest {
        greeting: Some(Greeting { id: id.to_owned(), service: "test".to_owned(), ..Greeting::default() }),
    };
    let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let requests = [request(&id.to_uppercase()), request(id), request("not a UUID")];
    let mut codes = Vec::new();
    for request in requests {
        codes.push(client.greeting(request).await.map_or_else(|status| status.code(), |_| Code::Ok));
    }
    assert_eq!(codes, [Code::Ok, Code::Ok, Code::InvalidArgument]);
    service.stop().await;
}
