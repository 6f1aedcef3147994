//! The processes as targets of Prometheus, in the format of its `file_sd_configs`.

use std::{fs, path::PathBuf};

use serde_json::json;

use super::{
    data_directory::{DataDirectory, replace},
    plan::Plan,
};
use crate::output;

/// The file, which exists while the platform runs.
pub(super) struct Targets(PathBuf);

impl Targets {
    /// Writes the file.
    pub(super) fn create(plan: &Plan, data: &DataDirectory) -> Self {
        let path = data.path().join("run").join("prometheus-targets.json");
        let targets = plan.processes.iter().map(|process| {
            let labels = match process.replica {
                Some(replica) => json!({ "service": process.program, "replica": replica.to_string() }),
                None => json!({ "service": process.program }),
            };
            json!({ "targets": [process.admin.to_string()], "labels": labels })
        });
        let text: serde_json::Value = targets.collect();
        // A full disk is no reason not to run.
        if let Err(error) = replace(&path, &format!("{text:#}\n")) {
            output::line(format!("octet: cannot write {}: {error}", path.display()));
        }
        Self(path)
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
