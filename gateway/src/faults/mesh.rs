//! The faults of all processes.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::http::HeaderValue;
use futures_util::{StreamExt, stream};
use octet_runtime::admin::{AdminClient, FaultChange, FaultReport};
use serde::Serialize;
use tokio::sync::RwLock;

use crate::processes::{AdminAddress, AdminAddresses, Name};

/// Processes that are asked at the same time.
const CONCURRENT: usize = 32;

/// For one process.
const PROCESS_TIMEOUT: Duration = Duration::from_secs(2);

/// Reasons that the message of a failure lists.
const MAX_REASONS: usize = 3;

/// Reads and changes the faults of all processes.
pub(super) struct FaultMesh {
    addresses: AdminAddresses,
    client: AdminClient,
    /// Changes one after the other: two at once would leave some processes with the one's faults and some with the other's.
    changes: RwLock<()>,
}

/// The faults of all processes.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct State {
    /// When it was read, in milliseconds since 1970.
    at: u64,
    faults: Vec<Shown>,
    /// Processes that did not do what was asked.
    failed: Vec<Failed>,
}

/// A fault, and how many processes have it: all, unless some failed or their configuration differs.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Shown {
    fault: String,
    source: String,
    /// When it ends in the last process, as RFC 3339 has it.
    until: Option<String>,
    /// How often it acted, in all processes.
    acted: u64,
    processes: usize,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Failed {
    process: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    replica: Option<u32>,
    reason: String,
}

impl FaultMesh {
    pub(super) fn new(addresses: AdminAddresses) -> Self {
        Self { addresses, client: AdminClient::new(PROCESS_TIMEOUT), changes: RwLock::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    pub(super) async fn read(&self, token: Option<&HeaderValue>) -> State {
        let _unchanged = self.changes.read().await;
        merge(self.ask(&FaultChange::None, token).await)
    }

    /// Asks every process for this, and returns the faults that they have then; the reasons if no process did it.
    pub(super) async fn change(
        &self,
        change: &FaultChange,
        token: Option<&HeaderValue>,
    ) -> Result<State, String> {
        let _alone = self.changes.write().await;
        let reports = self.ask(change, token).await;
        if reports.iter().any(|(_, report)| report.is_ok()) {
            return Ok(merge(reports));
        }
        let reason =
            |((process, _), report): (Name, Result<_, String>)| Some(format!("{process}: {}", report.err()?));
        let reasons: Vec<_> = reports.into_iter().filter_map(reason).take(MAX_REASONS).collect();
        Err(reasons.join("; "))
    }

    async fn ask(
        &self,
        change: &FaultChange,
        token: Option<&HeaderValue>,
    ) -> Vec<(Name, Result<Vec<FaultReport>, String>)> {
        let targets =
            stream::iter(self.addresses.with_faults()).map(AdminAddress::targets).buffered(CONCURRENT);
        let targets: Vec<_> = targets.collect().await;
        let ask = |(name, address): (Name, Result<_, String>)| async move {
            let report = match address {
                Ok(address) => {
                    self.client.faults(address, change, token).await.map_err(|error| error.to_string())
                }
                Err(reason) => Err(reason),
            };
            (name, report)
        };
        stream::iter(targets.into_iter().flatten()).map(ask).buffered(CONCURRENT).collect().await
    }
}

/// One entry for a fault that several processes have, in the order of the first.
fn merge(reports: Vec<(Name, Result<Vec<FaultReport>, String>)>) -> State {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let mut state = State { at: u64::try_from(at).unwrap_or(u64::MAX), ..State::default() };
    let mut places = BTreeMap::new();
    for ((process, replica), report) in reports {
        let faults = match report {
            Ok(faults) => faults,
            Err(reason) => {
                state.failed.push(Failed { process, replica, reason });
                continue;
            }
        };
        // The same fault twice is two faults.
        let mut seen = BTreeMap::<_, u64>::new();
        for FaultReport { fault, source, until, acted } in faults {
            let key = (source.clone(), fault.clone());
            let number = seen.entry(key.clone()).and_modify(|number| *number += 1).or_default();
            let place = *places.entry((key, *number)).or_insert(state.faults.len());
            match state.faults.get_mut(place) {
                Some(shown) => {
                    shown.acted = shown.acted.saturating_add(acted);
                    shown.processes += 1;
                    // These texts sort by time.
                    shown.until = until.max(shown.until.take());
                }
                None => state.faults.push(Shown { fault, source, until, acted, processes: 1 }),
            }
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(fault: &str, until: &str, acted: u64) -> FaultReport {
        FaultReport {
            fault: fault.to_owned(),
            source: "admin".to_owned(),
            until: Some(until.to_owned()),
            acted,
        }
    }

    #[test]
    fn a_fault_of_several_processes_is_one_entry_and_a_fault_given_twice_is_two() {
        let merged = merge(vec![
            (
                ("a".to_owned(), None),
                Ok(vec![report("x", "2026-01-01T00:00:01Z", 3), report("x", "2026-01-01T00:00:01Z", 4)]),
            ),
            (("b".to_owned(), Some(2)), Err("gone".to_owned())),
            (
                ("c".to_owned(), None),
                Ok(vec![report("y", "2026-01-01T00:00:01Z", 0), report("x", "2026-01-01T00:00:02Z", 5)]),
            ),
        ]);
        let shown: Vec<_> = merged
            .faults
            .iter()
            .map(|shown| {
                (shown.fault.as_str(), shown.acted, shown.processes, shown.until.as_deref().expect("a time"))
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("x", 8, 2, "2026-01-01T00:00:02Z"),
                ("x", 4, 1, "2026-01-01T00:00:01Z"),
                ("y", 0, 1, "2026-01-01T00:00:01Z")
            ]
        );
        assert_eq!(
            merged.failed,
            [Failed { process: "b".to_owned(), replica: Some(2), reason: "gone".to_owned() }]
        );
    }
}
