//! A platform under test: `octet up` with its own directory and ports.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use octet_backends::inspect::{InspectError, StoreInspect};
use octet_testbed::PortBlock;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::{client::Client, servers::Place};

/// Longer than anything here takes on a busy machine; a condition that does not come about fails the test.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Every process of the built-in topology.
pub const PROCESSES: [&str; 10] = [
    "service-a",
    "service-b",
    "service-c",
    "service-d",
    "service-e",
    "service-f",
    "service-g",
    "service-h",
    "gateway",
    "collector",
];

/// The binary under test.
pub const OCTET: &str = env!("CARGO_BIN_EXE_octet");

/// How to start a platform.
#[derive(Default)]
pub struct Builder {
    environment: Vec<(String, String)>,
    place: Place,
    survives_file_limit: bool,
}

impl Builder {
    /// Sets a variable for every process.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Has it keep its data in `place`.
    pub fn on(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// Lets the processes meet a limit of file size as they would meet a full disk: with an error, and not with
    /// the signal that ends them.
    pub fn surviving_a_file_limit(mut self) -> Self {
        self.survives_file_limit = true;
        self
    }

    /// Starts it and waits until it says that it is up.
    pub async fn start(self) -> Mesh {
        let data = tempfile::tempdir().expect("a temporary directory");
        let ports = PortBlock::take();
        let mut command = octet();
        if self.survives_file_limit {
            // A signal that is ignored stays so for every program that is started from here.
            command = Command::new("bash");
            command
                .args(["-c", r#"trap '' XFSZ; exec "$0" "$@""#, OCTET])
                .env_clear()
                .env("LOG_LEVEL", "info")
                .kill_on_drop(true);
        }
        command
            .args(["up", "--base-port", &ports.base().to_string(), "--data"])
            .arg(data.path())
            .envs(self.environment)
            .envs(self.place.environment())
            .stdout(Stdio::piped());
        let mut up = command.spawn().expect("octet starts");
        let stdout = up.stdout.take().expect("piped");
        let mut mesh = Mesh { up, said: BufReader::new(stdout).lines(), data, ports, place: self.place };
        mesh.says("octet is up").await;
        mesh
    }
}

/// The binary with an environment of its own: what the test machine has set must not matter.
pub fn octet() -> Command {
    let mut command = Command::new(OCTET);
    command.env_clear().env("LOG_LEVEL", "info").kill_on_drop(true);
    command
}

/// A platform that is up.
pub struct Mesh {
    up: Child,
    said: Lines<BufReader<ChildStdout>>,
    data: TempDir,
    ports: PortBlock,
    place: Place,
}

impl Mesh {
    /// A platform with nothing special.
    pub async fn start() -> Self {
        Builder::default().start().await
    }

    /// A platform to set something of first.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A path at the gateway.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports.base())
    }

    /// A path at the collector.
    pub fn collector(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports.base() + 2)
    }

    /// `host:port` of a service.
    pub fn address(&self, service: &str) -> String {
        format!("127.0.0.1:{}", self.ports.base() + 10 + index(service))
    }

    /// A path at a process's admin server.
    pub fn admin(&self, process: &str, path: &str) -> String {
        let port = match process {
            "gateway" => self.ports.base() + 1,
            "collector" => self.ports.base() + 3,
            service => self.ports.base() + 90 + index(service),
        };
        format!("http://127.0.0.1:{port}{path}")
    }

    /// The process's id, as the runner wrote it down.
    pub fn pid(&self, process: &str) -> Option<Pid> {
        let text = fs::read_to_string(self.data.path().join(format!("run/{process}.pid"))).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    }

    /// Resident memory of all processes together, in bytes.
    pub fn resident(&self) -> u64 {
        let resident = |pid: Pid| -> u64 {
            let statm = fs::read_to_string(format!("/proc/{}/statm", pid.as_raw_nonzero())).expect("it runs");
            statm.split(' ').nth(1).expect("resident").parse::<u64>().expect("a number") * 4096
        };
        self.pids().into_iter().map(resident).sum()
    }

    /// The ids of all processes.
    pub fn pids(&self) -> Vec<Pid> {
        PROCESSES.iter().map(|process| self.pid(process).expect("it runs")).collect()
    }

    /// `kill -9`.
    pub fn kill(&self, process: &str) {
        self.signal(process, Signal::KILL);
    }

    /// Sends a process a signal.
    pub fn signal(&self, process: &str, signal: Signal) {
        kill_process(self.pid(process).expect("it runs"), signal).expect("signalled");
    }

    /// Sends the runner itself a signal.
    pub fn signal_up(&self, signal: Signal) {
        let id = self.up.id().expect("it runs");
        kill_process(Pid::from_raw(id.try_into().expect("an id")).expect("an id"), signal)
            .expect("signalled");
    }

    /// Waits for the runner's end.
    pub async fn ended(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.up.wait()).await.expect("it ends").expect("waited for")
    }

