//! A script in the place of `octet`, for runs of the gateway.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use octet_testbed::eventually;
use serde_json::Value;
use tempfile::TempDir;

use crate::{client::get, gateway::Gateway};

pub struct Program {
    directory: TempDir,
}

impl Program {
    pub fn new(script: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let program = Self { directory };
        program.replace(script);
        program
    }

    /// Puts another script in its place.
    pub fn replace(&self, script: &str) {
        // Renamed, because a file that is open for writing cannot be run.
        let new = self.directory.path().join("new");
        fs::write(&new, format!("#!/bin/bash\n{script}")).expect("written");
        fs::set_permissions(&new, fs::Permissions::from_mode(0o700)).expect("executable");
        fs::rename(&new, self.path()).expect("renamed");
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("octet")
    }

    pub fn file(&self, suffix: &str) -> Option<String> {
        fs::read_to_string(self.directory.path().join(format!("octet.{suffix}"))).ok()
    }
}

/// Waits until the run at `path` has this state.
pub async fn run_becomes(gateway: &Gateway, path: &str, state: &str) -> Value {
    eventually(&format!("the run is {state}"), async || {
        let run = get(gateway, path).await.json()["run"].clone();
        if run["state"] == state { Ok(run) } else { Err(run.to_string()) }
    })
    .await
}
