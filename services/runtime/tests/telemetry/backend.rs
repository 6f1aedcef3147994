//! A trace backend whose behaviour a test controls.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use octet_zipkin::read::{Copies, Entry, ProtoReader};
use tokio::{net::TcpListener, task::JoinHandle};

/// How the backend handles a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    Accepts,
    Refuses(u16),
    /// Refuses spans in protobuf with this status, and accepts them in JSON.
    RefusesProtobuf(u16),
    /// Refuses with 503 and this `Retry-After` in seconds.
    RetryAfter(u32),
    /// Accepts, with a body.
    AcceptsWith(&'static [u8]),
    /// Responds with this status of gRPC, and accepts where it is 0.
    Grpc(u8),
    Hangs,
}

/// A backend that serves until it is dropped.
pub struct Backend {
    pub address: SocketAddr,
    state: Arc<State>,
    server: JoinHandle<()>,
}

pub struct State {
    behaviour: Mutex<Behaviour>,
    pub bodies: Mutex<Vec<(String, Bytes)>>,
    pub posts: AtomicUsize,
    pub connections: AtomicUsize,
    /// The dropped spans that accepted posts reported.
    pub dropped: AtomicUsize,
}

impl Backend {
    pub async fn start(behaviour: Behaviour) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.expect("a port"), behaviour)
    }

    pub fn on(listener: TcpListener, behaviour: Behaviour) -> Self {
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(State {
            behaviour: Mutex::new(behaviour),
            bodies: Mutex::default(),
            posts: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
        });
        let shared = state.clone();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                let shared = shared.clone();
                let service = service_fn(move |request| respond(shared.clone(), request));
                tokio::spawn(async move {
                    let builder = Builder::new(TokioExecutor::new());
                    builder.serve_connection(TokioIo::new(stream), service).await.ok();
                });
            }
        });
        Self { address, state, server }
    }

    pub fn becomes(&self, behaviour: Behaviour) {
        *self.state.behaviour.lock().expect("unpoisoned") = behaviour;
    }

    pub fn posts(&self) -> usize {
        self.state.posts.load(Ordering::Relaxed)
    }

    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// The dropped spans of which accepted posts said that they were lost.
    pub fn dropped(&self) -> usize {
        self.state.dropped.load(Ordering::Relaxed)
    }

    /// The posts that were accepted, each with its path.
    pub fn bodies(&self) -> Vec<(String, Bytes)> {
        self.state.bodies.lock().expect("unpoisoned").clone()
    }

    /// The spans that were accepted.
    pub fn spans(&self) -> Vec<serde_json::Value> {
        self.bodies().iter().flat_map(|(_, body)| spans(body)).collect()
    }

    /// The accepted posts that are in JSON.
    pub fn in_json(&self) -> usize {
        self.bodies().iter().filter(|(_, body)| body.starts_with(b"[")).count()
    }
}

/// The spans of a post in either format, as JSON.
fn spans(body: &[u8]) -> Vec<serde_json::Value> {
    if body.starts_with(b"[") {
        return serde_json::from_slice(body).expect("a list");
    }
    let mut reader = ProtoReader::new(body);
    let entries = std::iter::from_fn(|| reader.next_entry(&mut Copies));
    let span = |entry| match entry {
        Entry::Span(span) => serde_json::to_value(span).expect("a span has a JSON form"),
        other => panic!("{other:?}"),
    };
    entries.map(span).collect()
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn respond(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    state.posts.fetch_add(1, Ordering::Relaxed);
    let path = request.uri().path().to_owned();
    let is_protobuf =
        request.headers().get("content-type").is_some_and(|kind| kind == "application/x-protobuf");
    let dropped =
        request.headers().get("octet-dropped-spans").and_then(|value| value.to_str().ok()?.parse().ok());
    let body = request.into_body().collect().await.expect("a whole body").to_bytes();
    let behaviour = *state.behaviour.lock().expect("unpoisoned");
    let mut response = Response::new(Full::default());
    let status = match behaviour {
        Behaviour::Grpc(status) => {
            if status == 0 {
                state.bodies.lock().expect("unpoisoned").push((path, body));
            }
            response.headers_mut().insert("grpc-status", u16::from(status).into());
            200
        }
        Behaviour::RefusesProtobuf(status) if is_protobuf => status,
        Behaviour::Accepts | Behaviour::AcceptsWith(_) | Behaviour::RefusesProtobuf(_) => {
            state.bodies.lock().expect("unpoisoned").push((path, body));
            state.dropped.fetch_add(dropped.unwrap_or_default(), Ordering::Relaxed);
            202
        }
        Behaviour::Refuses(status) => status,
        Behaviour::RetryAfter(seconds) => {
            response.headers_mut().insert("retry-after", seconds.into());
            503
        }
        Behaviour::Hangs => std::future::pending().await,
    };
    if let Behaviour::AcceptsWith(body) = behaviour {
        *response.body_mut() = Full::new(Bytes::from_static(body));
    }
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    Ok(response)
}

/// Waits until `condition` holds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(20), "timed out waiting for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