    /// Waits until the runner prints a line that contains `text`.
    pub async fn says(&mut self, text: &str) -> String {
        let line = timeout(PATIENCE, async {
            while let Some(line) = self.said.next_line().await.expect("readable") {
                if line.contains(text) {
                    return Some(line);
                }
            }
            None
        });
        line.await.expect("in time").unwrap_or_else(|| panic!("octet ended without saying {text:?}"))
    }

    /// What the runner has printed since the last line that was waited for, once it has ended.
    pub async fn said_to_the_end(&mut self) -> String {
        let mut said = String::new();
        while let Some(line) = self.said.next_line().await.expect("readable") {
            said += &line;
            said.push('\n');
        }
        said
    }

    /// Waits until a process has logged something with `text` in it.
    pub async fn logs(&self, process: &str, text: &str) {
        let begun = Instant::now();
        loop {
            let log =
                fs::read_to_string(self.data.path().join(format!("logs/{process}.log"))).expect("a log");
            if log.contains(text) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{process} does not log {text:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until a counter of a process's `/metrics`, written with its labels, is at least so many.
    pub async fn counts(&self, process: &str, series: &str, least: u32) {
        let (client, url) = (Client::new(), self.admin(process, "/metrics"));
        let begun = Instant::now();
        loop {
            let told = client.get(&url).await;
            let value = told.text().lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
            if value.is_some_and(|value: f64| value >= f64::from(least)) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{process}: {series} is {value:?}, not {least}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Where its documents and messages are.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Where its data lie.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Ends it as Ctrl-C would, and checks that nothing is left.
    pub async fn end(mut self) {
        let pids = self.pids();
        self.signal_up(Signal::INT);
        assert!(self.ended().await.success());
        assert_eq!(alive(&pids), [], "no process is left");
    }
}

/// What a service has stored, read from outside.
pub struct Documents(pub Box<dyn StoreInspect>);

impl Documents {
    pub async fn count(&self) -> u64 {
        self.0.count().await.expect("readable")
    }

    /// Waits until all of `ids` are stored.
    pub async fn hold(&self, ids: &[String], within: Duration) {
        let begun = Instant::now();
        loop {
            let missing = self.missing(ids).await;
            if missing == 0 {
                return;
            }
            assert!(begun.elapsed() < within, "{missing} of {} missing after {within:?}", ids.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until there are so many, and no more.
    pub async fn come_to(&self, documents: u64) {
        let begun = Instant::now();
        loop {
            let count = self.count().await;
            if count == documents {
                return;
            }
            assert!(count < documents && begun.elapsed() < PATIENCE, "{count} documents, not {documents}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn missing(&self, ids: &[String]) -> usize {
        let mut missing = 0;
        for batch in ids.chunks(5_000) {
            missing += match self.0.missing(batch).await {
                Err(InspectError::Absent(_)) => batch.len(),
                found => found.expect("readable").len(),
            };
        }
        missing
    }
}

/// Those of `pids` that still run.
pub fn alive(pids: &[Pid]) -> Vec<Pid> {
    let runs = |pid: &&Pid| test_kill_process(**pid).is_ok() && !is_zombie(**pid);
    pids.iter().filter(runs).copied().collect()
}

/// Waits until none of `pids` runs.
pub async fn gone(pids: &[Pid], within: Duration) {
    let begun = Instant::now();
    while !alive(pids).is_empty() {
        assert!(begun.elapsed() < within, "still there after {within:?}: {:?}", alive(pids));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A process whose parent was killed is a zombie until somebody inherits and buries it.
fn is_zombie(pid: Pid) -> bool {
    let stat = fs::read_to_string(PathBuf::from(format!("/proc/{}/stat", pid.as_raw_nonzero())));
    stat.is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}

fn index(service: &str) -> u16 {
    PROCESSES.iter().position(|name| *name == service).expect("a service").try_into().expect("small")
}
