//! Carries out faults and actions at their times.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use octet_backends::queue::{Message, Publisher};
use octet_fault::Fault;
use octet_runtime::faults::draw_seed;
use rustix::process::Signal;
use tokio::{
    sync::Mutex,
    task::JoinSet,
    time::{sleep, sleep_until},
};

use super::{
    faults::Faults,
    ledger::{ACTION, FAULT, Ledger},
    mesh::{Mesh, OwnMesh},
    model::{Action, Scenario, Verb},
};

/// The time between two looks for restarted processes, which have lost their faults.
const WATCH: Duration = Duration::from_millis(100);

/// The faults that act now, by their number in the file, with their entries in the ledger.
type Active = Arc<Mutex<BTreeMap<usize, (Fault, usize)>>>;

/// What the timeline acts on.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) mesh: Arc<Mesh>,
    pub(crate) faults: Faults,
    pub(crate) ledger: Ledger,
    /// For poison, by service.
    pub(crate) publishers: BTreeMap<String, Arc<dyn Publisher>>,
}

/// Runs all faults and actions to their ends. `start` is the moment 0.
pub(crate) async fn run(scenario: &Scenario, stage: Stage, start: Instant) {
    let active = Active::default();
    let mut tasks = JoinSet::new();
    for action in &scenario.actions {
        tasks.spawn(act(action.clone(), stage.clone(), start));
    }
    let mut changes: Vec<(Duration, bool, usize)> = Vec::new();
    for (number, fault) in scenario.faults.iter().enumerate() {
        changes.push((fault.from, true, number));
        changes.push((fault.until, false, number));
    }
    changes.sort();
    // Ends with this function, also where that is dropped.
    let mut watching = JoinSet::new();
    watching.spawn(watch_restarts(stage.clone(), Arc::clone(&active)));
    for (at, starts, number) in changes {
        sleep_until((start + at).into()).await;
        let Some(timed) = scenario.faults.get(number) else { continue };
        let mut active = active.lock().await;
        count(&stage, &active).await;
        if starts {
            // The scenario keeps the time: the processes need no end.
            let text = without_end(&timed.fault);
            let entry = stage.ledger.begin(FAULT, text.to_string(), text.is_blind());
            active.insert(number, (text, entry));
        }
        let entry = active.get(&number).map(|(_, entry)| *entry);
        if !starts {
            active.remove(&number);
        }
        let faults: Vec<_> = active.values().map(|(fault, _)| fault.clone()).collect();
        let problems = stage.faults.set(&faults).await;
        if let Some(entry) = entry {
            for problem in problems {
                stage.ledger.problem(entry, problem);
            }
            if !starts {
                stage.ledger.end(entry);
            }
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// The fault without its own end.
pub(crate) fn without_end(fault: &Fault) -> Fault {
    let fields = fault.fields().into_iter().filter(|(key, _)| *key != "for");
    let text: Vec<_> = fields.map(|(key, value)| format!("{key}=\"{value}\"")).collect();
    // The fault is valid, and stays so without its duration.
    octet_fault::parse(&text.join(" "))
        .ok()
        .and_then(|faults| faults.into_iter().next())
        .unwrap_or(fault.clone())
}

/// Adds how often each fault acted, which the processes forget when faults are set.
async fn count(stage: &Stage, active: &BTreeMap<usize, (Fault, usize)>) {
    if active.is_empty() {
        return;
    }
    let acted = stage.faults.acted().await;
    for (fault, entry) in active.values() {
        stage.ledger.count(*entry, acted.get(&fault.to_string()).copied().unwrap_or_default());
    }
}

/// A restarted process has no faults: it gets those of the moment.
async fn watch_restarts(stage: Stage, active: Active) {
    let mut known: BTreeMap<String, u32> = BTreeMap::new();
    loop {
        if let Some(run) = stage.mesh.own().ok().and_then(OwnMesh::find) {
            for process in &run.processes {
                let Some(pid) = process.pid else { continue };
                let before = known.get(&process.name).copied();
                if before == Some(pid) {
                    continue;
                }
                let active = active.lock().await;
                let faults: Vec<_> = active.values().map(|(fault, _)| fault.clone()).collect();
                let is_new = before.is_some() && !faults.is_empty();
                // Tried again at the next look, for the process may not serve yet.
                if !is_new || stage.faults.set_at(&process.name, process.admin, &faults).await.is_none() {
                    known.insert(process.name.clone(), pid);
                }
            }
        }
        sleep(WATCH).await;
    }
}

async fn act(action: Action, stage: Stage, start: Instant) {
    sleep_until((start + action.from).into()).await;
    let entry = stage.ledger.begin(ACTION, action.to_string(), false);
    if let Err(error) = carry_out(&action, &stage, start).await {
        stage.ledger.problem(entry, format!("{error:#}"));
    }
    stage.ledger.end(entry);
}

async fn carry_out(action: &Action, stage: &Stage, start: Instant) -> anyhow::Result<()> {
    let mesh = || stage.mesh.own();
    let end = action.lasting.map(|lasting| start + action.from + lasting);
    match action.verb {
        Verb::Restart => {
            // One after the other, as in a rolling restart.
            for process in &action.processes {
                mesh()?.hold("stop", process).await?;
                mesh()?.release(process).await?;
                mesh()?.ready(process).await?;
            }
        }
        Verb::Kill | Verb::Stop => {
            for process in &action.processes {
                mesh()?.hold(action.verb.name(), process).await?;
            }
            if let Some(end) = end {
                sleep_until(end.into()).await;
            }
            if end.is_some() || action.verb == Verb::Kill {
                for process in &action.processes {
                    mesh()?.release(process).await?;
                }
            }
        }
        Verb::Freeze | Verb::Thaw => {
            let (first, last) = (Signal::STOP, Signal::CONT);
            for process in &action.processes {
                mesh()?.signal(process, if action.verb == Verb::Freeze { first } else { last })?;
            }
            if let Some(end) = end {
                sleep_until(end.into()).await;
                for process in &action.processes {
                    mesh()?.signal(process, last)?;
                }
            }
        }
        Verb::Poison => {
            for process in &action.processes {
                let Some(publisher) = stage.publishers.get(process) else { continue };
                // Of this run alone: a queue keeps one message of an id.
                let id = format!("{:08x}-0000-4000-8000-{:012x}", draw_seed().0, action.from.as_millis());
                let message = Message { id, headers: Vec::new(), body: b"{\"id\": 7".to_vec() };
                publisher.publish(message).await?;
            }
        }
    }
    Ok(())
}
