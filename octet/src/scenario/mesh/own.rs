//! A mesh of the scenario's own: an `octet up` in a child process, whose stdin takes orders for single processes.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use octet_greeting::Connections;
use octet_runtime::{
    environment::{Environment, ProcessEnvironment},
    faults::draw_seed,
};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, ChildStdin, Command},
    sync::Mutex,
    time::{Instant, sleep, timeout},
};

use crate::{
    cli::DEFAULT_DATA,
    runner::{Run, State},
    scenario::model::Scenario,
};

/// How long the mesh may take until all processes are ready.
const READY: Duration = Duration::from_mins(1);

/// How long a process may take to end or to be ready again.
const PROCESS: Duration = Duration::from_mins(1);

/// The time between two looks.
const INTERVAL: Duration = Duration::from_millis(20);

/// How long the mesh may take to end.
const END: Duration = Duration::from_mins(1);

/// Blocks of ports that are tried.
const ATTEMPTS: u64 = 40;

/// A running mesh.
pub(crate) struct OwnMesh {
    child: Mutex<Child>,
    /// `None` when the mesh is ending.
    orders: Mutex<Option<ChildStdin>>,
    data: PathBuf,
}

impl OwnMesh {
    /// Starts the mesh in `data`, and waits until all processes are ready.
    pub(crate) async fn start(
        scenario: &Scenario,
        data: &Path,
        base_port: Option<u16>,
        seed: u64,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data).with_context(|| format!("cannot create {}", data.display()))?;
        let topology = data.join("scenario-topology.toml");
        std::fs::write(&topology, &scenario.topology_text).context("cannot write the topology")?;
        let log = data.join("up.log");
        let output = std::fs::File::create(&log).context("cannot write the log")?;
        let base_port = base_port.or_else(free_block).context("there is no free block of ports")?;
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut child = Command::new(program)
            .args(["up", "--controlled", "--base-port", &base_port.to_string(), "--data"])
            .arg(data)
            .arg("--topology")
            .arg(&topology)
            .envs(&scenario.environment)
            .env("SEED", seed.to_string())
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Ctrl-C at the terminal reaches this process alone, which ends the mesh in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the mesh")?;
        let orders = child.stdin.take().context("the mesh has no stdin")?;
        let mesh =
            Self { child: Mutex::new(child), orders: Mutex::new(Some(orders)), data: data.to_path_buf() };
        let started = Instant::now();
        loop {
            if let Some(run) = mesh.find()
                && run.state == State::Ready
            {
                return Ok(mesh);
            }
            let ended = mesh.child.lock().await.try_wait()?;
            if ended.is_some() || started.elapsed() > READY {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                let last: Vec<_> = log.lines().rev().take(5).collect();
                let last: Vec<_> = last.into_iter().rev().collect();
                bail!("the mesh did not start: {}", last.join(" / "));
            }
            sleep(INTERVAL).await;
        }
    }

    /// What runs; `None` while it cannot be read.
    pub(crate) fn find(&self) -> Option<Run> {
        Run::find(&self.data).ok().flatten()
    }

    /// Where its traces are.
    pub(crate) fn traces(&self) -> anyhow::Result<String> {
        let run = self.find().context("the mesh has ended")?;
        let collector = run.processes.iter().find(|process| process.name == "collector");
        Ok(format!("http://{}", collector.context("the mesh has no collector")?.address))
    }

    /// The pages of the processes' metrics, or why they cannot be read.
    pub(crate) fn metrics(&self) -> Result<Vec<String>, String> {
        let run = self.find().ok_or("the mesh has ended")?;
        Ok(run.processes.iter().map(|process| format!("http://{}/metrics", process.admin)).collect())
    }

    /// Its stores and queues: embedded ones unless the environment names servers, as for `octet up`.
    pub(crate) fn connections(&self) -> anyhow::Result<Connections> {
        let connections = from_environment()?;
        Ok(connections.unwrap_or_else(|| Connections::embedded(&self.data)))
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    fn pid(&self, process: &str) -> Option<u32> {
        self.find()?.processes.iter().find(|running| running.name == process)?.pid
    }

    async fn order(&self, line: String) -> anyhow::Result<()> {
        let mut orders = self.orders.lock().await;
        let orders = orders.as_mut().context("the mesh is ending")?;
        orders.write_all(format!("{line}\n").as_bytes()).await.context("the mesh has ended")
    }

    /// Takes a process down, with `kill` or `stop`, and waits until it has ended.
    pub(crate) async fn hold(&self, verb: &str, process: &str) -> anyhow::Result<()> {
        self.order(format!("{verb} {process}")).await?;
        self.wait(|| self.pid(process).is_none(), || format!("{process} does not end")).await
    }

    /// Lets a process run again.
    pub(crate) async fn release(&self, process: &str) -> anyhow::Result<()> {
        self.order(format!("start {process}")).await
    }

    /// Waits until a process is ready.
    pub(crate) async fn ready(&self, process: &str) -> anyhow::Result<()> {
        let started = Instant::now();
        while !self.is_ready(process).await {
            if started.elapsed() > PROCESS {
                bail!("{process} is not ready again");
            }
            sleep(INTERVAL).await;
        }
        Ok(())
    }

    /// Whether a process is ready now.
    pub(crate) async fn is_ready(&self, process: &str) -> bool {
        let Some(run) = self.find() else { return false };
        let found = run.processes.iter().find(|running| running.name == process && running.pid.is_some());
        let Some(admin) = found.map(|running| running.admin) else { return false };
        let Ok(url) = format!("http://{admin}/readyz").parse() else { return false };
        let asked = timeout(Duration::from_secs(1), crate::http_client::get(url)).await;
        matches!(asked, Ok(Ok((status, _))) if status.is_success())
    }

    async fn wait(&self, is_so: impl Fn() -> bool, problem: impl Fn() -> String) -> anyhow::Result<()> {
        let started = Instant::now();
        while !is_so() {
            if started.elapsed() > PROCESS {
                bail!(problem());
            }
            sleep(INTERVAL).await;
        }
        Ok(())
    }

    /// Signals a process.
    pub(crate) fn signal(&self, process: &str, signal: Signal) -> anyhow::Result<()> {
        let pid = self.pid(process).with_context(|| format!("{process} does not run"))?;
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("invalid process id")?;
        kill_process(pid, signal).with_context(|| format!("cannot signal {process}"))
    }

    /// Ends the mesh.
    pub(crate) async fn stop(&self) -> anyhow::Result<()> {
        // The end of its stdin ends it.
        drop(self.orders.lock().await.take());
        let mut child = self.child.lock().await;
        if timeout(END, child.wait()).await.is_err() {
            child.start_kill()?;
            child.wait().await?;
            bail!("the mesh did not end within {END:?} and was killed");
        }
        Ok(())
    }
}

/// The stores and queues that the environment names.
pub(crate) fn from_environment() -> anyhow::Result<Option<Connections>> {
    let mut environment = Environment::new(&ProcessEnvironment);
    let connections = Connections::from_environment(&mut environment);
    environment.finish(())?;
    Ok(Some(connections).filter(|connections| *connections != Connections::embedded(Path::new(DEFAULT_DATA))))
}

/// The first port of a block that is free now, below the range of outgoing connections.
fn free_block() -> Option<u16> {
    const BLOCKS: u64 = 50;
    const SIZE: u16 = 416;
    (0..ATTEMPTS).find_map(|_| {
        let block = u16::try_from(draw_seed().0 % BLOCKS).ok()?;
        let base = 11_000 + block * SIZE;
        let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        (base..base + SIZE).all(is_free).then_some(base)
    })
}
