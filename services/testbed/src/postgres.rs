//! A `PostgreSQL` server for one test.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::net::TcpStream;

use crate::lifeline::{Lifeline, Process};
use crate::{ports, program, ready};

const MISSING: &str = "PostgreSQL is not installed: run `make tools`";
const LOG: &str = "postgres.log";

/// A `PostgreSQL` server of Debian's package, with the role and the database `postgres`, and without a password.
///
/// Dropping it kills it and removes its data; it dies with the test process in any case.
pub struct Postgres {
    port: u16,
    _server: Process,
    _lifeline: Lifeline,
}

impl Postgres {
    /// Starts a server on 127.0.0.1.
    ///
    /// # Panics
    /// With a sentence if `PostgreSQL` is not installed; with the end of its log if it does not answer.
    pub async fn start() -> Self {
        let lifeline = Lifeline::new("postgres");
        let (directory, port) = (lifeline.directory(), ports::free_port());
        let data = directory.join("data");
        fs::create_dir(&data).expect("a directory can be made");
        let log = directory.join(LOG);
        if is_root() {
            // The server refuses to run as root, and its user must pass through the directory.
            fs::set_permissions(directory, fs::Permissions::from_mode(0o711)).expect("our own directory");
            assert!(
                run(Command::new("chown").arg("postgres").arg(&data)),
                "chown to the user postgres failed"
            );
        }
        let mut initdb = as_server("initdb");
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", "-D"]).arg(&data);
        assert!(run(initdb.current_dir(&data)), "initdb failed");
        let mut command = as_server("postgres");
        command
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-c", "max_prepared_transactions=4", "-k"])
            .arg(&data)
            .arg("-D")
            .arg(&data);
        let mut server = lifeline.spawn(&mut command, &log).expect("PostgreSQL can be started");
        answers(&mut server, &log, port).await;
        Self { port, _server: server, _lifeline: lifeline }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What `tokio-postgres` connects with.
    pub fn url(&self) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname=postgres", self.port)
    }
}

async fn answers(server: &mut Process, log: &Path, port: u16) {
    let socket = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    let answers = async || {
        TcpStream::connect(socket).await.is_ok() && ready::read(log).contains("ready to accept connections")
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
