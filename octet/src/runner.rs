//! The local runner: every process of the platform as a child of this one, on loopback.
//!
//! The same program runs here as in a cluster: a child is `octet service NAME` or `octet gateway`, told by its
//! environment where it listens and whom it calls.

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
pub use data_directory::DataDirectory;
pub use plan::{Plan, ProcessPlan};
pub use ports::Ports;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
};

use crate::{failure::Failure, output};

/// How long the processes may take until all serve.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// How long they may then take until all are ready. One that waits for a broker or a database goes on waiting,
/// and the rest of the platform need not.
const READY_TIMEOUT: Duration = Duration::from_secs(5);

/// What to start, and what to say of it.
pub struct Runner {
    plan: Plan,
    data: DataDirectory,
    follow_logs: bool,
}

/// What the supervisors are told to do with their processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    /// Until all are ready.
    Start,
    Run,
    Drain,
    Kill,
}

impl Runner {
    /// Will run `plan` in `data`.
    pub fn new(plan: Plan, data: DataDirectory, follow_logs: bool) -> Self {
        Self { plan, data, follow_logs }
    }

    /// Runs the platform until SIGTERM or Ctrl-C; a second one ends it at once.
    ///
    /// # Errors
    /// [`Failure`] when a port is taken, or a process does not become ready; everything has ended by then.
    pub async fn run(self) -> Result<(), Failure> {
        self.plan.check_ports()?;
        // Asked once: after a rebuild the running program has no path any more, and its successor has it.
        let program = std::env::current_exe().context("cannot find this program")?;
        let (order, obeyed) = watch::channel(Order::Start);
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
                obeyed.clone(),
            ));
        }
        // The supervisors alone hold it: a receiver of ours would keep `order` waiting for nobody.
        drop(obeyed);

        let outcome = tokio::select! {
            () = asked_to_end() => Ok(()),
            outcome = self.serve(&order, &mut supervisors) => outcome,
        };

        output::line("octet: ending");
        order.send_replace(Order::Drain);
        tokio::select! {
            () = asked_to_end() => {
                output::line("octet: ending at once");
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

    /// Waits until all are ready and says so; then until a supervisor gives up, which only a start that
    /// failed makes it do.
    async fn serve(
        &self,
        order: &watch::Sender<Order>,
        supervisors: &mut JoinSet<Result<(), Failure>>,
    ) -> Result<(), Failure> {
        let begun = std::time::Instant::now();
        let waiting = tokio::select! {
            waiting = self.started() => waiting?,
            failure = first_failure(supervisors) => return Err(failure),
        };
        order.send_replace(Order::Run);
        output::line(table::table(&self.plan, &self.data, begun.elapsed()));
        if waiting.is_empty() {
            return Err(first_failure(supervisors).await);
        }
        output::line(format!("octet: not ready yet, and trying on:\n  {}", waiting.join("\n  ")));
        tokio::select! {
            failure = first_failure(supervisors) => Err(failure),
            () = self.say_when_ready() => Err(first_failure(supervisors).await),
        }
    }

    /// Waits until every process serves, and a while until all are ready; answers with those that are not.
    async fn started(&self) -> Result<Vec<String>, Failure> {
        let processes = &self.plan.processes;
        if tokio::time::timeout(START_TIMEOUT, probe::all_serve(processes)).await.is_err() {
            return Err(Failure::Failed(anyhow::anyhow!(
                "not every process served within {START_TIMEOUT:?}:\n{}\nsee the logs in {}",
                probe::reasons(processes).await.join("\n"),
                self.data.logs().display()
            )));
        }
        match tokio::time::timeout(READY_TIMEOUT, probe::all_ready(processes)).await {
            Ok(()) => Ok(Vec::new()),
            Err(_) => Ok(probe::reasons(processes).await),
        }
    }

    async fn say_when_ready(&self) {
        probe::all_ready(&self.plan.processes).await;
        output::line("octet: every process is ready");
    }
}

/// The first failure of a supervisor; waits for ever when there is none.
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

/// The next SIGTERM or Ctrl-C.
async fn asked_to_end() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without handlers the signals end this process at once, and the lifelines its children.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
