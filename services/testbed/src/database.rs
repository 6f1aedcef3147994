//! A database server for one test.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::net::TcpStream;

use crate::lifeline::{Lifeline, Process};
use crate::{ports, program, ready};

const MISSING: &str = "nx-27017 is not installed: run `make tools`, or set MONGO_CONN where a test takes any \
    database server";

/// A nx-27017 server: MongoDB's wire protocol over SQLite, with a file per database.
///
/// It is an independent server for the real driver, not MongoDB: it has no users, TLS (use [`TlsFront`](crate::TlsFront)),
/// replica sets or transactions. It answers within 1 s of its start. Dropping it kills it and removes its data; it dies
/// with the test process in any case.
pub struct Database {
    address: IpAddr,
    port: u16,
    log: PathBuf,
    server: Process,
    lifeline: Lifeline,
}

impl Database {
    /// Starts a server on 127.0.0.1.
    ///
    /// # Panics
    /// With a sentence if nx-27017 is not installed; with the end of its log if it does not answer within 2 minutes.
    pub async fn start() -> Self {
        let lifeline = Lifeline::new("database");
        let socket = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), ports::free_port());
        let log = lifeline.directory().join(LOG);
        let mut server = spawn(&lifeline, socket);
        answers(&mut server, &log, socket).await;
        Self { address: socket.ip(), port: socket.port(), log, server, lifeline }
    }

    /// `mongodb://ADDRESS:PORT/`.
    pub fn url(&self) -> String {
        format!("mongodb://{}/", self.socket())
    }

    /// The same with a name, such as `localhost`, for tests in which the server's address changes.
    pub fn url_by_name(&self, host: &str) -> String {
        format!("mongodb://{host}:{}/", self.port)
    }

    /// Where it listens.
    pub fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }

    /// The server's process id. A restart changes it.
    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// Kills the server, as `kill -9` does, and waits until it is dead.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again, with the same data and port, and waits until it answers. A server that still runs is killed
    /// first.
    ///
    /// # Panics
    /// As [`Database::start`] does.
    pub async fn restart(&mut self) {
        self.restart_on(self.address).await;
    }

    /// Starts it again with the same data and port, on another address.
    ///
    /// # Panics
    /// As [`Database::start`] does.
    pub async fn restart_on(&mut self, address: impl Into<IpAddr>) {
        self.kill();
        self.address = address.into();
        let socket = self.socket();
        self.server = spawn(&self.lifeline, socket);
        answers(&mut self.server, &self.log, socket).await;
    }

    /// Stops the server, as `kill -STOP` does: connections stay open without an answer.
    ///
    /// # Panics
    /// When the server was killed.
    pub fn freeze(&self) {
        self.server.freeze();
    }

    /// Continues a frozen server. A frozen server can be dropped or restarted without this.
    ///
    /// # Panics
    /// When the server was killed.
    pub fn thaw(&self) {
        self.server.thaw();
    }

    /// All that the server has logged since its first start.
    pub fn log(&self) -> String {
        ready::read(&self.log)
    }
}

const LOG: &str = "database.log";

fn spawn(lifeline: &Lifeline, socket: SocketAddr) -> Process {
    let directory = lifeline.directory();
    let program = program::tool("nx/bin/nx-27017").or_else(|| program::on_path("nx-27017")).expect(MISSING);
    let mut command = Command::new(program);
    command
        .args(["--host", &socket.ip().to_string(), "--port", &socket.port().to_string()])
        .arg("--data-dir")
        .arg(directory.join("data"))
        .arg("--pid-file")
        .arg(directory.join("pid"))
        .arg("--log-file")
        .arg(directory.join("nx.log"));
    lifeline.spawn(&mut command, &directory.join(LOG)).expect("nx-27017 can be started")
}

async fn answers(server: &mut Process, log: &Path, socket: SocketAddr) {
    // It binds its port last.
    let answers = async || TcpStream::connect(socket).await.is_ok();
    ready::wait("nx-27017", server, log, answers).await;
}
