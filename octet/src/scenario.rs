//! Scenarios: load, faults, actions and expectations on one clock.
//!
//! [`mod@file`] reads and validates the language, [`round`] runs it once, [`judge`] compares what was measured with what was
//! expected, and [`report`] writes it down. Windows are those of the disturbances that took place, not of the plan, and a
//! request belongs to the window in which it was due.

pub(crate) mod condition;
pub(crate) mod export;
pub(crate) mod faults;
pub(crate) mod file;
pub(crate) mod judge;
pub(crate) mod ledger;
pub(crate) mod live;
pub(crate) mod measure;
pub(crate) mod mesh;
pub(crate) mod model;
pub(crate) mod report;
pub(crate) mod round;
pub(crate) mod schema;
pub(crate) mod score;
pub(crate) mod shipped;
pub(crate) mod states;
pub(crate) mod target;
pub(crate) mod telemetry;
pub(crate) mod timeline;

use std::time::Duration;

use octet_topology::Findings;

use crate::cli::ScenarioTarget;

/// A valid scenario file, as far as another crate may look at it.
#[derive(Debug, PartialEq, Eq)]
pub struct Checked {
    /// How long its load lasts.
    pub load: Duration,
    /// The start and end of each fault.
    pub faults: Vec<(Duration, Duration)>,
    /// For k6 and for Chaos Toolkit.
    pub exported: [String; 2],
}

/// Checks the text of a scenario whose topology is the built-in one or a shipped one.
///
/// # Errors
/// Every finding, with line and column.
pub fn check(text: &str, origin: &str) -> Result<Checked, Findings> {
    let scenario = shipped::parse(text, origin)?;
    let exported = |to| export::export(&scenario, to).text;
    Ok(Checked {
        load: scenario.load.lasting,
        faults: scenario.faults.iter().map(|timed| (timed.from, timed.until)).collect(),
        exported: [exported(ScenarioTarget::K6), exported(ScenarioTarget::Chaostoolkit)],
    })
}

/// Grades a diagnosis against the first round of a report, from 0 to 1.
///
/// # Errors
/// What is wrong with one of the two, in one line that begins with its name.
pub fn grade(diagnosis: &str, report: &str) -> Result<f64, String> {
    score::score(diagnosis, report, 1).map(|score| score.total)
}
