//! A service with embedded store and queue.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use octet_greeting::{ServiceSettings, server};
use octet_runtime::{
    drain::{Drain, DrainTrigger},
    environment::Environment,
};
use octet_topology::Topology;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

/// A service with embedded store and queue.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    drain: DrainTrigger,
    serving: JoinHandle<()>,
    _data: TempDir,
}

impl Service {
    pub(crate) async fn start(name: &str) -> Self {
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

    pub(crate) async fn channel(&self) -> Channel {
        let endpoint = Channel::from_shared(format!("http://{}", self.address)).expect("a URL");
        endpoint.connect().await.expect("connected")
    }

    pub(crate) async fn stop(self) {
        self.drain.start();
        self.serving.await.expect("stopped");
    }
}
