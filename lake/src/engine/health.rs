//! Whether sources and sinks could be reached when they were last needed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The outcomes of the newest polls and commits, by source and topic. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<String, Result<(), String>>>>);

impl Health {
    /// Records an outcome.
    pub(super) fn set(&self, name: &str, outcome: Result<(), String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), outcome);
    }

    /// Whether all could be reached.
    ///
    /// # Errors
    /// The reasons of those that could not, or that none was tried yet.
    pub fn check(&self) -> Result<(), String> {
        let outcomes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if outcomes.is_empty() {
            return Err("not connected yet".to_owned());
        }
        let failed = outcomes
            .iter()
            .filter_map(|(name, outcome)| Some(format!("{name}: {}", outcome.as_ref().err()?)));
        let failed: Vec<String> = failed.collect();
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
    }
}
