//! The gateway's cost compared with a typed handler written by hand: HTTP in, gRPC out, JSON out, for 25 users in
//! alternating rounds. `transcoding_cost [ROUNDS]` (default 7) prints one JSON object. `make bench` runs it.
//!
//! Each has its own thread and runtime, and both call one upstream that returns seven greetings. Only the CPU time of a
//! server's thread is counted, without the upstream and the load. The gateway does everything it does for a request except
//! writing its log line; the handler does the minimum.

use std::{
    borrow::Cow, collections::BTreeMap, error::Error, fs, io::Write, net::SocketAddr, sync::mpsc, thread,
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use octet_gateway::{GatewaySettings, serve_on};
use octet_proto::greeting::v3::{
    Greeting, GreetingRequest, GreetingResponse,
    greeting_service_client::GreetingServiceClient,
    greeting_service_server::{GreetingService, GreetingServiceServer},
};
use octet_runtime::{
    drain::Drain,
    environment::Environment,
    serve::{ServeLimits, serve},
};
use octet_topology::Topology;
use serde::Serialize;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tonic::{
    Request, Response, Status,
    transport::{Channel, Endpoint},
};
use tower::Service;

const USERS: usize = 25;
const REQUESTS_A_USER: usize = 400;
const HEAD: &[u8] = b"GET /api/greeting HTTP/1.1\r\nhost: bench\r\naccept: */*\r\n\r\n";

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let rounds: u32 = std::env::args().nth(1).map_or(Ok(7), |rounds| rounds.parse())?;
    let upstream = Server::start(upstream)?;
    let gateway = Server::start(move |address| gateway(upstream.address, address))?;
    let typed = Server::start(move |address| typed(upstream.address, address))?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut whole, mut by_hand) = (Vec::new(), Vec::new());
    // The first round warms up.
    for round in 0..=rounds {
        for (server, costs) in [(&gateway, &mut whole), (&typed, &mut by_hand)] {
            let before = server.cpu_ns()?;
            runtime.block_on(load(server.address))?;
            let spent = server.cpu_ns()?.saturating_sub(before);
            if round > 0 {
                costs.push(micros(spent) / micros(1_000 * (USERS * REQUESTS_A_USER) as u64));
            }
        }
    }
    let more: Vec<f64> = whole.iter().zip(&by_hand).map(|(whole, by_hand)| whole - by_hand).collect();
    let report = serde_json::json!({
        "unit": "µs of CPU a request",
        "users": USERS,
        "gateway": whole,
        "typed handler": by_hand,
        "more": more,
        "more, median": median(more),
    });
    writeln!(std::io::stdout().lock(), "{report}")?;
    Ok(())
}

/// Nanoseconds as microseconds.
#[expect(clippy::cast_precision_loss, reason = "2^53 ns are a hundred days")]
fn micros(ns: u64) -> f64 {
    ns as f64 / 1_000.0
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// A server on a thread of its own.
#[derive(Clone)]
struct Server {
    address: SocketAddr,
    task: String,
}

impl Server {
    fn start<F: Future<Output = Outcome<()>>>(
        serve: impl FnOnce(mpsc::Sender<SocketAddr>) -> F + Send + 'static,
    ) -> Outcome<Self> {
        let (send_address, address) = mpsc::channel();
        let (send_task, task) = mpsc::channel();
        thread::spawn(move || -> Outcome<()> {
            send_task.send(fs::read_link("/proc/thread-self")?)?;
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(send_address))
        });
        let patience = Duration::from_secs(10);
        let task = format!("/proc/{}/schedstat", task.recv_timeout(patience)?.display());
        Ok(Self { address: address.recv_timeout(patience)?, task })
    }

    /// The CPU time of its thread since the start.
    fn cpu_ns(&self) -> Outcome<u64> {
        let stat = fs::read_to_string(&self.task)?;
        Ok(stat.split(' ').next().ok_or("no schedstat")?.parse()?)
    }
}

struct Seven;

