//! The local runner: runs every process of the platform as a child process, on loopback.
//!
//! The same program runs here as in a cluster: a child is `octet service NAME`, `octet gateway` or `octet collector`,
//! and its environment sets where it listens and which upstreams it calls.

mod child;
mod data_directory;
mod follow;
mod log_file;
mod plan;
mod ports;
mod probe;
mod supervise;
mod table;

use std::time::Duration;

use anyhow::Context;
pub use data_directory::{DataDirectory, Recorded};
pub use plan::{Plan, ProcessPlan};
pub use ports::Ports;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
};

use crate::{failure::Failure, output};

/// Within this time every process must serve.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait then until all are ready. A process that waits for a broker or a database keeps waiting without
/// delaying the rest of the platform.
const READY_TIMEOUT: Duration = Duration::from_secs(5);

/// A platform that is about to run.
pub struct Runner {
    plan: Plan,
    data: DataDirectory,
    follow_logs: bool,
}

/// What the supervisors must do with their processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    /// Start them; the order until all serve.
    Start,
    Run,
    Drain,
    Kill,
}

impl Runner {
    /// A runner of `plan` in `data`.
    pub fn new(plan: Plan, data: DataDirectory, follow_logs: bool) -> Self {
        Self { plan, data, follow_logs }
    }

    /// Runs the platform until SIGTERM or Ctrl-C; a second one ends it at once.
    ///
    /// # Errors
    /// [`Failure`] if a port is in use or a process does not start; every process has ended by then.
    pub async fn run(self) -> Result<(), Failure> {
        self.plan.check_ports()?;
        // Read once: after a rebuild the path of the running program is gone, and a new program has its place.
        let program = std::env::current_exe().context("cannot find this program")?;
        let (order, _) = watch::channel(Order::Start);
        let mut supervisors = JoinSet::new();
        let mut follower = None;
        if self.follow_logs {
            follower = Some(tokio::spawn(follow::follow(self.plan.logs(&self.data))));
        }
        for process in &self.plan.processes {
            supervisors.spawn(supervise::supervise(
                program.clone(),
                process.clone(),
                self.data.clone(),
                order.subscribe(),
            ));
        }
        let outcome = tokio::select! {
            () = end_signal() => Ok(()),
            outcome = self.serve(&order, &mut supervisors) => outcome,
        };

        output::line("octet: shutting down");
        order.send_replace(Order::Drain);
        tokio::select! {
            () = end_signal() => {
                output::line("octet: second signal, ending every process at once");
                order.send_replace(Order::Kill);
                finish(&mut supervisors).await;
            }
            () = finish(&mut supervisors) => {}
        }
        if let Some(follower) = follower {
            follower.abort();
        }
        outcome
    }

    /// Waits until all processes are ready and prints the table; then waits for a supervisor to fail, which happens only
    /// if its process cannot be started the first time.
    async fn serve(
        &self,
        order: &watch::Sender<Order>,
        supervisors: &mut JoinSet<Result<(), Failure>>,
    ) -> Result<(), Failure> {
        let started = std::time::Instant::now();
        let waiting = tokio::select! {
            waiting = self.started() => waiting?,
            failure = first_failure(supervisors) => return Err(failure),
        };
        order.send_replace(Order::Run);
        output::line(table::table(&self.plan, &self.data, started.elapsed()));
        if waiting.is_empty() {
            return Err(first_failure(supervisors).await);
        }
        output::line(format!("octet: not ready yet, still waiting for:\n  {}", waiting.join("\n  ")));
        tokio::select! {
            failure = first_failure(supervisors) => Err(failure),
            () = self.report_when_ready() => Err(first_failure(supervisors).await),
        }
    }

    /// Waits until every process serves, then up to [`READY_TIMEOUT`] until all are ready. Returns the reasons of the
    /// processes that are not ready.
    async fn started(&self) -> Result<Vec<String>, Failure> {
        let processes = &self.plan.processes;
        if tokio::time::timeout(START_TIMEOUT, probe::all_serve(processes)).await.is_err() {
            return Err(Failure::Failed(anyhow::anyhow!(
                "some processes did not start within {START_TIMEOUT:?}:\n{}\nsee the logs in {}",
                probe::reasons(processes).await.join("\n"),
                self.data.logs().display()
            )));
        }
        match tokio::time::timeout(READY_TIMEOUT, probe::all_ready(processes)).await {
            Ok(()) => Ok(Vec::new()),
            Err(_) => Ok(probe::reasons(processes).await),
        }
    }

    async fn report_when_ready(&self) {
        probe::all_ready(&self.plan.processes).await;
        output::line("octet: all processes are ready");
    }
}

/// The first failure of a supervisor; never resolves without one.
async fn first_failure(supervisors: &mut JoinSet<Result<(), Failure>>) -> Failure {
    while let Some(ended) = supervisors.join_next().await {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => return failure,
            Err(error) => return Failure::Failed(error.into()),
        }
    }
    std::future::pending().await
}

async fn finish(supervisors: &mut JoinSet<Result<(), Failure>>) {
    while supervisors.join_next().await.is_some() {}
}

/// Resolves at the next SIGTERM or Ctrl-C.
async fn end_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without handlers a signal ends this process at once, and the lifelines end its children.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
