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

pub use data_directory::DataDirectory;
pub use plan::{Plan, ProcessPlan};
pub use ports::Ports;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
};

use crate::{failure::Failure, output};

/// How long the processes may take until all are ready.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// What to start, and what to say of it.
pub struct Runner {
    plan: Plan,
    data: DataDirectory,
    follow_logs: bool,
}

/// What the supervisors are told to do with their processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
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
        let (order, obeyed) = watch::channel(Order::Run);
        let mut supervisors = JoinSet::new();
        let mut follower = None;
        if self.follow_logs {
            follower = Some(tokio::spawn(follow::follow(self.plan.logs(&self.data))));
        }
        for process in &self.plan.processes {
            supervisors.spawn(supervise::supervise(process.clone(), self.data.clone(), obeyed.clone()));
        }
        // The supervisors alone hold it: a receiver of ours would keep `order` waiting for nobody.
        drop(obeyed);

        let outcome = tokio::select! {
            () = asked_to_end() => Ok(()),
            outcome = self.serve(&mut supervisors) => outcome,
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
    async fn serve(&self, supervisors: &mut JoinSet<Result<(), Failure>>) -> Result<(), Failure> {
        let begun = std::time::Instant::now();
        let ready = tokio::time::timeout(START_TIMEOUT, probe::all_ready(&self.plan.processes));
        tokio::select! {
            ready = ready => ready.map_err(|_| anyhow::anyhow!(
                "not every process was ready within {START_TIMEOUT:?}; see the logs in {}",
                self.data.logs().display()
            ))?,
            failure = first_failure(supervisors) => return Err(failure),
        }
        output::line(table::table(&self.plan, &self.data, begun.elapsed()));
        Err(first_failure(supervisors).await)
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
