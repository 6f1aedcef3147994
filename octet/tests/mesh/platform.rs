//! A platform under test: `octet up` with its own directory and ports.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use octet_backends::inspect::{InspectError, StoreInspect};
use octet_testbed::{PortBlock, eventually};
use rustix::process::{Pid, Signal, test_kill_process};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::{client::Client, servers::Storage};

/// Longer than anything here takes on a busy machine.
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

/// Builds a platform.
#[derive(Default)]
pub struct Builder {
    environment: Vec<(String, String)>,
    storage: Storage,
    survives_file_limit: bool,
    topology: Option<String>,
}

impl Builder {
    /// Runs this topology instead of the built-in one.
    pub fn topology(mut self, text: impl Into<String>) -> Self {
        self.topology = Some(text.into());
        self
    }

    /// Sets a variable for every process.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Keeps its data in `storage`.
    pub fn on(mut self, storage: Storage) -> Self {
        self.storage = storage;
        self
    }

    /// Lets the processes get an error, as from a full disk, and not a fatal signal when they reach a limit of file size.
    pub fn surviving_a_file_limit(mut self) -> Self {
        self.survives_file_limit = true;
        self
    }

    /// Starts it and waits until it is up.
    pub async fn start(self) -> Mesh {
        let data = tempfile::tempdir().expect("a temporary directory");
        let ports = match &self.topology {
            Some(topology) if topology.contains("replicas") => PortBlock::take_for_replicas(),
            _ => PortBlock::take(),
        };
        let mut command = octet();
        if self.survives_file_limit {
            // Child processes inherit that a signal is ignored.
            command = Command::new("bash");
            command
                .args(["-c", r#"trap '' XFSZ; exec "$0" "$@""#, OCTET])
                .env_clear()
                .env("LOG_LEVEL", "info")
                .kill_on_drop(true);
        }
        if let Some(topology) = &self.topology {
            let file = data.path().join("tested.toml");
            fs::write(&file, topology).expect("written");
            command.env("TOPOLOGY", file);
        }
        command
            .args(["up", "--base-port", &ports.base().to_string(), "--data"])
            .arg(data.path())
            .envs(self.environment)
            .envs(self.storage.environment())
            .stdout(Stdio::piped());
        let mut up = command.spawn().expect("octet starts");
        let stdout = up.stdout.take().expect("piped");
        let mut mesh = Mesh {
            up,
            output: BufReader::new(stdout).lines(),
            data,
            ports,
            storage: self.storage,
            topology: self.topology,
        };
        mesh.prints("octet is up").await;
        mesh
    }
}

/// The binary with an empty environment, so that the environment of the test does not matter.
pub fn octet() -> Command {
    let mut command = Command::new(OCTET);
    command.env_clear().env("LOG_LEVEL", "info").kill_on_drop(true);
    command
}

/// A running platform.
pub struct Mesh {
    up: Child,
    output: Lines<BufReader<ChildStdout>>,
    data: TempDir,
    ports: PortBlock,
    storage: Storage,
    topology: Option<String>,
}

impl Mesh {
    /// A platform with default settings.
    pub async fn start() -> Self {
        Builder::default().start().await
    }

    /// A platform to configure before it starts.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The URL of a path at the gateway.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports.base())
    }

    /// The URL of a path at the collector.
    pub fn collector(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports.base() + 2)
    }

