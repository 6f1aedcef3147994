//! A stub of a service that records its calls.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{StreamExt, stream, stream::BoxStream};
use octet_proto::greeting::v3::{
    Greeting, GreetingRequest, GreetingResponse,
    greeting_service_server::{GreetingService, GreetingServiceServer},
};
use octet_testbed::eventually;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};
use tonic::{
    Request, Response, Status,
    metadata::MetadataMap,
    transport::{Server, server::TcpIncoming},
};

/// How a stub handles a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Returns the greeting it receives.
    Echoes,
    /// Never returns.
    Hangs,
    /// Returns when the test calls [`Stub::release`].
    Waits,
    /// Returns when a short deadline expires, so that responses cross the cancellations of their calls.
    ReturnsAtDeadline,
}

/// A running stub. Dropping it stops it.
pub struct Stub {
    pub address: SocketAddr,
    calls: Arc<Mutex<Vec<MetadataMap>>>,
    cancelled: watch::Receiver<usize>,
    release: Arc<Semaphore>,
    server: tokio::task::JoinHandle<()>,
}

impl Stub {
    pub async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let calls = Arc::<Mutex<Vec<MetadataMap>>>::default();
        let (cancellations, cancelled) = watch::channel(0);
        let release = Arc::new(Semaphore::new(0));
        let service = Recorder {
            behaviour,
            calls: calls.clone(),
            cancellations: Arc::new(cancellations),
            release: release.clone(),
        };
        let serving = Server::builder()
            // As the services: callers that cancel many calls keep their connection.
            .http2_max_pending_accept_reset_streams(Some(usize::MAX))
            .http2_max_local_error_reset_streams(Some(usize::MAX))
            .add_service(GreetingServiceServer::new(service))
            .serve_with_incoming(TcpIncoming::from(listener));
        let server = tokio::spawn(async move { serving.await.expect("serves") });
        Self { address, calls, cancelled, release, server }
    }

    /// The metadata of the last call.
    pub fn last(&self) -> MetadataMap {
        self.calls.lock().expect("unpoisoned").last().cloned().expect("a call")
    }

    pub fn calls(&self) -> usize {
        self.calls.lock().expect("unpoisoned").len()
    }

    /// Waits until it has received this many calls.
    pub async fn called(&self, calls: usize) {
        eventually(&format!("{calls} calls reach the stub"), async || self.calls() >= calls).await;
    }

    /// Lets one waiting call return.
    pub fn release(&self) {
        self.release.add_permits(1);
    }

    /// Waits until this many calls in flight were cancelled.
    pub async fn cancelled(&mut self, calls: usize) {
        let observed = self.cancelled.wait_for(|cancelled| *cancelled >= calls);
        tokio::time::timeout(crate::platform::PATIENCE, observed).await.expect("in time").expect("it serves");
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct Recorder {
    behaviour: Behaviour,
    calls: Arc<Mutex<Vec<MetadataMap>>>,
    cancellations: Arc<watch::Sender<usize>>,
    release: Arc<Semaphore>,
}

#[tonic::async_trait]
impl GreetingService for Recorder {
    async fn greeting(
        &self,
        request: Request<GreetingRequest>,
    ) -> Result<Response<GreetingResponse>, Status> {
        self.calls.lock().expect("unpoisoned").push(request.metadata().clone());
        // Dropped while it waits if the caller cancels the call.
        let cancelled = CountOnDrop(self.cancellations.clone());
        match self.behaviour {
            Behaviour::Hangs => std::future::pending::<()>().await,
            Behaviour::Waits => self.release.acquire().await.expect("open").forget(),
            Behaviour::ReturnsAtDeadline => {
                let timeout = request.metadata().get("grpc-timeout").and_then(|value| value.to_str().ok());
                let micros = timeout.and_then(|value| value.strip_suffix('u')?.parse().ok());
                let timeout = Duration::from_micros(micros.expect("a timeout in microseconds"));
                if timeout < Duration::from_secs(1) {
                    let early = Duration::from_micros(fastrand::u64(..2_000));
                    tokio::time::sleep(timeout.saturating_sub(early)).await;
                }
            }
            Behaviour::Echoes => {}
        }
        std::mem::forget(cancelled);
        let handed: Option<Greeting> = request.into_inner().greeting;
        Ok(Response::new(GreetingResponse { greeting: handed.into_iter().collect(), padding: None }))
    }

    type GreetingStreamStream = BoxStream<'static, Result<Greeting, Status>>;

    async fn greeting_stream(
        &self,
        request: Request<GreetingRequest>,
    ) -> Result<Response<Self::GreetingStreamStream>, Status> {
        let answer = self.greeting(request).await?;
        Ok(answer.map(|answer| stream::iter(answer.greeting.into_iter().map(Ok)).boxed()))
    }
}

struct CountOnDrop(Arc<watch::Sender<usize>>);

impl Drop for CountOnDrop {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count += 1);
    }
}
