//! A server with known answers.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use octet_proto::greeting::v3::{
    Greeting, GreetingRequest, GreetingResponse,
    greeting_service_server::{GreetingService, GreetingServiceServer},
};
use tokio::{
    net::TcpListener,
    sync::Mutex,
    time::{Instant, sleep, sleep_until},
};
use tonic::Status;

/// The trace that the server names.
pub const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// What one request gets.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    Status(u16),
    /// 200 after this time.
    After(Duration),
    /// The connection ends without a response.
    Disconnect,
    /// No request is answered for this time.
    Stall(Duration),
}

/// A running server of HTTP/1.1 and HTTP/2.
pub struct Stub {
    pub address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Stub {
    /// Answers the request with each number, from 0.
    pub async fn start(answer: impl Fn(usize) -> Answer + Send + Sync + Clone + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(AtomicUsize::new(0));
        let stalled_until = Arc::new(Mutex::new(Instant::now()));
        let counted = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, counted, stalled_until) =
                    (answer.clone(), counted.clone(), stalled_until.clone());
                let service = service_fn(move |_: Request<Incoming>| {
                    let answer = answer(counted.fetch_add(1, Ordering::SeqCst));
                    respond(answer, stalled_until.clone())
                });
                tokio::spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, requests }
    }

    pub fn url(&self) -> String {
        format!("http://{}/path", self.address)
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn respond(answer: Answer, stalled_until: Arc<Mutex<Instant>>) -> io::Result<Response<Full<Bytes>>> {
    let status = match answer {
        Answer::Status(status) => status,
        Answer::After(time) => {
            sleep(time).await;
            200
        }
        Answer::Disconnect => return Err(io::Error::other("the test ends the connection")),
        Answer::Stall(time) => {
            *stalled_until.lock().await = Instant::now() + time;
            200
        }
    };
    let until = *stalled_until.lock().await;
    sleep_until(until).await;
    Ok(Response::builder()
        .status(StatusCode::from_u16(status).expect("a status"))
        .header("traceresponse", format!("00-{TRACE}-b7ad6b7169203331-01"))
        .body(Full::new(Bytes::from_static(b"{\"greeting\":[]}")))
        .expect("a response"))
}

/// A Greeting service whose every fourth call fails.
#[derive(Default)]
pub struct Greeter(AtomicUsize);

impl Greeter {
    pub async fn start() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let incoming = futures_util::stream::unfold(listener, async |listener| {
            let stream = listener.accept().await.map(|(stream, _)| stream);
            Some((stream, listener))
        });
        let server =
            tonic::transport::Server::builder().add_service(GreetingServiceServer::new(Self::default()));
        tokio::spawn(server.serve_with_incoming(incoming));
        address
    }
}

#[tonic::async_trait]
impl GreetingService for Greeter {
    async fn greeting(
        &self,
        _: tonic::Request<GreetingRequest>,
    ) -> Result<tonic::Response<GreetingResponse>, Status> {
        if self.0.fetch_add(1, Ordering::SeqCst) % 4 == 3 {
            return Err(Status::unavailable("every fourth call fails"));
        }
        Ok(tonic::Response::new(GreetingResponse::default()))
    }

    type GreetingStreamStream = futures_util::stream::Empty<Result<Greeting, Status>>;

    async fn greeting_stream(
        &self,
        _: tonic::Request<GreetingRequest>,
    ) -> Result<tonic::Response<Self::GreetingStreamStream>, Status> {
        Err(Status::unimplemented("the load calls the unary RPC"))
    }
}