#[tonic::async_trait]
impl GreetingService for Seven {
    async fn greeting(&self, _: Request<GreetingRequest>) -> Result<Response<GreetingResponse>, Status> {
        let greeting = ["a", "b", "d", "e", "g", "h", "c"].map(|name| Greeting {
            id: "01a2075e-3938-77c2-9c42-65bc865a444b".into(),
            service: format!("service-{name}"),
            message: format!("Konnichiwa (こんにちは), from Service {name}!"),
            created: "2026-01-23T07:45:45.272266493Z".into(),
            hostname: "octet-7f9c".into(),
            padding: None,
        });
        Ok(Response::new(GreetingResponse { greeting: greeting.into(), padding: None }))
    }

    type GreetingStreamStream = futures_util::stream::Empty<Result<Greeting, Status>>;

    async fn greeting_stream(
        &self,
        _: Request<GreetingRequest>,
    ) -> Result<Response<Self::GreetingStreamStream>, Status> {
        Err(Status::unimplemented("only the unary RPC is measured"))
    }
}

async fn upstream(address: mpsc::Sender<SocketAddr>) -> Outcome<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    address.send(listener.local_addr()?)?;
    let service = GreetingServiceServer::new(Seven);
    let service = tower::service_fn(move |request| service.clone().call(request));
    serve(listener, service, ServeLimits::default(), &Drain::never(), Duration::ZERO).await;
    Ok(())
}

async fn gateway(upstream: SocketAddr, address: mpsc::Sender<SocketAddr>) -> Outcome<()> {
    let variables = BTreeMap::from(
        [("PORT", "127.0.0.1:0"), ("ADMIN_PORT", "127.0.0.1:0"), ("SERVICE_A_URL", &*upstream.to_string())]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let mut environment = Environment::new(&variables);
    let settings = GatewaySettings::from_environment(&mut environment, Topology::built_in()?);
    let mut settings = environment.finish(settings)?.ok_or("no settings")?;
    settings.descriptors = Cow::Borrowed(octet_proto::DESCRIPTOR_SET);
    let ports = settings.process.bind().await?;
    address.send(ports.main.local_addr()?)?;
    Ok(serve_on(ports, settings, Drain::never()).await?)
}

async fn typed(upstream: SocketAddr, address: mpsc::Sender<SocketAddr>) -> Outcome<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    address.send(listener.local_addr()?)?;
    let channel = Endpoint::from_shared(format!("http://{upstream}"))?.tcp_nodelay(true).connect_lazy();
    let client = GreetingServiceClient::new(channel);
    let router = Router::new().route("/api/greeting", get(greet)).with_state(client);
    serve(listener, router, ServeLimits::default(), &Drain::never(), Duration::ZERO).await;
    Ok(())
}

#[derive(Serialize)]
struct Body {
    greeting: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    id: String,
    service: String,
    message: String,
    created: String,
    hostname: String,
}

async fn greet(State(mut client): State<GreetingServiceClient<Channel>>) -> axum::response::Response {
    let mut request = Request::new(GreetingRequest { greeting: None });
    request.set_timeout(Duration::from_secs(5));
    match client.greeting(request).await {
        Ok(response) => {
            let lines = response.into_inner().greeting.into_iter().map(|one| Line {
                id: one.id,
                service: one.service,
                message: one.message,
                created: one.created,
                hostname: one.hostname,
            });
            axum::Json(Body { greeting: lines.collect() }).into_response()
        }
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn load(address: SocketAddr) -> Outcome<()> {
    let mut users = JoinSet::new();
    for _ in 0..USERS {
        users.spawn(user(address));
    }
    while let Some(ended) = users.join_next().await {
        ended??;
    }
    Ok(())
}

async fn user(address: SocketAddr) -> Outcome<()> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let (mut line, mut body) = (String::new(), Vec::new());
    for _ in 0..REQUESTS_A_USER {
        stream.write_all(HEAD).await?;
        let (mut length, mut is_first) = (0, true);
        loop {
            line.clear();
            stream.read_line(&mut line).await?;
            if std::mem::take(&mut is_first) && !line.starts_with("HTTP/1.1 200") {
                return Err(format!("unexpected status: {line}").into());
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        body.resize(length, 0);
        stream.read_exact(&mut body).await?;
        if length == 0 {
            return Err("an empty response".into());
        }
    }
    Ok(())
}
