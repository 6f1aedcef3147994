//! An S3 server for one test, and a door to it that can be shut.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf},
    task::JoinHandle,
};

use crate::lifeline::{Lifeline, Process};
use crate::{ports, python, ready};

const LIBRARIES: &str = "lake";

/// The bucket that every server starts with.
const BUCKET: &str = "lake";

/// moto's S3 server on 127.0.0.1, with one empty bucket. It honours `If-Match` and `If-None-Match`, and keeps objects in memory.
///
/// Dropping it kills it; it dies with the test process in any case.
pub struct S3 {
    socket: SocketAddr,
    journal: Option<PathBuf>,
    server: Process,
    lifeline: Lifeline,
}

impl S3 {
    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// With a sentence if moto is not installed; with the end of its log if it does not start.
    pub async fn start() -> Self {
        Self::start_with(false).await
    }

    /// One that keeps its objects when it is killed and restarted.
    ///
    /// # Panics
    /// As [`S3::start`] does.
    pub async fn start_durable() -> Self {
        Self::start_with(true).await
    }

    async fn start_with(is_durable: bool) -> Self {
        let lifeline = Lifeline::new("s3");
        let journal = is_durable.then(|| lifeline.directory().join("journal"));
        let socket = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), ports::free_port());
        let server = serve(&lifeline, socket, journal.as_deref()).await;
        let s3 = Self { socket, journal, server, lifeline };
        s3.put(&format!("/{BUCKET}"), "").await;
        s3
    }

    /// Kills the server, as `kill -9` does, and waits until it is dead.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again on its port. Only a durable one still has its objects.
    ///
    /// # Panics
    /// As [`S3::start`] does.
    pub async fn restart(&mut self) {
        self.kill();
        self.server = serve(&self.lifeline, self.socket, self.journal.as_deref()).await;
    }

    /// Copies the objects below `prefix`, in this bucket, into files below `directory`.
    ///
    /// # Panics
    /// With a sentence if moto's libraries are not installed; with their error if the objects cannot be read.
    pub fn download(&self, prefix: &str, directory: &Path) {
        let mut command = python::program_with(LIBRARIES, "s3_download.py");
        let output = command.args([&self.endpoint(), BUCKET, prefix]).arg(directory).output();
        let output = output.expect("python3 can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The variables with which a process reaches the server.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        environment(self.endpoint())
    }

    /// The server's address as `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.socket)
    }

    /// `s3://` and the bucket.
    pub fn lake(&self) -> String {
        format!("s3://{BUCKET}")
    }

    /// A door to the server, open.
    ///
    /// # Panics
    /// Without a free port.
    pub async fn door(&self) -> S3Door {
        S3Door::open(self.socket).await
    }

    /// Makes an empty object as another program would: `path` begins with the bucket and is percent-encoded, each of the
    /// `headers` ends with a line break.
    ///
    /// # Panics
    /// If the server refuses it.
    pub async fn put(&self, path: &str, headers: &str) {
        let request = format!(
            "PUT {path} HTTP/1.1\r\nhost: {}\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n",
            self.socket
        );
        let exchange = async {
            let mut stream = TcpStream::connect(self.socket).await?;
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        let answer = exchange.await.expect("a response");
        assert!(answer.starts_with("HTTP/1.1 200"), "PUT {path}: {answer}");
    }
}

async fn serve(lifeline: &Lifeline, socket: SocketAddr, journal: Option<&Path>) -> Process {
    let log = lifeline.directory().join("s3.log");
    let mut command = python::program_with(LIBRARIES, "s3_server.py");
    command.arg(socket.port().to_string()).args(journal);
    let mut server = lifeline.spawn(&mut command, &log).expect("python3 can be started");
    ready::wait("the S3 server", &mut server, &log, async || {
        ready::is_ok(socket, "/moto-api/data.json").await
    })
    .await;
    server
}

fn environment(endpoint: String) -> [(&'static str, String); 4] {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
    ]
}

/// Passes requests on to a server, and counts those that may change objects. It can be shut from one of them on, so that a
/// client meets a server that ends there: the request fails, whether or not it takes effect.
pub struct S3Door {
    socket: SocketAddr,
    plan: Arc<Plan>,
    accepts: JoinHandle<()>,
}

