//! A gateway in front of a library, in this process and on its own ports.

use std::{borrow::Cow, collections::BTreeMap, net::SocketAddr, path::PathBuf};

use octet_gateway::{GatewaySettings, serve_on};
use octet_runtime::{
    drain::{Drain, DrainTrigger},
    environment::Environment,
};
use octet_topology::Topology;
use tokio::task::JoinHandle;

use crate::library::{self, Library};

pub struct Gateway {
    pub address: SocketAddr,
    pub library: Library,
    trigger: Option<DrainTrigger>,
    served: JoinHandle<()>,
}

impl Gateway {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With environment variables.
    pub async fn with(variables: &[(&str, &str)]) -> Self {
        Self::configured(variables, None).await
    }

    /// With a program in the place of `octet`, to run loads.
    pub async fn with_loads(program: PathBuf) -> Self {
        Self::configured(&[], Some(program)).await
    }

    /// As [`with_loads`](Self::with_loads), with environment variables.
    pub async fn with_loads_and(program: PathBuf, variables: &[(&str, &str)]) -> Self {
        Self::configured(variables, Some(program)).await
    }

    async fn configured(variables: &[(&str, &str)], run_program: Option<PathBuf>) -> Self {
        let library = Library::start().await;
        let mut environment = BTreeMap::from([
            ("PORT".to_owned(), "127.0.0.1:0".to_owned()),
            ("ADMIN_PORT".to_owned(), "127.0.0.1:0".to_owned()),
            ("SERVICE_A_URL".to_owned(), library.address.to_string()),
            ("TRUSTED_PROXIES".to_owned(), "127.0.0.1".to_owned()),
        ]);
        environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut read = Environment::new(&environment);
        let settings = GatewaySettings::from_environment(&mut read, Topology::built_in().expect("valid"));
        let mut settings = read.finish(settings).expect("valid").expect("an entry");
        settings.descriptors = Cow::Borrowed(library::descriptors());
        settings.run_program = run_program;
        let ports = settings.process.bind().await.expect("ports");
        let address = ports.main.local_addr().expect("bound");
        let (trigger, drain) = Drain::on_trigger(std::time::Duration::ZERO);
        let served = tokio::spawn(async move { serve_on(ports, settings, drain).await.expect("it starts") });
        Self { address, library, trigger: Some(trigger), served }
    }

    /// Starts its drain.
    pub fn drain(&mut self) {
        self.trigger.take().expect("the first time").start();
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.trigger.take());
        self.served.abort();
    }
}
