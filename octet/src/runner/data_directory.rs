//! The data directory of a platform: stores, queues, logs, process ids.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{FlockOperation, flock};

use crate::failure::Failure;

/// The files of a [record](DataDirectory::record).
const TOPOLOGY: &str = "topology.toml";
const VARIABLES: &str = "overrides.env";

/// A data directory that this process has locked. Clones share the lock; dropping the last one releases it.
#[derive(Debug, Clone)]
pub struct DataDirectory {
    path: PathBuf,
    _lock: Arc<File>,
}

impl DataDirectory {
    /// Creates the directory and locks it: two platforms in one directory would mix their logs and messages.
    ///
    /// # Errors
    /// [`Failure::Configuration`] if the directory cannot be written; [`Failure::Failed`] if another platform has locked it.
    pub fn lock(path: &Path) -> Result<Self, Failure> {
        let unwritable = |error: io::Error| {
            Failure::Configuration(format!("--data: cannot write to {}: {error}", path.display()))
        };
        for part in ["logs", "run"] {
            fs::create_dir_all(path.join(part)).map_err(unwritable)?;
        }
        let lock_file = path.join("run").join("up.pid");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(lock_file)
            .map_err(unwritable)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            return Err(Failure::Failed(anyhow::anyhow!(
                "{} is in use by another `octet up` (process {}); stop that one, or choose another directory with --data",
                path.display(),
                holder.trim()
            )));
        }
        write_id(&mut file, std::process::id()).map_err(unwritable)?;
        Ok(Self { path: path.to_path_buf(), _lock: Arc::new(file) })
    }

    /// The directory's absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records what the platform runs with, for [`Recorded::read`].
    ///
    /// # Errors
    /// [`Failure::Configuration`] if the directory cannot be written.
    pub fn record(&self, topology: &str, variables: &[(&str, Option<String>)]) -> Result<(), Failure> {
        let set = variables.iter().filter_map(|(name, value)| Some(format!("{name}={}\n", value.as_ref()?)));
        let written = replace(&self.path.join(TOPOLOGY), topology)
            .and_then(|()| replace(&self.path.join(VARIABLES), &set.collect::<String>()));
        written.map_err(|error| {
            Failure::Configuration(format!("--data: cannot write to {}: {error}", self.path.display()))
        })
    }

    /// The directory of the logs.
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// The log of one process.
    pub fn log(&self, process: &str) -> PathBuf {
        log_of(&self.path, process)
    }

    /// The file that contains the id of a process while it runs.
    pub fn pid_file(&self, process: &str) -> PathBuf {
        self.path.join("run").join(format!("{process}.pid"))
    }
}

/// The log of one process in the data directory at `path`.
pub fn log_of(path: &Path, process: &str) -> PathBuf {
    path.join("logs").join(format!("{process}.log"))
}

/// What the last platform in a data directory ran with.
#[derive(Debug, Default)]
pub struct Recorded {
    /// Its topology file, if there is one.
    pub topology: Option<PathBuf>,
    /// Its variables that override the topology.
    pub variables: BTreeMap<String, String>,
}

impl Recorded {
    /// Reads the record in the data directory at `path`; empty without one.
    pub fn read(path: &Path) -> Self {
        let topology = path.join(TOPOLOGY);
        let variables = fs::read_to_string(path.join(VARIABLES)).unwrap_or_default();
        let variables = variables.lines().filter_map(|line| line.split_once('='));
        Self {
            topology: topology.exists().then_some(topology),
            variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        }
    }
}

/// Writes a file so that a reader sees the old content or the new.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(new, path)
}

fn write_id(file: &mut File, id: u32) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_locked_by_one_platform_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let locked = DataDirectory::lock(&path).unwrap();
        let refused = DataDirectory::lock(&path).expect_err("locked").to_string();
        assert!(refused.contains(&format!("(process {})", std::process::id())), "{refused}");

        drop(locked);
        DataDirectory::lock(&path).expect("free again");
    }

    #[test]
    fn a_record_is_read_back_and_replaced() {
        let parent = tempfile::tempdir().unwrap();
        let empty = Recorded::read(parent.path());
        assert_eq!((empty.topology, empty.variables.len()), (None, 0));

        let directory = DataDirectory::lock(parent.path()).unwrap();
        let variables = [("QUEUE_NAME", Some("a=b".to_owned())), ("FAILURE_POLICY", None)];
        directory.record("first", &variables).unwrap();
        let recorded = Recorded::read(parent.path());
        assert_eq!(fs::read_to_string(recorded.topology.unwrap()).unwrap(), "first");
        assert_eq!(recorded.variables, BTreeMap::from([("QUEUE_NAME".to_owned(), "a=b".to_owned())]));

        directory.record("second", &[]).unwrap();
        let recorded = Recorded::read(parent.path());
        assert_eq!(fs::read_to_string(recorded.topology.unwrap()).unwrap(), "second");
        assert_eq!(recorded.variables.len(), 0);
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_a_configuration_error() {
        let refused = DataDirectory::lock(Path::new("/proc/octet")).expect_err("unwritable");
        assert!(matches!(refused, Failure::Configuration(_)));
        assert!(refused.to_string().starts_with("--data: cannot write to /proc/octet: "), "{refused}");
    }
}
