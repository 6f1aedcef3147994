//! The local runner: runs every process of the platform as a child process, on loopback.
//!
//! The same program runs here as in a cluster: a child is `octet service NAME`, `octet gateway` or `octet collector`,
//! and its environment sets where it listens and which upstreams it calls.

mod child;
mod control;
mod data_directory;
mod detached;
mod follow;
mod identity;
mod log_file;
mod notes;
mod plan;
mod port_check;
mod ports;
mod probe;
mod progress;
mod replicas;
mod run_file;
mod sockets;
mod supervise;
mod table;
mod targets;

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{oneshot, watch},
    task::JoinSet,
};

pub use data_directory::{DataDirectory, Recorded, log_of};
pub use detached::start as start_detached;
pub(crate) use follow::Tail;
pub use identity::Identity;
pub use notes::of_topology as notes_of_topology;
pub use plan::{Plan, ProcessPlan, SET_FOR_EACH_PROCESS};
pub use ports::Ports;
pub use run_file::{Run, RunningProcess, State};

use self::{progress::Progress, run_file::RunFile, targets::Targets};
use crate::{failure::Failure, output, terminal::Terminal};

/// Within this time every process must serve.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait then until all are ready. A process that waits for a broker or a database keeps waiting without
/// delaying the rest of the platform.
const READY_TIMEOUT: Duration = Duration::from_secs(5);

/// A platform that is about to run.
pub struct Runner {
    plan: Plan,
    data: DataDirectory,
    /// How to print the logs; `None` to leave them in their files.
    logs: Option<Terminal>,
    place: Place,
    /// Whether stdin has orders for single processes.
    is_controlled: bool,
}

/// Where `octet up` runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At a terminal, until Ctrl-C.
    Foreground,
    /// Detached, until `octet stop`.
    Background,
}

/// What the supervisors must do with their processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    /// Start them; the order until all serve.
    Start,
    Run,
    /// End all but the collector, so that their last spans arrive.
    Drain,
    DrainCollector,
    Kill,
}

impl Runner {
    /// A runner of `plan` in `data`.
    pub fn new(plan: Plan, data: DataDirectory, logs: Option<Terminal>, place: Place) -> Self {
        Self { plan, data, logs, place, is_controlled: false }
    }

    /// Takes orders for single processes from stdin, whose end ends the platform.
    #[must_use]
    pub fn controlled(mut self, is_controlled: bool) -> Self {
        self.is_controlled = is_controlled;
        self
    }

    /// Runs the platform until SIGTERM or Ctrl-C; a second one ends it at once.
    ///
    /// # Errors
    /// [`Failure`] if a port is in use or a process does not start; every process has ended by then.
    pub async fn run(self) -> Result<(), Failure> {
        let run = RunFile::create(&self.plan, &self.data);
        tokio::select! {
            () = end_signal() => return Ok(()),
            free = port_check::all_free(&self.plan) => free?,
        }
        // Read once: after a rebuild the path of the running program is gone, and a new program has its place.
        let program = std::env::current_exe().context("cannot find this program")?;
        let _targets = Targets::create(&self.plan, &self.data);
        let (order, _) = watch::channel(Order::Start);
        let (holder, holds) = watch::channel(control::Holds::new());
        let stdin_ends = holds.clone();
        let mut holder = Some(holder);
        if self.is_controlled
            && let Some(holder) = holder.take()
        {
            control::read_stdin(holder);
        }
        let mut supervisors = Supervisors::default();
        let mut follower = None;
        if let Some(terminal) = self.logs {
            let (end, ended) = oneshot::channel::<()>();
            let following = follow::follow(self.plan.logs(&self.data), terminal, ended);
            follower = Some((tokio::spawn(following), end));
        }
        for process in &self.plan.processes {
            let set =
                if process.receives_spans() { &mut supervisors.collector } else { &mut supervisors.others };
            set.spawn(supervise::supervise(
                program.clone(),
                process.clone(),
                self.data.clone(),
                run.clone(),
                order.subscribe(),
                holds.clone(),
            ));
        }
        let outcome = tokio::select! {
            () = end_signal() => Ok(()),
            () = control::ended(stdin_ends) => Ok(()),
            outcome = self.serve(&order, &run, &mut supervisors) => outcome,
        };

        output::line("octet: shutting down");
        run.set_state(State::Stopping);
        tokio::select! {
            () = end_signal() => {
                output::line("octet: second signal, ending every process at once");
                order.send_replace(Order::Kill);
                finish(&mut supervisors.others).await;
                finish(&mut supervisors.collector).await;
            }
            () = supervisors.drain(&order) => {}
            never = progress::of_shutdown(&run) => match never {},
        }
        if let Some((follower, end)) = follower {
            drop(end);
            // It fails only if it panicked.
            let _ = follower.await;
        }
        outcome
    }

    /// Waits until all processes are ready and prints the table; then waits for a supervisor to fail, which happens only
    /// if its process cannot be started the first time.
    async fn serve(
        &self,
        order: &watch::Sender<Order>,
        run: &RunFile,
        supervisors: &mut Supervisors,
    ) -> Result<(), Failure> {
        let started = Instant::now();
        let mut progress = Progress::new(&self.plan.processes);
        let waiting = tokio::select! {
            waiting = self.started() => waiting?,
            failure = supervisors.first_failure() => return Err(failure),
            never = progress.report() => match never {},
        };
        order.send_replace(Order::Run);
        output::line(table::table(&self.plan, &self.data, self.place, started.elapsed()));
        for note in &self.plan.notes {
            output::line(format!("octet: note: {note}"));
        }
        if !waiting.is_empty() {
            output::line(format!("octet: not ready yet, still waiting for:\n  {}", waiting.join("\n  ")));
            tokio::select! {
                failure = supervisors.first_failure() => return Err(failure),
                () = probe::all_ready(&self.plan.processes) => {}
                never = progress.report() => match never {},
            }
            output::line("octet: all processes are ready");
        }
        run.set_state(State::Ready);
        Err(supervisors.first_failure().await)
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
}

/// The tasks that keep the processes running.
#[derive(Default)]
struct Supervisors {
    collector: JoinSet<Result<(), Failure>>,
    others: JoinSet<Result<(), Failure>>,
}

impl Supervisors {
    /// The first failure of a supervisor; never resolves without one.
    async fn first_failure(&mut self) -> Failure {
        tokio::select! {
            failure = first_failure(&mut self.collector) => failure,
            failure = first_failure(&mut self.others) => failure,
        }
    }

    /// Ends all processes, the collector last.
    async fn drain(&mut self, order: &watch::Sender<Order>) {
        order.send_replace(Order::Drain);
        finish(&mut self.others).await;
        order.send_replace(Order::DrainCollector);
        finish(&mut self.collector).await;
    }
}

/// The first failure in one set; never resolves without one.
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
pub(crate) async fn end_signal() {
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