    /// The collector's address for OTLP over gRPC.
    pub fn otlp_grpc(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports.base() + 4))
    }

    /// The URL of a path at the collector's port for OTLP over HTTP.
    pub fn otlp_http(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports.base() + 5)
    }

    /// `host:port` of a service.
    pub fn address(&self, service: &str) -> String {
        format!("127.0.0.1:{}", self.ports.base() + 10 + index(service))
    }

    /// `host:port` of any process.
    pub fn server(&self, process: &str) -> String {
        self.listed(process, "address")
    }

    /// What `octet up` lists of a process.
    fn listed(&self, process: &str, key: &str) -> String {
        let run = self.run();
        let processes = run["processes"].as_array().expect("processes");
        let found = processes.iter().find(|found| found["name"] == process).expect("a process");
        found[key].as_str().expect("text").to_owned()
    }

    /// The URL of a path at the admin server of a process.
    pub fn admin(&self, process: &str, path: &str) -> String {
        if self.topology.is_some() {
            return format!("http://{}{path}", self.listed(process, "admin"));
        }
        let port = match process {
            "gateway" => self.ports.base() + 1,
            "collector" => self.ports.base() + 3,
            service => self.ports.base() + 90 + index(service),
        };
        format!("http://127.0.0.1:{port}{path}")
    }

    /// What `octet up` reports about itself.
    pub fn run(&self) -> serde_json::Value {
        let text = fs::read(self.data.path().join("run/up.json")).expect("a platform that runs");
        serde_json::from_slice(&text).expect("JSON")
    }

    /// The process id in the runner's pid file.
    pub fn pid(&self, process: &str) -> Option<Pid> {
        let text = fs::read_to_string(self.data.path().join(format!("run/{process}.pid"))).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    }

    /// Resident memory of all processes together, in bytes.
    pub fn resident(&self) -> u64 {
        self.pids().into_iter().map(resident).sum()
    }

    /// The ids of all processes.
    pub fn pids(&self) -> Vec<Pid> {
        if self.topology.is_none() {
            return PROCESSES.iter().map(|process| self.pid(process).expect("running")).collect();
        }
        let run = self.run();
        let pids = run["processes"].as_array().expect("processes").iter();
        let pids = pids.filter_map(|process| i32::try_from(process["pid"].as_i64()?).ok());
        pids.map(|pid| Pid::from_raw(pid).expect("an id")).collect()
    }

    /// `kill -9`.
    pub fn kill(&self, process: &str) {
        self.signal(process, Signal::KILL);
    }

    /// Sends a process a signal.
    pub fn signal(&self, process: &str, signal: Signal) {
        octet_testbed::signal(self.pid(process).expect("running"), signal);
    }

    /// Sends the runner itself a signal.
    pub fn signal_up(&self, signal: Signal) {
        let id = self.up.id().expect("running");
        octet_testbed::signal(Pid::from_raw(id.try_into().expect("an id")).expect("an id"), signal);
    }

    /// Waits for the runner to exit.
    pub async fn ended(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.up.wait()).await.expect("octet up exits").expect("a status")
    }

    /// Waits until the runner prints a line that contains `text`.
    pub async fn prints(&mut self, text: &str) -> String {
        let line = timeout(PATIENCE, async {
            while let Some(line) = self.output.next_line().await.expect("readable") {
                if line.contains(text) {
                    return Some(line);
                }
            }
            None
        });
        line.await.expect("in time").unwrap_or_else(|| panic!("octet exited without printing {text:?}"))
    }

    /// The output of the runner after the last line that was waited for, until it exits.
    pub async fn remaining_output(&mut self) -> String {
        let mut output = String::new();
        while let Some(line) = self.output.next_line().await.expect("readable") {
            output += &line;
            output.push('\n');
        }
        output
    }

    /// Waits until the log of a process contains `text`.
    pub async fn logs(&self, process: &str, text: &str) {
        let path = self.data.path().join(format!("logs/{process}.log"));
        let contains = async || fs::read_to_string(&path).expect("a log").contains(text);
        eventually(&format!("{process} logs {text:?}"), contains).await;
    }

    /// Waits until a series of a process's `/metrics`, given with its labels, has at least this value.
    pub async fn metric_reaches(&self, process: &str, series: &str, least: u32) {
        let (client, url) = (Client::new(), self.admin(process, "/metrics"));
        eventually(&format!("{process}: {series} is at least {least}"), async || {
            let metrics = client.get(&url).await;
            let value =
                metrics.text().lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
            if value >= Some(f64::from(least)) { Ok(()) } else { Err(format!("{value:?}")) }
        })
        .await;
    }

    /// Where it stores documents and messages.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Stops it as Ctrl-C does, and checks that every process has ended.
    pub async fn end(mut self) {
        let pids = self.pids();
        self.signal_up(Signal::INT);
        assert!(self.ended().await.success());
        assert_eq!(alive(&pids), [], "every process has ended");
    }
}

/// The documents of a service, read from outside.
pub struct Documents(pub Box<dyn StoreInspect>);

impl Documents {
    pub async fn count(&self) -> u64 {
        self.0.count().await.expect("readable")
    }

    /// Checks that all of `ids` are stored now.
    pub async fn assert_contain(&self, ids: &[String]) {
        assert_eq!(self.missing(ids).await, 0, "of {} documents are missing", ids.len());
    }

    /// Waits until all of `ids` are stored.
    pub async fn contain(&self, ids: &[String]) {
        eventually("all documents are stored", async || match self.missing(ids).await {
            0 => Ok(()),
            missing => Err(format!("{missing} of {} are missing", ids.len())),
        })
        .await;
    }

    /// Waits until there are exactly this many.
    pub async fn reach(&self, documents: u64) {
        eventually(&format!("{documents} documents are stored"), async || {
            let count = self.count().await;
            assert!(count <= documents, "{count} documents are stored, more than {documents}");
            if count == documents { Ok(()) } else { Err(count) }
        })
        .await;
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

/// Resident memory of a process, in bytes.
pub fn resident(pid: Pid) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{}/statm", pid.as_raw_nonzero())).expect("running");
    statm.split(' ').nth(1).expect("resident").parse::<u64>().expect("a number") * 4096
}

/// The most resident memory that a process has had, in bytes.
pub fn peak_resident(pid: Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).expect("running");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    peak.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// The processes among `pids` that still run.
pub fn alive(pids: &[Pid]) -> Vec<Pid> {
    let runs = |pid: &&Pid| test_kill_process(**pid).is_ok() && !is_zombie(**pid);
    pids.iter().filter(runs).copied().collect()
}

/// Waits until none of `pids` runs.
pub async fn all_ended(pids: &[Pid]) {
    eventually("every process has ended", async || match alive(pids).as_slice() {
        [] => Ok(()),
        running => Err(format!("{running:?}")),
    })
    .await;
}

/// A process whose parent was killed is a zombie until its new parent waits for it.
fn is_zombie(pid: Pid) -> bool {
    let stat = fs::read_to_string(PathBuf::from(format!("/proc/{}/stat", pid.as_raw_nonzero())));
    stat.is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}

fn index(service: &str) -> u16 {
    PROCESSES.iter().position(|name| *name == service).expect("a service").try_into().expect("small")
}
