//! A `PostgreSQL` server for one test.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tokio::net::TcpStream;

use crate::lifeline::{Lifeline, Process};
use crate::{Authority, eventually, ports, program, ready};

const MISSING: &str = "PostgreSQL is not installed: run `make tools`";
const LOG: &str = "postgres.log";
const DATA: &str = "data";
const READY: &str = "ready to accept connections";

/// The password of `postgres` on a server with TLS.
const PASSWORD: &str = "s3cret of the test";

/// A `PostgreSQL` server of Debian's package, with the role and the database `postgres`, and without a password.
///
/// Dropping it kills it and removes its data; it dies with the test process in any case.
pub struct Postgres {
    port: u16,
    tls: bool,
    server: Process,
    lifeline: Lifeline,
}

impl Postgres {
    /// Starts a server on 127.0.0.1.
    ///
    /// # Panics
    /// With a sentence if `PostgreSQL` is not installed; with the end of its log if it does not answer.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// Starts a server that accepts TCP connections with TLS and [`Postgres::password`] only, and has the authority's
    /// certificate.
    ///
    /// # Panics
    /// As [`Postgres::start`] does.
    pub async fn start_with_tls(authority: &Authority) -> Self {
        let server = Self::start_with(Some(authority)).await;
        let set = format!("ALTER ROLE postgres PASSWORD '{PASSWORD}'");
        server.sql("postgres", &set).await.expect("a password");
        server
    }

    async fn start_with(authority: Option<&Authority>) -> Self {
        let lifeline = Lifeline::new("postgres");
        let (directory, port) = (lifeline.directory(), ports::free_port());
        let data = directory.join(DATA);
        fs::create_dir(&data).expect("a directory can be made");
        if is_root() {
            // The server refuses to run as root, and its user must pass through the directory.
            fs::set_permissions(directory, fs::Permissions::from_mode(0o711)).expect("our own directory");
            give(&data);
        }
        let mut initdb = as_server("initdb");
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", "-D"]).arg(&data);
        assert!(run(initdb.current_dir(&data)), "initdb failed");
        if let Some(authority) = authority {
            require_tls(authority, &data);
        }
        let mut server = spawn(&lifeline, port, authority.is_some());
        answers(&mut server, &directory.join(LOG), port, 1).await;
        Self { port, tls: authority.is_some(), server, lifeline }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What `tokio-postgres` connects with.
    pub fn url(&self) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname=postgres", self.port)
    }

    /// The password of a server with TLS.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Runs statements by psql over the server's own socket, and returns their rows, one a line, without a header.
    ///
    /// # Errors
    /// What psql reported.
    ///
    /// # Panics
    /// With a sentence if psql is not installed.
    pub async fn sql(&self, database: &str, statements: &str) -> Result<String, String> {
        self.client(database).run(statements).await
    }

    /// What [`sql`](Self::sql) needs, for tasks that go on while the server is killed and restarted.
    pub fn client(&self, database: &str) -> Psql {
        let socket = self.lifeline.directory().join(DATA);
        Psql { socket, port: self.port, database: database.to_owned() }
    }

    /// Kills the server, as `kill -9` of its first process does; the others end when they notice it.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again with the same data and port, and waits until it answers.
    ///
    /// # Panics
    /// As [`Postgres::start`] does.
    pub async fn restart(&mut self) {
        self.kill();
        let log = self.lifeline.directory().join(LOG);
        let starts = ready::read(&log).matches(READY).count();
        self.server = spawn(&self.lifeline, self.port, self.tls);
        eventually("PostgreSQL starts again", async || {
            // It ends as long as processes of the killed server use its memory.
            if self.server.has_ended() {
                self.server = spawn(&self.lifeline, self.port, self.tls);
            }
            ready::read(&log).matches(READY).count() > starts
        })
        .await;
        answers(&mut self.server, &log, self.port, starts + 1).await;
    }
}

/// psql for one database.
#[derive(Debug, Clone)]
pub struct Psql {
    socket: PathBuf,
    port: u16,
    database: String,
}

impl Psql {
    /// As [`Postgres::sql`].
    ///
    /// # Errors
    /// What psql reported.
    ///
    /// # Panics
    /// With a sentence if psql is not installed.
    pub async fn run(&self, statements: &str) -> Result<String, String> {
        let mut command = Command::new(newest("psql").or_else(|| program::on_path("psql")).expect(MISSING));
        command
            .args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-p", &self.port.to_string(), "-h"])
            .arg(&self.socket)
            .args(["-d", &self.database, "-c", statements])
            .stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        let output = output.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn spawn(lifeline: &Lifeline, port: u16, tls: bool) -> Process {
    let data = lifeline.directory().join(DATA);
    let mut command = as_server("postgres");
    command
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-c", "max_prepared_transactions=4", "-k"])
        .arg(&data)
        .arg("-D")
        .arg(&data);
    if tls {
        command.args(["-c", "ssl=on"]);
    }
    lifeline.spawn(&mut command, &lifeline.directory().join(LOG)).expect("PostgreSQL can be started")
}

/// Copies the certificate to where the server looks for it, and refuses connections without TLS or password.
fn require_tls(authority: &Authority, data: &Path) {
    for (from, name) in [(authority.certificate(), "server.crt"), (authority.key(), "server.key")] {
        let to = data.join(name);
        fs::copy(from, &to).expect("the authority's files can be copied");
        fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).expect("our own file");
        if is_root() {
            give(&to);
        }
    }
    let rules = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
    fs::write(data.join("pg_hba.conf"), rules).expect("the rules can be written");
}

fn give(path: &Path) {
    assert!(run(Command::new("chown").arg("postgres").arg(path)), "chown to the user postgres failed");
}

/// Waits until it accepts connections for the `starts`-th time.
async fn answers(server: &mut Process, log: &Path, port: u16, starts: usize) {
    let socket = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    let answers = async || {
        TcpStream::connect(socket).await.is_ok() && ready::read(log).matches(READY).count() >= starts
    };
    ready::wait("PostgreSQL", server, log, answers).await;
}

/// A program of the server, as its user where this is root.
fn as_server(name: &str) -> Command {
    let path = newest(name).or_else(|| program::on_path(name)).expect(MISSING);
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path);
    command
}

/// Debian keeps each major version in a directory of its own.
fn newest(name: &str) -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let programs = versions.filter_map(|version| Some(version.ok()?.path().join("bin").join(name)));
    programs.filter(|program| program.is_file()).max()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn run(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