#[derive(Default)]
struct Plan {
    writes: AtomicUsize,
    /// The write at which the door is shut; zero: none.
    shut_at: AtomicUsize,
    /// Whether that write reaches the server.
    takes_effect: std::sync::atomic::AtomicBool,
}

/// What becomes of a request.
enum Fate {
    Pass,
    /// It takes effect, and its response is lost.
    LoseResponse,
    Fail,
}

impl S3Door {
    async fn open(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let socket = listener.local_addr().expect("its address");
        let plan = Arc::new(Plan::default());
        let shared = plan.clone();
        let accepts = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let plan = shared.clone();
                // A broken connection is what the client shall see.
                tokio::spawn(async move { pass(client, server, &plan).await.ok() });
            }
        });
        Self { socket, plan, accepts }
    }

    /// The door's address as `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.socket)
    }

    /// Shuts the door at the `write`-th writing request from now on, counted from 1. `takes_effect`: only its response is lost.
    pub fn shut_at(&self, write: usize, takes_effect: bool) {
        self.plan.writes.store(0, Ordering::SeqCst);
        self.plan.takes_effect.store(takes_effect, Ordering::SeqCst);
        self.plan.shut_at.store(write, Ordering::SeqCst);
    }

    /// The variables with which a process reaches the server through the door.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        environment(self.endpoint())
    }

    /// Whether the request arrived at which the door was to be shut.
    pub fn is_reached(&self) -> bool {
        let shut_at = self.plan.shut_at.load(Ordering::SeqCst);
        shut_at > 0 && self.plan.writes.load(Ordering::SeqCst) >= shut_at
    }

    /// Opens the door.
    pub fn reopen(&self) {
        self.plan.shut_at.store(0, Ordering::SeqCst);
    }
}

impl Drop for S3Door {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

impl Plan {
    fn fate(&self, head: &str) -> Fate {
        let is_write = head.starts_with("PUT ") || head.starts_with("DELETE ") || head.starts_with("POST ");
        let shut_at = self.shut_at.load(Ordering::SeqCst);
        let writes = if is_write {
            self.writes.fetch_add(1, Ordering::SeqCst) + 1
        } else {
            self.writes.load(Ordering::SeqCst)
        };
        match shut_at {
            0 => Fate::Pass,
            _ if writes < shut_at => Fate::Pass,
            _ if is_write && writes == shut_at && self.takes_effect.load(Ordering::SeqCst) => {
                Fate::LoseResponse
            }
            _ => Fate::Fail,
        }
    }
}

/// One request, over a connection of its own in either direction: the server closes after its answer.
async fn pass(client: TcpStream, server: SocketAddr, plan: &Plan) -> std::io::Result<()> {
    let (reader, mut answers) = client.into_split();
    let Some((head, body)) = request(&mut BufReader::new(reader)).await? else { return Ok(()) };
    let fate = plan.fate(&head);
    if matches!(fate, Fate::Fail) {
        return Ok(());
    }
    let mut upstream = TcpStream::connect(server).await?;
    upstream.write_all(head.replacen("\r\n", "\r\nconnection: close\r\n", 1).as_bytes()).await?;
    upstream.write_all(&body).await?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await?;
    if matches!(fate, Fate::LoseResponse) {
        return Ok(());
    }
    answers.write_all(&answer).await?;
    answers.shutdown().await
}

/// The head and the body of a request; `None` at the end of the connection.
async fn request(reader: &mut BufReader<OwnedReadHalf>) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        head.push_str(&line);
        if line == "\r\n" {
            break;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).await?;
    Ok(Some((head, body)))
}

/// The rows of a topic's objects below `directory`, in the order of a column, as JSON. `library`: `pyarrow`, `duckdb`, or
/// `duckdb-latest` for the row with the latest `at` of each `id`.
///
/// # Panics
/// With a sentence if the library is not installed; with its error if it cannot read the objects.
pub fn lake_rows(library: &str, directory: &Path, order: &str) -> Vec<String> {
    let mut command = python::program_with(LIBRARIES, "lake_rows.py");
    let output = command.arg(library).arg(directory).arg(order).output().expect("python3 can be started");
    assert!(output.status.success(), "{library}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("JSON is UTF-8").lines().map(str::to_owned).collect()
}
