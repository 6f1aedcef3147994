//! What runs: the file that `octet up` keeps in its data directory for `octet status` and `octet stop`.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{
    data_directory::{DataDirectory, replace},
    identity::Identity,
    plan::Plan,
};
use crate::output;

/// Bytes of the largest file that is read: 130 processes take less than 40 KiB.
const LIMIT: u64 = 1024 * 1024;

/// A running platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The process of `octet up`.
    pub up: Identity,
    /// The version of the build.
    pub version: String,
    /// How far it is.
    pub state: State,
    /// The gateway's address, as a URL.
    pub url: String,
    /// Its processes, the collector first and the gateway last.
    pub processes: Vec<RunningProcess>,
}

/// How far a platform is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not all processes have been ready yet.
    Starting,
    /// All processes have been ready.
    Ready,
    /// All processes are ending.
    Stopping,
}

/// One process of a platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningProcess {
    /// The service's name, `gateway` or `collector`.
    pub name: String,
    /// The address of its server.
    pub address: SocketAddr,
    /// The address of its admin server.
    pub admin: SocketAddr,
    /// Its process id; `None` while it does not run.
    pub pid: Option<u32>,
    /// How often it was restarted.
    pub restarts: u64,
}

impl Run {
    /// Reads the file in the data directory at `data`. `None` if no `octet up` runs there: there is no file, or the process
    /// that wrote it has ended without removing it.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn find(data: &Path) -> io::Result<Option<Self>> {
        let path = file(data);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.len() > LIMIT => return Err(io::ErrorKind::FileTooLarge.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            _ => {}
        }
        let run: Self = serde_json::from_slice(&fs::read(path)?)?;
        Ok(run.up.is_alive().then_some(run))
    }
}

/// The file of this process. The supervisors of all processes share it; dropping the last clone removes it.
#[derive(Clone)]
pub(super) struct RunFile(Arc<Shared>);

struct Shared {
    path: PathBuf,
    run: Mutex<Run>,
}

impl RunFile {
    /// Writes the file.
    pub(super) fn create(plan: &Plan, data: &DataDirectory) -> Self {
        let processes = plan.processes.iter().map(|process| RunningProcess {
            name: process.name.clone(),
            address: process.address,
            admin: process.admin,
            pid: None,
            restarts: 0,
        });
        let run = Run {
            up: Identity::of_this_process(),
            version: crate::cli::VERSION.to_owned(),
            state: State::Starting,
            url: plan.gateway_url(),
            processes: processes.collect(),
        };
        let this = Self(Arc::new(Shared { path: file(data.path()), run: Mutex::new(run) }));
        this.change(|_| {});
        this
    }

    /// The process has this id now, or none.
    pub(super) fn set_pid(&self, name: &str, pid: Option<u32>) {
        self.change(|run| {
            for process in run.processes.iter_mut().filter(|process| process.name == name) {
                process.pid = pid;
            }
        });
    }

    /// The process is restarted.
    pub(super) fn count_restart(&self, name: &str) {
        self.change(|run| {
            for process in run.processes.iter_mut().filter(|process| process.name == name) {
                process.restarts += 1;
            }
        });
    }

    pub(super) fn set_state(&self, state: State) {
        self.change(|run| run.state = state);
    }

    /// The processes that run.
    pub(super) fn running(&self) -> Vec<String> {
        let run = self.lock();
        let running = run.processes.iter().filter(|process| process.pid.is_some());
        running.map(|process| process.name.clone()).collect()
    }

    fn change(&self, change: impl FnOnce(&mut Run)) {
        let mut run = self.lock();
        change(&mut run);
        let written = serde_json::to_string_pretty(&*run)
            .map_err(io::Error::from)
            .and_then(|text| replace(&self.0.path, &text));
        // A full disk is no reason to end running processes.
        if let Err(error) = written {
            output::line(format!("octet: cannot write {}: {error}", self.0.path.display()));
        }
    }

    /// Valid even after a thread panicked while holding the lock.
    fn lock(&self) -> MutexGuard<'_, Run> {
        self.0.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn file(data: &Path) -> PathBuf {
    data.join("run").join("up.json")
}

#[cfg(test)]
mod tests {
    use octet_topology::Topology;

    use super::*;
    use crate::runner::Ports;

    fn created(directory: &Path) -> RunFile {
        let variables = std::collections::BTreeMap::new();
        let topology = Topology::built_in().unwrap();
        let plan = Plan::new(&topology, None, &Ports::block(20_000), directory, &variables).unwrap();
        RunFile::create(&plan, &DataDirectory::lock(directory).unwrap())
    }

    #[test]
    fn a_run_is_found_while_its_process_lives() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        assert_eq!(Run::find(path).unwrap(), None);
        let file = created(path);
        file.set_pid("service-c", Some(7));
        file.count_restart("service-c");
        file.set_state(State::Ready);
        let run = Run::find(path).unwrap().unwrap();
        let service = run.processes.iter().find(|process| process.name == "service-c").unwrap();
        assert_eq!((service.pid, service.restarts, run.state), (Some(7), 1, State::Ready));
        assert_eq!(file.running(), ["service-c"]);
        drop(file);
        assert_eq!(Run::find(path).unwrap(), None);
    }

    #[test]
    fn a_run_of_an_earlier_process_with_the_same_id_is_not_found() {
        let directory = tempfile::tempdir().unwrap();
        let file = created(directory.path());
        let mut run = Run::find(directory.path()).unwrap().unwrap();
        let Some(started) = &mut run.up.started else { return };
        *started -= 1;
        fs::write(&file.0.path, serde_json::to_string(&run).unwrap()).unwrap();
        assert_eq!(Run::find(directory.path()).unwrap(), None);
    }

    #[test]
    fn a_file_that_is_no_run_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let file = created(directory.path());
        fs::write(&file.0.path, "{}").unwrap();
        assert!(Run::find(directory.path()).is_err());
        fs::write(&file.0.path, vec![b' '; 2 * 1024 * 1024]).unwrap();
        assert!(Run::find(directory.path()).is_err());
    }
}
