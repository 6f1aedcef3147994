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
pub(crate) mod measure;
pub(crate) mod mesh;
pub(crate) mod model;
pub(crate) mod report;
pub(crate) mod round;
pub(crate) mod score;
pub(crate) mod shipped;
pub(crate) mod states;
pub(crate) mod target;
pub(crate) mod telemetry;
pub(crate) mod timeline;
