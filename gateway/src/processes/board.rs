//! The list of processes, read on demand and kept for a short time.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use octet_runtime::admin::{AdminClient, AdminReport};
use serde::Serialize;
use tokio::sync::{Semaphore, watch};

use super::{
    addresses::{AdminAddress, AdminAddresses, Name},
    history::{History, Recent},
};

/// How old a list may be. As many pages as there are cause no more rounds than this.
const MAX_AGE: Duration = Duration::from_millis(1_500);

/// Processes that are read at the same time.
const CONCURRENT: usize = 32;

/// For one process: a little longer than its own probes take.
const PROCESS_TIMEOUT: Duration = Duration::from_secs(2);

/// Callers that wait for a round; others get the last list.
const MAX_WAITING: usize = 16;

/// For a whole round: more than the slowest processes need.
const ROUND_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) struct Board {
    addresses: AdminAddresses,
    client: AdminClient,
    waiting: Semaphore,
    round: Mutex<Round>,
    list: watch::Sender<Option<Bytes>>,
}

/// The state of reading.
#[derive(Default)]
struct Round {
    is_running: bool,
    finished: Option<Instant>,
    /// By process and address.
    histories: HashMap<(String, SocketAddr), History>,
}

#[derive(Serialize)]
struct List {
    /// When it was read, in milliseconds since 1970.
    at: u64,
    processes: Vec<Process>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    name: String,
    /// Its number among the replicas of its service.
    #[serde(skip_serializing_if = "Option::is_none")]
    replica: Option<u32>,
    state: &'static str,
    reasons: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// In milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restarts: Option<u64>,
    /// Processors in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
    /// The time that `cpu` and the store's figures cover.
    #[serde(skip_serializing_if = "Option::is_none")]
    window_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<Store>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<Queue>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Store {
    up: bool,
    inserts: u64,
    /// Upper bounds; absent without inserts, and for values beyond the last bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Queue {
    ready: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_seconds: Option<u64>,
    dead_letters: u64,
}

impl Board {
    pub(super) fn new(addresses: AdminAddresses) -> Self {
        Self {
            addresses,
            client: AdminClient::new(PROCESS_TIMEOUT),
            waiting: Semaphore::new(MAX_WAITING),
            round: Mutex::default(),
            list: watch::Sender::new(None),
        }
    }

    /// The list as JSON, at most [`MAX_AGE`] older than a round takes. While too many callers wait for a round, the last
    /// list; `None` before the first round.
    pub(super) async fn current(self: &Arc<Self>) -> Option<Bytes> {
        if let Some(mut list) = self.next_round()
            && let Ok(_permit) = self.waiting.try_acquire()
        {
            // This fails only if the board is gone.
            let _ = list.changed().await;
        }
        self.list.borrow().clone()
    }

    /// Starts a round unless one is running, and returns what changes when it ends; `None` if the list is new. A caller that
    /// leaves does not end a round, and the next one does not repeat it.
    fn next_round(self: &Arc<Self>) -> Option<watch::Receiver<Option<Bytes>>> {
        let mut round = locked(&self.round);
        if !round.is_running {
            if round.finished.is_some_and(|finished| finished.elapsed() < MAX_AGE) {
                return None;
            }
            round.is_running = true;
            let board = self.clone();
            tokio::spawn(async move {
                let mut ending = Ending { board: &board, list: None };
                let read = tokio::time::timeout(ROUND_TIMEOUT, board.read()).await;
                ending.list = read.ok().and_then(|list| serde_json::to_vec(&list).ok()).map(Bytes::from);
            });
        }
        Some(self.list.subscribe())
    }

    async fn read(&self) -> List {
        let resolved = stream::iter(self.addresses.iter()).map(AdminAddress::targets).buffered(CONCURRENT);
        let replicas: Vec<_> = resolved.collect().await;
        let read = |(name, address): (Name, Result<SocketAddr, String>)| async move {
            let report = match &address {
                Ok(address) => self.client.report(address).await.map_err(|error| error.to_string()),
                Err(reason) => Err(reason.clone()),
            };
            (name, address.ok(), report)
        };
        let reports: Vec<_> =
            stream::iter(replicas.into_iter().flatten()).map(read).buffered(CONCURRENT).collect().await;
        let (at, now) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        let mut histories = std::mem::take(&mut locked(&self.round).histories);
        let mut kept = HashMap::new();
        let mut processes = Vec::new();
        for (name, address, report) in reports {
            let mut history = address.map(|address| {
                let key = (name.0.clone(), address);
                // A replica that is gone is forgotten.
                kept.entry(key.clone()).or_insert_with(|| histories.remove(&key).unwrap_or_default())
            });
            processes.push(match (report, &mut history) {
                (Ok(report), Some(history)) => {
                    let recent = history.add(&report, at, now.as_secs_f64());
                    Process::of(name, report, &recent)
                }
                (Ok(_), None) => Process::unreachable(name, "no address".to_owned(), None),
                (Err(reason), history) => {
                    let restarts = history.as_ref().and_then(|history| history.restarts());
                    Process::unreachable(name, reason, restarts)
                }
            });
        }
        locked(&self.round).histories = kept;
        List { at: millis(now), processes }
    }
}

/// Ends a round, also if it panics: callers wait for it.
struct Ending<'a> {
    board: &'a Board,
    /// The new list, if there is one.
    list: Option<Bytes>,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        // Under the lock, so that a caller either sees the new list or waits for the next round.
        let mut round = locked(&self.board.round);
        round.is_running = false;
        round.finished = Some(Instant::now());
        let new = self.list.take();
        self.board.list.send_modify(|list| *list = new.or_else(|| list.take()));
    }
}

impl Process {
    fn of((name, replica): Name, report: AdminReport, recent: &Recent) -> Self {
        let (state, reasons) = match report.readiness {
            Ok(()) => ("ready", Vec::new()),
            Err(reasons) => ("not ready", reasons.lines().map(str::to_owned).collect()),
        };
        Self {
            name,
            replica,
            state,
            reasons,
            version: report.version,
            started: report.started.and_then(|at| Duration::try_from_secs_f64(at).ok()).map(millis),
            restarts: Some(recent.restarts),
            cpu: recent.cpu.map(|cpu| (cpu * 1e4).round() / 1e4),
            memory_bytes: report.resident_bytes,
            window_seconds: recent.window.map(|window| window.as_secs()),
            store: report.store.map(|store| Store {
                up: store.up,
                inserts: recent.inserts.count(),
                p50_seconds: recent.inserts.quantile(0.5),
                p99_seconds: recent.inserts.quantile(0.99),
            }),
            queue: report.queue.map(|queue| Queue {
                ready: queue.ready,
                oldest_seconds: queue.oldest_seconds.map(whole),
                dead_letters: queue.dead_letters,
            }),
        }
    }

    fn unreachable((name, replica): Name, reason: String, restarts: Option<u64>) -> Self {
        Self {
            name,
            replica,
            state: "unreachable",
            reasons: vec![reason],
            version: None,
            started: None,
            restarts,
            cpu: None,
            memory_bytes: None,
            window_seconds: None,
            store: None,
            queue: None,
        }
    }
}

/// Whole seconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a double saturates")]
fn whole(value: f64) -> u64 {
    value as u64
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The state is consistent at every moment, also after a panic under the lock.
fn locked<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
