//! When everything happens, by the file: other tools do not know what took place.

use std::{collections::BTreeMap, time::Duration};

use octet_fault::Fault;

use crate::scenario::{
    model::{Expectation, Scenario, When},
    timeline::without_end,
};

/// The faults from one moment on.
pub(super) struct Change {
    pub(super) at: Duration,
    /// Empty at the end of the last.
    pub(super) faults: Vec<Fault>,
}

/// The times of a scenario.
pub(super) struct Plan {
    pub(super) changes: Vec<Change>,
    windows: BTreeMap<When, (Duration, Duration)>,
}

impl Plan {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let load = &scenario.load;
        let faults = scenario.faults.iter().map(|fault| (fault.from, fault.until));
        let actions = scenario.actions.iter().map(|action| {
            (action.from, (action.from + action.lasting.unwrap_or_default()).min(load.lasting))
        });
        let all: Vec<_> = faults.chain(actions).collect();
        let first = all.iter().map(|(from, _)| *from).min().unwrap_or(load.lasting);
        let last = all.iter().map(|(_, until)| *until).max().unwrap_or(load.lasting).max(first);
        let windows = BTreeMap::from([
            (When::Before, (load.warm_up.min(first), first)),
            (When::During, (first, last)),
            (When::After, (last, load.lasting)),
            (When::End, (load.warm_up.min(load.lasting), load.lasting)),
        ]);
        let mut times: Vec<_> = scenario.faults.iter().flat_map(|fault| [fault.from, fault.until]).collect();
        times.sort();
        times.dedup();
        let active = |at: Duration| {
            let active = scenario.faults.iter().filter(|fault| fault.from <= at && at < fault.until);
            active.map(|fault| without_end(&fault.fault)).collect()
        };
        let changes = times.into_iter().map(|at| Change { at, faults: active(at) }).collect();
        Self { changes, windows }
    }

    /// The part of the run that an expectation about requests is about.
    pub(super) fn window(&self, expectation: &Expectation) -> (Duration, Duration) {
        let (from, to) = self.windows.get(&expectation.when).copied().unwrap_or_default();
        ((from + expectation.within.unwrap_or_default()).min(to), to)
    }
}
